import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { LocalNodes } from '@secformer/party-node/node';

/** A network as the literature on private inference has it. */
export interface Network {
  roundTripMs: number;
  bytesPerSecond: number;
}

/** What is there without emulation: frames pass as they come. */
export const loopback: Network = { roundTripMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY };

export const networks: Record<string, Network> = {
  lan: { roundTripMs: 0.5, bytesPerSecond: 1e9 },
  wan: { roundTripMs: 4, bytesPerSecond: 400e6 },
  internet: { roundTripMs: 40, bytesPerSecond: 25e6 },
};

/** What Node runs as a node behind an emulated network; its first argument is the network's name. */
export const slowNode = fileURLToPath(new URL('./slow-node.js', import.meta.url));

/** Turns the emulated network between such nodes on or off. */
export async function emulation(nodes: LocalNodes, on: boolean): Promise<void> {
  const heard = Object.values(nodes.processes).map((node) => once(node, 'message'));
  for (const node of Object.values(nodes.processes)) node.send(on);
  await Promise.all(heard);
}
