/** What a node's engine is made with, and what it is given to do. */
import type { Secret } from '@secformer/ring';
import type { NodeEvent } from '../operation/events.js';
import type { Link } from '../wire/link.js';
import type { Principal } from '../wire/principal.js';
import type { NodeRole, WireRole } from '../wire/tokens.js';
import type { Between } from './between.js';
import type { Log } from './log.js';

export interface EngineOptions {
  role: NodeRole;
  /** that a large kernel, such as a matrix product, may take */
  threads: number;
  /** bytes that tensors and runs of all clients may take together */
  memory: number;
  log?: Log;
  /** told what happens, for metrics and the run log */
  report?: (event: NodeEvent) => void;
  /** bytes that prepared runs of published models may take; a part of the memory if absent */
  pool?: number;
  /** folder of published models, and the key that they are encrypted with; without it they end with the process */
  models?: { folder: string; key?: Secret };
  /** what this process had before it did anything, in bytes, if it does nothing else */
  ownMemory?: number;
  /** called when this thread has given memory back to the machine */
  tidied?: () => void;
  /** stands between this node and others */
  between?: Between | undefined;
}

/** An authenticated link, and whom to tell when it is closed. */
export interface Welcomed {
  role: WireRole;
  /** what the other end has proved; a client without is an owner */
  principal?: Principal;
  seed: Secret;
  link: Link;
  left: (why: string) => void;
}
