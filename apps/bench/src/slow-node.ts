/**
 * A node whose connections are behind an emulated network: the network's name, then the arguments of `party-node`. The
 * process that started it turns the emulation on and off, to compare runs with and without.
 */
import { partyNode } from '@secformer/party-node/node';
import { networks } from './network.js';
import { between, NetworkState } from './slow-between.js';

const [name, ...argv] = process.argv.slice(2);
if (!networks[name ?? '']) throw new Error(`no network '${name}'; there are ${Object.keys(networks).join(', ')}`);
const state = NetworkState.for(name!);
process.on('message', (on: boolean) => {
  state.on = on;
  process.send!(on);
});
await partyNode(argv, between);
