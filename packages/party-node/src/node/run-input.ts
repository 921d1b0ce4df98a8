import type { BoundInput } from '../wire/messages.js';

/** Where an input of a run comes from: the client's session, or the model that it asks. */
export type RunInput =
  | BoundInput
  /** the share of a tensor of the model */
  | { kind: 'weight'; tensor: number }
  /** its stored opening */
  | { kind: 'stored'; tensor: number; width: number };
