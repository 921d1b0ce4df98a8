import { digestOf, type InputState, publicFormat, writtenTensor } from '@secformer/secformer-ops';
import type { Write } from './runtime/messages.js';

/**
 * What planning knows of a tensor that the caller wrote, before it is sent. The digest of a public one is that of its
 * values here; nodes know it by that of the words that they are sent.
 */
export function stateOf(write: Write): InputState {
  // Values that are not looked at are not computed
  if (!write.known) return { ...writtenTensor, fracBits: write.fracBits };
  const { values } = write;
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { ...publicFormat(values), bits: 64, stored: [], digest: digestOf(bytes) };
}
