import { checkUrl, type OnProgress, tokenFrom, unless } from '@secformer/party-node';
import { SecformerError } from '@secformer/ring';
import type { Resolved } from '../config.js';
import { dialInBrowser } from './browser-dial.js';
import { type Reach, SessionHolder } from './holder.js';
import { type Reply, type Request, unheard } from './messages.js';

const names = { party0: 'party 0', party1: 'party 1', dealer: 'dealer' } as const;
const NODES = ['party0', 'party1', 'dealer'] as const;

function reach(c: Resolved): Reach {
  if (!c.parties)
    throw new SecformerError(
      'BAD_CONFIGURATION',
      'in a browser there is no embedded trio: configure({ parties: [url0, url1], dealer: url, token }) ' +
        'before setBackend',
    );
  const urls = { party0: c.parties[0], party1: c.parties[1], dealer: c.dealer! };
  // All of them before the first is dialled
  for (const node of NODES) checkUrl(urls[node], names[node]);
  return { dial: (node) => dialInBrowser(urls[node], names[node]), token: tokenFrom(c.token!) };
}

const holder = new SessionHolder(reach);

/** In a browser the session lives on this thread, so nothing can wait for it. */
export const runtime = {
  ask(request: Request, onProgress?: OnProgress, signal?: AbortSignal): Promise<Reply> {
    const late = (answer: Reply) => {
      const said = unheard(request, answer);
      if (said) this.tell(said);
    };
    return unless(signal, () => holder.handle(request, onProgress, signal), { late });
  },
  tell(request: Request): void {
    void holder.handle(request);
  },
  askSync(): Reply {
    throw new SecformerError(
      'NO_SYNC_READ',
      'dataSync() cannot wait for the nodes in a browser; use await tensor.data()',
    );
  },
};
