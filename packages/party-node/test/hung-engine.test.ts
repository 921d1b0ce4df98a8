/**
 * A node whose engine hangs while its links stay open and its pings are answered: what a run, or the agreement on one,
 * may wait for it is limited. The limits are shortened here, in a process of this file's own.
 */
import type { Graph } from '@secformer/secformer-ops';
import test from 'ava';
import { limits, NodeError, type PortLink, type RunRequest, Session } from '../src/index.js';
import { MessageLink } from '../src/wire/framing.js';
import { nodeName } from '../src/wire/handshake.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { messageOf, startEngines, until } from './engines.js';

const PROGRESS_MS = 3_000;
const AGREE_MS = 2_000;
/** What a busy machine adds. */
const LATE_MS = 1_500;
Object.assign(limits, { progressMs: PROGRESS_MS, agreeMs: AGREE_MS });

/** One node's ends of its links: while it hangs nothing leaves them, and nothing that comes is looked at. */
class Hanging {
  hangs = false;
  /** message before which it begins to hang */
  at: string | undefined;
  #end: Promise<void> = Promise.resolve();
  #resume: () => void = () => {};

  begin(): void {
    this.hangs = true;
    this.#end = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  end(): void {
    this.hangs = false;
    this.#resume();
  }

  /** @param answering whether messages of the handshake pass all the same, as in a process, whose engine has no part */
  through(link: PortLink, answering = false): PortLink {
    const pass = async (frame: Uint8Array, go: (frame: Uint8Array) => void | Promise<void>) => {
      const { t = '' } = messageOf(frame);
      if (t === this.at) {
        this.at = undefined;
        this.begin();
      }
      if (!answering || !['hello', 'proof'].includes(t)) await this.#end;
      return go(frame);
    };
    let onFrame = link.onFrame;
    Object.defineProperty(link, 'onFrame', {
      get: () => (frame: Uint8Array) => pass(frame, (f) => onFrame(f)),
      set: (handler: typeof onFrame) => {
        onFrame = handler;
      },
    });
    const send = link.send.bind(link);
    // Links hold so many bytes that whoever sends to a node that hangs does not notice
    link.send = async (frame) => {
      const sent = pass(frame, send);
      if (this.hangs) sent.catch(() => {});
      else await sent;
    };
    return link;
  }
}

const softmax: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [4, 8] },
    { op: 'softmax', in: [0], shape: [4, 8] },
  ],
  outputs: [1],
};
const request: RunRequest = { graph: softmax, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };

for (const victim of NODES) {
  test(`${nodeName[victim]}’s engine hangs: whoever needs it is told in time, and served afterwards`, async (t) => {
    t.timeout(60_000);
    const hanging = new Hanging();
    const nodes = await startEngines(2 ** 31, (from, _, link) => {
      if (from === victim) hanging.through(link);
    });
    t.teardown(() => nodes.stop());
    const dial = async (role: NodeRole) =>
      role === victim ? hanging.through(await nodes.dial(role), true) : nodes.dial(role);
    const session = async () => {
      const s = await Session.connect(dial, nodes.token);
      s.prepareAhead = false;
      await s.write(1, new Float32Array(32), [4, 8]);
      return s;
    };
    const served = async (s: Session) => {
      const { outputs } = await s.run(request);
      t.true(outputs[0]!.every((v) => Math.abs(v - 1 / 8) < 1e-3));
    };
    /** Something fails because of the node, after what it may take. */
    const fails = async (what: Promise<unknown>, why: RegExp, ms: number, named = [nodeName[victim]]) => {
      const start = performance.now();
      const late = new Promise<string>((resolve) => setTimeout(resolve, ms + LATE_MS, `nothing in ${ms + LATE_MS} ms`));
      const error = await Promise.race([what.catch((cause: unknown) => cause), late]);
      t.true(error instanceof NodeError, String(error));
      const { node, code, message } = error as NodeError;
      t.true(named.includes(node) && code === 'NO_PROGRESS', `${code} ${message}`);
      t.regex(message, why);
      t.true(performance.now() - start >= ms - 50, 'no sooner than the limit says');
    };
    const idle = () => until(() => NODES.every((r) => nodes[r].runs.size === 0 && nodes[r].arena.usedBytes === 0));

    const s = await session();
    await served(s);
    if (victim === 'dealer') {
      // Party 0 waits as long for party 1, which waits for the dealer: either is told first
      hanging.at = 'material';
      await fails(s.run(request), /a correction|round \d/, PROGRESS_MS, ['dealer', 'party 1']);
    } else {
      hanging.at = 'round';
      await fails(s.run(request), /round \d/, PROGRESS_MS);
    }
    t.true(hanging.hangs, 'in the middle of the run');
    hanging.end();
    t.true(await idle());
    await served(s);

    hanging.begin();
    const closed = new Set<NodeRole>();
    const watched = async (role: NodeRole) => {
      const link = await dial(role);
      const close = link.close.bind(link);
      link.close = (why) => {
        closed.add(role);
        close(why);
      };
      return link;
    };
    await Promise.all([
      fails(s.run(request), /agreement/, AGREE_MS),
      fails(Session.connect(watched, nodes.token), /an answer/, PROGRESS_MS),
    ]);
    t.is(closed.size, NODES.length, 'no link is left open');
    hanging.end();
    t.true(await idle());
    await served(s);
    const next = await session();
    await served(next);
    next.close();
    s.close();
    t.deepEqual(
      nodes.logs.filter(({ event }) => event === 'failed'),
      [],
    );
  });
}

test('whoever takes no frame any more is given up in time, and the link is closed', async (t) => {
  const closed: string[] = [];
  const link = new MessageLink(
    {
      send: () => new Promise(() => {}),
      onFrame: () => {},
      onClose: () => {},
      close: (why) => closed.push(why),
    },
    () => 'party 1',
  );
  const start = performance.now();
  const error = await t.throwsAsync(() => link.send({ t: 'free', tensors: [1] }), { instanceOf: NodeError });
  t.like(error, { node: 'party 1', code: 'NO_PROGRESS' });
  t.true(performance.now() - start >= PROGRESS_MS - 50);
  t.deepEqual(closed, [error.message]);
});
