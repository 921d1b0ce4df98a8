/**
 * The command `party-node` with hooks in its engine. Arguments: the folder that gets a file of each node's runs and
 * streams, then the node's own. Its parent says over the channel when it is to end.
 */
import { join } from 'node:path';
import { BroadcastChannel } from 'node:worker_threads';
import { main } from '../../src/node/cli.js';
import { CHANNEL, RECORD } from './death.js';

const [folder, ...args] = process.argv.slice(2);
process.env[RECORD] = join(folder!, args[0] === 'dealer' ? 'dealer' : `party${args[2]}`);
// Of the threads that this process starts
process.env.NODE_OPTIONS = `--import=${new URL('./hooks.js', import.meta.url).href}`;
const channel = new BroadcastChannel(CHANNEL);
process.on('message', (m) => channel.postMessage(m));
channel.onmessage = () => process.send?.('armed');
channel.unref();
// Its parent is gone
process.on('disconnect', () => process.exit());
await main(args);
