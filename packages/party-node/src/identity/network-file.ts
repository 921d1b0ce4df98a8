import { readTrusted } from './files.js';
import { type Network, networkFrom } from './network.js';

/** @throws NodeError BAD_CONFIGURATION with the file, the field and what is expected there */
export function readNetworkFile(file: string): Network {
  return networkFrom(readTrusted(file, 'network'), `the network file ${file}`);
}
