/**
 * A node whose connections are behind an emulated network: the network's name, then the arguments of `party-node`.
 * Whoever dials it sends and receives through that. The process that started it turns the emulation on and off, to
 * compare runs with and without.
 */
import { partyNode } from '@secformer/party-node/node';
import { loopback, networks } from './network.js';
import { slowed } from './slow-link.js';

const [name, ...argv] = process.argv.slice(2);
const network = networks[name ?? ''];
if (!network) throw new Error(`no network '${name}'; there are ${Object.keys(networks).join(', ')}`);
let now = loopback;
process.on('message', (on: boolean) => {
  now = on ? network : loopback;
  process.send!(on);
});
await partyNode(argv, (link) => slowed(link, () => now));
