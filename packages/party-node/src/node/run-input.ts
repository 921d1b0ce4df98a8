import type { StoredWords } from '@secformer/ring';
import type { PartyValue } from '@secformer/secformer-ops';
import type { BoundInput } from '../wire/messages.js';

/** Where an input of a run comes from: the client's session, or the model that it asks. */
export type RunInput =
  | BoundInput
  /** the share of a tensor of the model */
  | { kind: 'weight'; tensor: number }
  /** its stored opening */
  | { kind: 'stored'; tensor: number; width: number };

/** A tensor's share, read only on use: a program lists its weights' shares, and mostly needs their openings. */
export function sharedValue(share: StoredWords): PartyValue {
  return {
    get share() {
      return share.words;
    },
  };
}
