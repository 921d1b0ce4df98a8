/**
 * The browser-safe part: errors, limits, the client, and what a link is. Node's part is in
 * `@secformer/party-node/node`.
 */
export { type Abortable, type GivenUp, throwIfAborted, unless } from './client/abortable.js';
export * from './client/asking.js';
export type { WriteOptions } from './client/client-tensors.js';
export type { Credentials } from './client/credentials.js';
export type { Dial } from './client/node-links.js';
export { FormsLacking } from './client/planner.js';
export type { Published, PublishProgram, PublishProgress, PublishRequest, PublishSlot } from './client/publishing.js';
export { type OnProgress, type RunProgress, rising } from './client/run-progress.js';
export type { Prepared, RunOptions, RunRecord, RunRequest, RunResult, RunSlot } from './client/run-request.js';
export * from './client/session.js';
export { asyncDispose, dispose } from './disposing.js';
export * from './errors.js';
export { type Network, networkFrom } from './identity/network.js';
export * from './limits.js';
export { freshKeyPair, type KeyPair, keyPairFrom, publicKeyText, secretKeyFrom, secretKeyText } from './wire/keys.js';
export type * from './wire/link.js';
export type { Manifest, ManifestProgram, TensorSpec } from './wire/manifest.js';
export * from './wire/port-link.js';
export type { PublisherLimits } from './wire/principal.js';
export * from './wire/socket-link.js';
export { type NodeRole, tokenFrom } from './wire/tokens.js';
export { checkUrl, isLoopback } from './wire/url.js';
