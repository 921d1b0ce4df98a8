import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import type { Glance } from '../operation/check.js';
import { trusting } from './authorities.js';
import { checkUrl, type DialOptions } from './sockets.js';

/**
 * What a node's answer to a plain request says of it: its time, and when its certificate ends. Nothing of it
 * is proved.
 * @throws NodeError UNREACHABLE
 */
export function glance(url: string, node: NodeName, { ca, pinned = false }: DialOptions = {}): Promise<Glance> {
  const parsed = checkUrl(url, node);
  const tls = parsed.protocol === 'wss:';
  const options = { agent: false, timeout: limits.connectMs, method: 'HEAD' };
  const trust = {
    ...(ca !== undefined && { secureContext: trusting(ca) }),
    ...(pinned && { rejectUnauthorized: false }),
  };
  const to = Object.assign(new URL(url), { protocol: tls ? 'https:' : 'http:' });
  return new Promise((resolve, reject) => {
    const asked = tls ? secure(to, { ...options, ...trust }) : plain(to, options);
    asked.on('response', (response) => {
      const until = tls ? (response.socket as TLSSocket).getPeerCertificate().valid_to : undefined;
      response.destroy();
      const [time, certificateUntil] = [response.headers.date, until].map((text) => Date.parse(text ?? ''));
      resolve({
        ...(Number.isFinite(time) && { time: time! }),
        ...(Number.isFinite(certificateUntil) && { certificateUntil: certificateUntil! }),
      });
    });
    asked.on('timeout', () => asked.destroy(new Error('nothing came')));
    asked.on('error', (cause) =>
      reject(new NodeError(node, 'UNREACHABLE', `no answer to a plain request (${cause.message})`, { cause })),
    );
    asked.end();
  });
}
