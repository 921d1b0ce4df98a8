/** What the session's thread does: it holds the session, and starts the embedded trio when no nodes are configured. */
import { readFileSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { type OnProgress, tokenFrom } from '@secformer/party-node';
import { certificatesIn, dialSocket, startTrio, type Trio } from '@secformer/party-node/node';
import { SecformerError } from '@secformer/ring';
import type { Resolved } from '../config.js';
import { type Reach, SessionHolder } from './holder.js';
import type { FromSession, ToSession } from './messages.js';

const NAMES = { party0: 'party 0', party1: 'party 1', dealer: 'dealer' } as const;

let trio: Trio | undefined;

function reach(c: Resolved): Reach {
  if (!c.parties) {
    trio ??= startTrio(() => {
      // The next session starts a new one; the links' ends tell the present one
      trio = undefined;
    });
    return { dial: trio.dial, token: trio.token };
  }
  const urls = { party0: c.parties[0], party1: c.parties[1], dealer: c.dealer! };
  const ca = c.ca ?? readAuthority(c.caFile);
  return { dial: (node) => dialSocket(urls[node], NAMES[node], ca), token: tokenFrom(c.token!) };
}

function readAuthority(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SecformerError(
      'BAD_CONFIGURATION',
      `SECFORMER_CA: cannot read the file ${file} (${(cause as Error).message})`,
      { cause },
    );
  }
  certificatesIn(text, `SECFORMER_CA: the file ${file}`);
  return text;
}

/** Answers requests that come through a port; a thread that waits for one is woken by its flag. */
export function serveSession(port: MessagePort): void {
  const holder = new SessionHolder(reach);
  const underWay = new Map<number, AbortController>();
  port.on('message', async (message: ToSession) => {
    if ('giveUp' in message) {
      underWay.get(message.giveUp)?.abort();
      return;
    }
    const { request, flag, heard } = message;
    const onProgress: OnProgress = (progress) => port.postMessage({ progress, id: request.id } satisfies FromSession);
    const given = new AbortController();
    underWay.set(request.id, given);
    const reply: FromSession = await holder.handle(request, heard ? onProgress : undefined, given.signal);
    underWay.delete(request.id);
    const buffers = 'answer' in reply ? reply.answer.outputs.map((o) => o.buffer as ArrayBuffer) : [];
    port.postMessage(reply, buffers);
    if (!flag) return;
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  });
}
