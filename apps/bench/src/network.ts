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
