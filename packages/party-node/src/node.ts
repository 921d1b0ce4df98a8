/** What needs Node: the embedded trio, WebSockets of `ws`, nodes as processes. */
export { type GrantRequest, makeGrant } from './identity/grants.js';
export { readKeyFile, writeKeyFile } from './identity/key-files.js';
export { readNetworkFile } from './identity/network-file.js';
export type { Between } from './node/between.js';
export { certificatesIn } from './node/certificates.js';
export { main as partyNode } from './node/cli.js';
export { type LocalNodes, startLocalNodes } from './node/local-nodes.js';
export { type LocalService, type LocalServiceOptions, startLocalService } from './node/local-service.js';
export type { Log } from './node/log.js';
export { type ServedNode, type ServeOptions, serve } from './node/serve.js';
export { checkUrl, type DialOptions, dialSocket } from './node/sockets.js';
export { readToken } from './node/token-files.js';
export * from './trio/trio.js';
export type { PublisherLimits } from './wire/principal.js';
export { addressFrom, isLoopback } from './wire/url.js';
