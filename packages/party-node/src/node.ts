/** What needs Node: the embedded trio, WebSockets of `ws`, nodes as processes. */
export { serve, type ServeOptions } from './node/serve.js';
export { checkUrl, dialSocket } from './node/sockets.js';
export * from './trio/trio.js';
