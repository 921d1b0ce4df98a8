/** Who may use the proxy: on loopback no web page, elsewhere whoever has the token. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback } from '@secformer/party-node/node';
import { Refusal } from './refusals.js';

export interface GuardOptions {
  /** does it listen on loopback alone? */
  local: boolean;
  /** what clients have to show; on loopback it may be absent */
  token?: string | undefined;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** @returns a check of a request's headers, which throws a Refusal */
export function guard({ local, token }: GuardOptions): (headers: IncomingHttpHeaders) => void {
  const expected = token === undefined ? undefined : digest(token);
  return (headers) => {
    const { host = '', origin } = headers;
    // A page elsewhere may give its own name this address, and its visitor's browser asks here under that name
    if (local && !isLoopback(host.replace(/:\d+$/, '')))
      throw new Refusal(421, 'wrong_host', 'this proxy is for programs of this machine: ask it as 127.0.0.1');
    // Some requests of pages come without leave being asked first; a browser says where the page is from
    const own = origin === `http://${host}` || origin === `https://${host}`;
    if ((origin !== undefined && !own) || headers['sec-fetch-site'] === 'cross-site')
      throw new Refusal(403, 'wrong_origin', 'this proxy is not for web pages');
    if (expected && !timingSafeEqual(digest(bearer(headers.authorization)), expected))
      throw new Refusal(
        401,
        'unauthorized',
        'expected the header Authorization: Bearer, with the token of --token-file',
      );
  };
}

function bearer(header = ''): string {
  return /^bearer +(\S+) *$/i.exec(header)?.[1] ?? '';
}
