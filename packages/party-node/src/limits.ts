/**
 * Everything that bounds memory or waiting in a node or a client, with its reason. What a Program may ask for is in
 * `programLimits`.
 */
export const limits = {
  // ---- frames and messages
  /**
   * One frame on a link: large enough that headers do not count, small enough that an abort is never stuck behind much.
   */
  frameBytes: 2 ** 20,
  /** A message's header: JSON of a few fields; long lists are payloads. Its length has 16 bits. */
  headerBytes: 60_000,
  /** JSON of what a run is bound to: 20,000 inputs of about 105 bytes, with room. */
  listBytes: 4 * 2 ** 20,
  /** Text of a published model's manifest: 64 Programs of BERT-large's 1,200 inputs, at about 60 bytes each. */
  manifestBytes: 8 * 2 ** 20,
  /** A run's timeline, asked for by its client: BERT-large has about 5,000 stretches of 100 bytes. */
  traceBytes: 4 * 2 ** 20,
  /** Bytes a sender may have on the way before it waits: two round trips of 40 ms at 100 MB/s. */
  inFlightBytes: 8 * 2 ** 20,

  // ---- connections
  /** A frame of the handshake, before the other side has shown that it knows the token. */
  handshakeFrameBytes: 4096,
  /** Text of a grant, which is part of such a frame. */
  grantCharacters: 3_000,
  /** What the clocks of a publisher and a node may differ by. */
  clockSkewSeconds: 60,
  /** How often connected clients' grants are looked at: one that is over ends its connection. */
  grantCheckMs: 10_000,
  /** Connections of one subject's grants: some for each of its processes, and far fewer than a node takes clients. */
  subjectConnections: 16,
  /** What a connection may send before it has proved anything: the request that opens a WebSocket, and two messages. */
  unprovenBytes: 64 * 1024,
  /**
   * How long a connection may take to prove who it is: five round trips of 200 ms, TLS included, and a busy processor.
   */
  handshakeMs: 3_000,
  /**
   * How long an accepting side uses one X25519 key: a scalar multiplication for each stranger that says hello would be
   * work that costs it nothing.
   */
  keyMs: 10_000,
  /**
   * Connections that have proved nothing yet; beyond, the oldest goes. So many have to come within the time of an
   * honest handshake to push it out: 10,000 a second for one of 100 ms.
   */
  unprovenConnections: 1_024,
  /** Clients of a node. The other two nodes' connections do not count: they always find room. */
  clients: 256,
  /** How often a link asks whether the other end lives, and how long it may be silent: noticed within 15 s. */
  pingMs: 3_000,
  pongMs: 10_000,
  /** The same of a client at a node: one that slept for half a minute finds its tensors. */
  clientPongMs: 60_000,
  /** Round trips between the parties that are measured when they connect, of which the least counts, … */
  roundTrips: 8,
  /** … and the longest wait for each: beyond it a network is far, however far it is. */
  roundTripMs: 2_000,
  /** How long a node that comes again waits for a sign that its place is taken by a live process. */
  answerMs: 2_000,
  /**
   * First and longest pause between attempts to reach a node; less than `reconnectMs`, so that a run that waits for a
   * node meets an attempt.
   */
  redialMs: 500,
  redialMostMs: 4_000,
  /** How long a client, or a node that dials, waits for the other to accept its connection. */
  connectMs: 10_000,
  /** How long a run waits for a node that is not connected at present. */
  reconnectMs: 10_000,
  /**
   * What a client is told to wait before it tries again, where a node has no better idea; and how long it goes on
   * trying by itself.
   */
  retryMs: 500,
  persistMs: 20_000,

  // ---- sessions
  /**
   * The part of a node's memory that one session may take: all of BERT-large with its openings on a machine of 24 GiB.
   */
  sessionPart: 15 / 16,
  /** Tensors of one session. */
  sessionTensors: 200_000,
  /** Programs of one session that a node remembers. */
  sessionPrograms: 64,
  /** Runs of one session that are not over: what is prepared, what waits and what is under way. */
  sessionRuns: 16,
  /**
   * Agreements of another node to runs of one session that its client has not announced here yet, which may be on their
   * way.
   */
  earlyAgreements: 32,
  /** Tickets of runs that are over and may still be named by messages on their way. */
  burntTickets: 10_000,

  // ---- published models
  /** A file that belongs to a model, and all of one model: tokenizers of 250,000 words take 20 MB. */
  assetBytes: 32 * 2 ** 20,
  modelAssetBytes: 64 * 2 ** 20,
  /** Models that a node has, versions counted each: their list fits one message. */
  models: 1_000,
  /** How long what is staged stays when its publisher has gone: nodes that have missed its word meet again by then. */
  stagedMs: 60_000,
  /**
   * Part of a node's memory that prepared runs of published models may take, if it is not told otherwise; they give it
   * up where it is needed.
   */
  poolPart: 1 / 4,
  /** Prepared runs of one Program: what a burst of clients finds. */
  pooledRuns: 8,
  /** How long nothing more is prepared where a node had no room for it, and nothing at all after a node’s start. */
  poolPauseMs: 5_000,
  /** How long nothing is prepared for the sake of a run that the parties compute, should their word be lost. */
  poolStandBackMs: 60_000,
  /** What an ask still counts after the next one, and what a Program counts that nobody has asked for yet. */
  poolMemory: 0.95,
  poolUnasked: 0.01,
  /** What a client that may only ask keeps at a node, its messages included: a batch of long texts, masked. */
  askerBytes: 256 * 2 ** 20,
  askerTensors: 256,
  /** Runs of one subject that are not over, however many grants and connections it has. */
  subjectRuns: 4,
  /** Subjects that a node remembers the quota of. */
  subjects: 100_000,

  // ---- runs
  /** How long the nodes may take to agree on a run: its client's messages to the three arrive at different times. */
  agreeMs: 15_000,
  /** Runs that the dealer works on at the same time; more wait. */
  concurrentRuns: 2,
  /** Runs that wait for the dealer before a client is told BUSY, and for how long. */
  queuedRuns: 32,
  queueMs: 60_000,
  /** How often a client is told how far its run is: often enough for a bar that moves. */
  tellMs: 250,
  /** What the dealer may send before P1 has said how much room it has: a frame, so that small runs wait for nothing. */
  dealerStartBytes: 2 ** 20,
  /** How far the dealer may be ahead of P1 in a run that was not prepared in full. */
  dealerLeadBytes: 256 * 2 ** 20,
  /** A dealer that has waited so long for room at P1 lets another run have its turn. */
  patienceMs: 50,
  /**
   * Masks and corrections that a party draws ahead for one run, in 64-bit words: BERT-base at 128 tokens takes 2.5 GB.
   * What is beyond is drawn during the run.
   */
  aheadBytes: 3 * 2 ** 30,
  /**
   * How long a run waits for the next frame of another node. The longest instruction of BERT-large at 512 tokens takes
   * seconds.
   */
  progressMs: 120_000,
  /** How long a run waits for its client's word once the nodes are ready for it. */
  startMs: 10_000,
  /** The same of a prepared run. */
  preparedMs: 3_600_000,
  /**
   * The same of one that was prepared because its program repeats: memory is not held for a client that has gone quiet.
   */
  spareMs: 600_000,
  /** Programs of one session that have a run prepared in the background. */
  spareRuns: 2,

  // ---- memory
  /**
   * Parts of a machine's memory that a party and the dealer, which keeps masks only, take if not told otherwise: all
   * three fit one machine.
   */
  partyMemoryPart: 1 / 4,
  dealerMemoryPart: 1 / 8,
  /** Less does not hold what the dealer may be ahead and the values of a small BERT. */
  leastMemoryBytes: 2 ** 30,
  /**
   * Share of what tensors leave that several runs of one session may take together, and one with what it has prepared;
   * what a single run cannot do without may be all of it. On a machine of 24 GiB it holds a prepared BERT-base of 128
   * tokens.
   */
  sessionRunsPart: 3 / 4,
  /** A node without runs gives the memory of past ones back after this. */
  restMs: 60_000,
  /**
   * A node whose process is an eighth larger than what it counts, and by more than this, tidies up between runs:
   * garbage that the collector has not come to, and what the allocator keeps. That takes a tenth of a second and more,
   * so it is done every five seconds at most, and half as often each time that it was no use.
   */
  untidyPart: 1 / 8,
  untidyBytes: 24 * 2 ** 20,
  tidyMs: 5_000,
  tidyMostMs: 600_000,
  /** It was of use where the process is smaller by this part afterwards. */
  tidyUse: 1 / 16,
  /**
   * Programs of one session that are kept checked; of others the text is, which takes an eighth, and they are checked
   * again when they are asked for.
   */
  checkedPrograms: 8,
  /**
   * Tensors that a client writes at the same time, and their words: what fills a link while a node works on one, and
   * fewer than the unfinished messages that a link has room for.
   */
  writingTensors: 16,
  writingBytes: 32 * 2 ** 20,
  /** How long a thread works on a tensor that it writes or sends before its other events have their turn. */
  turnMs: 50,
  /**
   * Elements of a tensor that a client writes as an opening, if that is all a graph takes of it. Below, sharing and
   * opening it takes no time, and what changes with every run, such as a model's input, is mostly smaller.
   */
  openedElements: 2 ** 14,
  /** Bytes of a public tensor that are hashed before messages are looked at: some milliseconds. */
  digestBytes: 4 * 2 ** 20,
  /** Words of a tensor that are expanded from a seed before messages are looked at: some milliseconds. */
  expandWords: 2 ** 18,

  // ---- models on disk
  /**
   * Content of a stored file that is read, hashed and decrypted at once: some milliseconds, in which no message is
   * looked at. It stays in the cache meanwhile: of 4 MiB, decryption takes a third more time.
   */
  storeChunkBytes: 2 ** 20,
  /** Text of a stored model's index: 130 files at about 150 bytes each, with room. */
  storeIndexBytes: 2 ** 16,
  // ---- operation
  /** How long runs that are under way when a node is told to stop may take to end. */
  drainMs: 30_000,
  /** How much later than this node's the other party's result of the last run may come, on a busy machine. */
  lastResultMs: 1_000,
  /** How long their results may take to leave, twice at most: what a link may have on the way, at 1.6 MB/s. */
  flushMs: 5_000,
  /** What a client is told to wait that meets a node which is being stopped: a new process listens within seconds. */
  restartMs: 5_000,
  /** How long the engine's thread may take to say how it does before it counts as hung. */
  healthMs: 1_000,
  /** Connections to the admin port: a scraper or two, an orchestrator's probes, a person. */
  adminConnections: 32,
  /** How long a request to the admin port may take to arrive, and its answer to be made and taken. */
  adminMs: 5_000,
  /** Request line and headers there: no method has a body. */
  adminHeaderBytes: 8 * 2 ** 10,
  /** Pages that watch the dashboard at the same time, each with a connection that stays: one operator's, and more. */
  dashboardViewers: 8,
  /** What may wait for one of them before it is dropped: some minutes of lines, or a burst of a thousand runs. */
  viewerBytes: 256 * 2 ** 10,
  /** How often they are told how things stand: as often as a person can read. */
  dashboardMs: 1_000,
  /** Runs that are over and shown: what a screen's plot can tell apart. */
  dashboardRuns: 200,
  /** Those of them whose work by operation is kept for a trace: of 256 operations each takes 30 kB. */
  dashboardTraces: 50,
  /** Troubles of the log that are shown. */
  dashboardNotes: 50,
  /** Models that are shown; a person finds no more in a list. */
  dashboardModels: 200,
  /** Layers of one Program that are told apart: BERT-large has 291. */
  dashboardLayers: 500,
  /** Questions to the engine about Programs that are open at the same time, which takes it 0.05 s for BERT-large. */
  openPlans: 8,
  /** Models that are not served and named one by one where readiness is asked for. */
  readyLines: 20,
  /** Different models and outcomes that metrics tell apart; what is beyond is counted as 'other'. */
  metricModels: 1_000,
  metricCodes: 64,
  /** Clocks of two nodes that differ by more are told of: half of what a grant's times allow. */
  clockMs: 30_000,
  /** A certificate that ends sooner is told of: renewal by machines begins a month before. */
  certificateDays: 14,
  /** The run log is on the disk, and not in the system's cache alone, after so long. */
  runLogSyncMs: 1_000,
  /** A name in a line of the run log. */
  runLogNameChars: 256,
  /** Longest line of a run log: three such names, of which JSON may make six times as much, and numbers. */
  runLogLineBytes: 8 * 2 ** 10,

  // ---- logs
  /** Refusals for the same reason are one line in so long, with their number. */
  quietMs: 60_000,
} as const;

/** The version of the frames and messages on a link. */
export const WIRE_VERSION = 5;
