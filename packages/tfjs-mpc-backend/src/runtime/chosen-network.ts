/** What lies between the parties, where nobody has said: as they have measured it. */
import { isLoopback } from '@secformer/party-node';
import type { Graph } from '@secformer/secformer-ops';
import { WAN_ROUND_TRIP_MS } from '../limits.js';

/** What Programs are planned for, and why. */
export interface ChosenNetwork {
  name: 'lan' | 'wan';
  why: string;
  /** between the parties and back, in milliseconds, where they have measured it */
  roundTripMs?: number;
}

function isHere(url: string): boolean {
  try {
    return isLoopback(new URL(url).hostname);
  } catch {
    return false;
  }
}

/**
 * Chooses what Programs are planned for. The same for all of a connection, for a Program depends on it.
 * @param said what `configure` was given
 * @param parties their URLs; the embedded trio has none
 * @param roundTripMs what the parties say lies between them
 */
export function chosenNetwork(
  said: 'lan' | 'wan' | undefined,
  parties: readonly string[] | undefined,
  roundTripMs: number | undefined,
): ChosenNetwork {
  const measured = roundTripMs === undefined ? {} : { roundTripMs };
  if (said) return { name: said, why: 'configured', ...measured };
  if (!parties) return { name: 'lan', why: 'the parties are threads of this process' };
  if (parties.every(isHere)) return { name: 'lan', why: 'both parties are on this machine', ...measured };
  if (roundTripMs === undefined) return { name: 'lan', why: 'the parties have not measured what lies between them' };
  const far = roundTripMs >= WAN_ROUND_TRIP_MS;
  const why = `a round trip between the parties takes ${roundTripMs.toPrecision(2)} ms, ${WAN_ROUND_TRIP_MS} are a wan`;
  return { name: far ? 'wan' : 'lan', why, ...measured };
}

/** A graph whose softmaxes take fewer rounds, if the network is one of long round trips. */
export function forNetwork(graph: Graph, { name }: ChosenNetwork): Graph {
  if (name === 'lan' || !graph.nodes.some((n) => n.op === 'softmax')) return graph;
  return { ...graph, nodes: graph.nodes.map((n) => (n.op === 'softmax' ? { ...n, fewRounds: true } : n)) };
}
