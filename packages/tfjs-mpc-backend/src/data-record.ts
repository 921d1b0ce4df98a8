/** What the backend keeps of a tensor's data, and what is known of it. */
import { SecformerError } from '@secformer/ring';
import type { BackendValues, DataType } from '@tensorflow/tfjs-core';
import type { Privacy, SecretNode, Traits } from './node-values.js';
import { plaintextOf } from './own.js';
import type { Owner, Step } from './steps.js';

/** Values that this process will know once they are asked for. */
export interface Later {
  readonly values: BackendValues | undefined;
  /** Asks for them, once for all that come together. @param signal ends this wait, and with the last one the ask */
  read(signal?: AbortSignal): Promise<void>;
  /** The same while this thread waits. */
  readSync(): void;
}

/** What is said of a tensor whose values are needed at once. */
export function notYet(shape: readonly number[]): SecformerError {
  return new SecformerError(
    'NOT_PLAIN',
    `a tensor of shape [${shape}] is a published model's answer that has not been read yet; await its data() first`,
  );
}

export interface DataRecord {
  dtype: DataType;
  refCount: number;
  privacy: Privacy;
  /** of a public tensor: whether the parties are given it as such, and not as a part of the program; see weights.ts */
  weights?: boolean | undefined;
  shape: number[];
  plain?: BackendValues;
  /** the kernel that made the shape of values that are not public */
  shapedBy?: string;
  node?: SecretNode;
  /** how a client has it, where it is a client's; of a public tensor, once it was asked for */
  step?: Step;
  /** what it will be once it is asked for; `plain` then */
  later?: Later;
  /** of what was computed here of values that are not public */
  traits?: Traits;
  /** the same value under the shapes that reshapes gave it, so that equal views are one node */
  views?: Map<string, SecretNode>;
}

/** The record, with values that have come since they were asked for. */
export function arrived(record: DataRecord): DataRecord {
  if (record?.later?.values) {
    record.plain = record.later.values;
    delete record.later;
  }
  return record;
}

/** Is the plaintext there, or made of what is there? */
export function isKnown({ plain, node }: DataRecord): boolean {
  return plain !== undefined || node?.own === true;
}

/** Whose the plaintext is. */
export function ownerOf({ privacy, step, node }: DataRecord): Owner {
  if (privacy === 'public') return 'public';
  return step ? 'client' : (node?.owner ?? 'caller');
}

/**
 * The record itself.
 * @throws SecformerError TRACE_READ where it is made of an input of a model that is being traced
 */
export function readable(record: DataRecord): DataRecord {
  const owner = ownerOf(record);
  if (owner !== 'client' && owner !== 'nobody') return record;
  throw new SecformerError(
    'TRACE_READ',
    `a tensor of shape [${record.shape}] follows from an input of the model that is being published, and has ` +
      'no values yet: what is published must not depend on them. Compute with tensors, and not with what data() or ' +
      'dataSync() give',
  );
}

/** The plaintext of what is known. */
export function plainOf(record: DataRecord): BackendValues {
  const { node, dtype } = record;
  record.plain ??= typed(node!.values ?? Float32Array.from(plaintextOf(node!)), dtype);
  return record.plain;
}

/** Values as a tensor of that type has them. */
export function typed(values: Float32Array, dtype: DataType): BackendValues {
  if (dtype === 'int32') return Int32Array.from(values, Math.round);
  if (dtype === 'bool') return Uint8Array.from(values, (v) => (v >= 0.5 ? 1 : 0));
  return values;
}
