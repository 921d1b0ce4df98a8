/** A node whose connections are behind an emulated network: the network's name, then the arguments of `party-node`. Whoever dials it sends and receives through that. */
import { partyNode } from '@secformer/party-node/node';
import { networks, slowed } from './network.js';

const [name, ...argv] = process.argv.slice(2);
const network = networks[name ?? ''];
if (!network) throw new Error(`no network '${name}'; there are ${Object.keys(networks).join(', ')}`);
await partyNode(argv, (link) => slowed(link, network));
