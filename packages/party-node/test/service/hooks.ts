/**
 * What is loaded into the thread of a node's engine ahead of it, in tests: it ends the process at a step that it is
 * told of, and writes down every run and every stream of randomness that the engine begins.
 */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { BroadcastChannel, workerData } from 'node:worker_threads';
import { RunStreams } from '@secformer/ring';
import { Engine } from '../../src/node/engine.js';
import { Catalogue } from '../../src/node/models/catalogue.js';
import { NodeRun } from '../../src/node/run.js';
import { diskFs } from '../../src/store/store-fs.js';
import { MessageLink } from '../../src/wire/framing.js';
import { watchedFs } from '../watched-fs.js';
import { CHANNEL, type DeathAt, RECORD } from './death.js';

type Method = (...args: unknown[]) => unknown;

function install(): void {
  const record = (line: string) => appendFileSync(process.env[RECORD]!, `${line}\n`);
  let death: DeathAt | undefined;
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => {
    death = (event as { data: DeathAt }).data;
    channel.postMessage('armed');
  };
  channel.unref();

  const at = (name: string, after: boolean) => {
    if (!death || after !== death.after || !(name === death.step || name.startsWith(`${death.step} `))) return;
    if (death.count-- > 0) return;
    record(`died ${after ? 'after' : 'before'} ${name}`);
    process.kill(process.pid, 'SIGKILL');
  };
  /** Makes a method a step. */
  const steps = (prototype: object, method: string, nameOf: (args: unknown[]) => string) => {
    const methods = prototype as Record<string, Method>;
    const own = methods[method]!;
    methods[method] = function (this: unknown, ...args: unknown[]) {
      at(nameOf(args), false);
      const made = own.apply(this, args);
      if (!(made instanceof Promise)) {
        at(nameOf(args), true);
        return made;
      }
      return made.then((value: unknown) => {
        at(nameOf(args), true);
        return value;
      });
    };
  };
  // What comes after a call is what comes before the next
  Object.assign(
    diskFs,
    watchedFs(({ name }) => at(`fs ${name}`, false), { ...diskFs }),
  );
  steps(MessageLink.prototype, 'send', ([header]) => `send ${(header as { t: string }).t}`);
  steps(Engine.prototype, 'prepare', () => 'prepare');
  steps(Catalogue.prototype, 'stage', () => 'stage');
  steps(Catalogue.prototype, 'commit', () => 'commit');
  steps(Catalogue.prototype, 'heard', () => 'heard');
  steps(RunStreams.prototype, 'claim', () => 'claim');

  const { claim } = RunStreams.prototype;
  RunStreams.prototype.claim = function (this: RunStreams, ...name) {
    record(
      `stream ${createHash('sha256')
        .update(this.key(...name).bytes)
        .digest('hex')}`,
    );
    return claim.apply(this, name);
  };
  const { begin } = NodeRun.prototype;
  NodeRun.prototype.begin = function (this: NodeRun) {
    record(`run ${Buffer.from(this.runId).toString('hex')}`);
    return begin.apply(this);
  };
}

// Threads of kernels load it as well
if ((workerData as { role?: string } | null)?.role !== undefined) install();
