/** Everything that bounds memory or waiting in a node or a client, with its reason. */
export const limits = {
  /** One frame on a link: large enough that headers do not count, small enough that an abort is never stuck behind much. */
  frameBytes: 2 ** 20,
  /** A run's timeline, asked for by its client: BERT-large has about 5,000 stretches of 100 bytes. */
  traceBytes: 4 * 2 ** 20,
  /** A frame of the handshake, before the other side has shown that it knows the token. */
  handshakeFrameBytes: 4096,
  /** A message's header: JSON of a few fields and the ids of a run's tensors. */
  headerBytes: 60_000,
  /** Longest handshake: three messages and two scalar multiplications. */
  handshakeMs: 10_000,
  /** Bytes a sender may have on the way before it waits: two round trips of 40 ms at 100 MB/s. */
  inFlightBytes: 8 * 2 ** 20,
  /** How far the dealer may be ahead of P1 in a run that was not prepared in full. */
  dealerLeadBytes: 256 * 2 ** 20,
  /** Memory that a party fills with shares, openings and randomness: BERT-large's weights and their openings take 5.4 GB. What a prepared run does not find room for is dealt while it runs. */
  partyBytes: 6 * 2 ** 30,
  /** The same of the dealer, which keeps masks only. */
  dealerBytes: 3 * 2 ** 30,
  /** Masks and corrections that a party draws ahead for one run, in 64-bit words: BERT-base at 128 tokens takes 2.5 GB. What is beyond is drawn during the run. */
  aheadBytes: 3 * 2 ** 30,
  /** Shares that one session may keep at a node: BERT-large's weights are 2.7 GB and as much again for their openings. */
  sessionBytes: 16 * 2 ** 30,
  /** Tensors of one session. */
  sessionTensors: 200_000,
  /** Programs of one session that a node remembers. */
  sessionPrograms: 64,
  /** Connections that a node keeps open. */
  connections: 256,
  /** Runs that the dealer works on at the same time; more wait. */
  concurrentRuns: 2,
  /** Runs that wait for the dealer before a client is told BUSY. */
  queuedRuns: 32,
  /** Pings of a link, and how long one may stay unanswered: a killed machine is noticed within 15 s. */
  pingMs: 3_000,
  pongMs: 10_000,
  /** How long a run waits for the next frame of another node. The longest instruction of BERT-large at 512 tokens takes seconds. */
  progressMs: 120_000,
  /** How long a prepared run may wait for its client to start it. */
  preparedMs: 3_600_000,
  /** The same of one that was prepared because its program repeats: memory is not held for a client that has gone quiet. */
  spareMs: 600_000,
  /** Programs of one session that have a run prepared in the background. */
  spareRuns: 2,
  /** How long a run waits for a node that is not connected at present. */
  reconnectMs: 10_000,
  /** Pauses between attempts to reach a node. */
  redialMs: 500,
  /** How long a client waits for a node to accept its connection. */
  connectMs: 10_000,
} as const;

/** The version of the frames and messages on a link. */
export const WIRE_VERSION = 2;
