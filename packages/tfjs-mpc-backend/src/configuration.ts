/** What a caller may set, and what stands when all of it is settled. */
import type { OnProgress } from '@secformer/party-node';
import type { OperandBits } from '@secformer/secformer-ops';
import type { Calibration } from './calibration.js';

/** What a read does whose values left the range that a protocol holds; see `Configuration.onRange`. */
export type OnRange = 'throw' | 'warn' | 'ignore';

/** Where the nodes are and which protocols to use. Without `parties` the embedded trio runs on this machine. */
export interface Configuration {
  /** ws:// or wss:// URLs of party 0 and party 1 */
  parties?: [string, string];
  /** URL of the dealer */
  dealer?: string;
  /** the nodes' client token: the text of their --client-token-file, or its bytes */
  token?: string | Uint8Array;
  /**
   * 'exact' (default), 'fast' (softmax becomes 2Quad), or the protocols of 'secformer', 'mpcformer', 'mpcformer-2relu',
   * 'puma' or 'crypten'
   */
  suite?: string;
  /** ranges that `calibrate` found for a model */
  calibration?: Calibration;
  /** certificate authority to trust for wss:// in Node, besides Node's own: PEM text, or its bytes */
  ca?: string | Uint8Array;
  /**
   * whether the nodes deal the randomness of a read that repeats ahead, in the background (true if absent); the next
   * read then waits for what is left only, and memory is held for it
   */
  prepareAhead?: boolean;
  /**
   * whether what follows from the caller's own values alone is computed in the caller's process (true if absent):
   * masks, positions, normalised inputs. Products of matrices, convolutions and lookups in tables are the nodes' all
   * the same, and so are functions that the suite has others for. false brings every operation to the nodes, to study
   * their protocols
   */
  fold?: boolean;
  /**
   * what a read does where values have left the range that a protocol holds: rejects with RANGE_LEFT ('throw', the
   * default), warns on the console, or never hears of it ('ignore': a percent or two fewer bytes)
   */
  onRange?: OnRange;
  /**
   * what lies between the parties: 'lan', or 'wan', where a round trip takes milliseconds. Then 'exact' takes a softmax
   * in fewer rounds, for more comparisons and more of the dealer. The results are as good. Where it is not said it is
   * what the parties have measured, 'wan' from 2 ms on, and 'lan' where both are on this machine; `lastRun().network`
   * says which it was, and why
   */
  network?: 'lan' | 'wan';
  /**
   * fractional bits of what matrix products take: 16 (default), or 13, a tenth fewer bytes for hidden states of a BERT
   * that are 2e-4 off in the mean and not 6e-5. It is for the suites 'exact' and 'fast'
   */
  operandBits?: OperandBits;
  /** longest wait of dataSync, in milliseconds */
  syncTimeoutMs?: number;
  /**
   * hears how far each read is: its tensors are shared, the nodes run it, round by round. Within one read nothing
   * falls, and the last event of one that succeeds is 'done'. While dataSync waits nothing is heard
   */
  onProgress?: OnProgress;
}

/** What holds now: bytes are texts, and what was left out has its default. */
export interface Resolved extends Omit<Configuration, 'token' | 'ca'> {
  token?: string;
  ca?: string;
  /** path of a PEM file, which only Node can read */
  caFile?: string;
  suite: string;
  fold: boolean;
  syncTimeoutMs: number;
}
