/** Everything that bounds memory or waiting in the proxy, with its reason. */
export const limits = {
  /** Requests that are read or answered at a time: beyond, one is refused before its body is read. */
  requests: 64,
  /** Connections: programs keep theirs open between requests. */
  connections: 256,
  /** A request's line and headers: a bearer token is the longest that a client needs. */
  headerBytes: 8 * 2 ** 10,
  /** A body of texts: as many as there may be, of a page each. All bodies together are 256 MiB at most. */
  textBytes: 4 * 2 ** 20,
  /** A body of numbers: four images of 224 × 224 × 3 at a dozen characters a number. 512 MiB for all. */
  tensorBytes: 8 * 2 ** 20,
  /** How long a request may take to arrive. */
  arriveMs: 30_000,
  /** How long its answer may take, unless the command says otherwise: a dozen asks of BERT-base. */
  answerMs: 120_000,
  /** Texts of a request: what LangChain sends at a time. */
  texts: 512,
  /** Characters of a text: twenty times what a model of 512 tokens reads. It is tokenized before it is cut. */
  textCharacters: 100_000,
  /** Characters that are tokenized before other requests have their turn: some ten milliseconds. */
  turnCharacters: 20_000,
  /** Sizes of a tensor, and how deep its lists may be. */
  rank: 8,
  /** Asks at the nodes at a time: the dealer works on as many, and a client has four at most. */
  asks: 2,
  /** What a client is told to wait where the nodes do not say. */
  retryMs: 1_000,
  /** How long an answer about health holds, so that probes cost the nodes little; and how long one may take. */
  healthMs: 5_000,
  healthWaitMs: 5_000,
  /** Codes that metrics tell apart; what is beyond is counted as 'other'. */
  codes: 64,
} as const;
