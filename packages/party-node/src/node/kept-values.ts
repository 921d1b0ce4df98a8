/** What a run stores at a node for later runs of its session: outputs, and openings of its inputs. */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Kernels, Words } from '@secformer/ring';
import type { StoredOpening } from '@secformer/secformer-ops';
import type { NodeRun } from './run.js';

/** A value of a run at this node: its share, an opening, or neither. */
type Kept = { share?: Words; stored?: StoredOpening };

/**
 * Counts the memory of what a run will store, before it is stored.
 * @returns bytes of each kept value, for `keepValues`
 * @throws NodeError LIMIT_EXCEEDED
 */
export function holdKept({ checked, session }: NodeRun, values: readonly Kept[]): number[] {
  const bytes = checked.program.keeps.map((v) => values[v]!.share?.byteLength ?? values[v]!.stored?.byteLength ?? 0);
  const total = bytes.reduce((a, b) => a + b, 0);
  if (total > 0) session.hold(total, 'what the run keeps');
  return bytes;
}

/**
 * Stores kept outputs as new tensors, and openings with the tensor that was opened.
 * @param tensors the tensor of each kept value
 * @param bytes what `holdKept` counted
 */
export function keepValues(
  kernels: Kernels,
  { checked, session, runId }: NodeRun,
  tensors: readonly number[],
  values: readonly Kept[],
  bytes: readonly number[],
): void {
  tensors.forEach((tensor, i) => {
    const v = checked.program.keeps[i]!;
    const type = checked.types[v]!;
    if (type.kind === 'share') {
      // What its client may have written under that number since the run was started
      session.forget(tensor);
      session.store(kernels, tensor, type, values[v]!.share, bytes[i]!);
    } else session.storeOpening(tensor, bytesToHex(runId), values[v]!.stored!, bytes[i]!);
  });
}
