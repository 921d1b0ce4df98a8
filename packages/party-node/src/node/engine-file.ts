import { threadFile } from './thread-file.js';

/** What the thread of a node's engine runs. @throws NodeError BAD_CONFIGURATION in a bundle that has no such file */
export function engineFile(): URL {
  return threadFile(import.meta.url, '@secformer/party-node', 'dist/src/node/engine-worker.js');
}
