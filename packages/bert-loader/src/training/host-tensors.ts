/** A checkpoint's tensors in this process's memory: read from a folder, and written as a safetensors file. */
import { Float16Array as HalfArray } from '@petamoriken/float16';
import { BUFFERS, readCheckpoint } from '../checkpoint-files.js';
import { ModelFiles, type ReadFile } from '../files.js';
import { modulesOf } from '../sentence.js';

/** A tensor as a checkpoint has it. */
export interface HostTensor {
  shape: readonly number[];
  /** row by row */
  values: Float32Array;
}

/**
 * Every tensor of a folder's checkpoint, by its name without what wrapped the model when it was saved; of a
 * sentence-transformers folder, the encoder's.
 * @param read answers a file's name with its bytes, or undefined where there is no such file
 * @param where name of the folder, for messages
 * @throws ModelFileError naming the file, and the tensor in it
 */
export async function hostTensors(read: ReadFile, where: string): Promise<Map<string, HostTensor>> {
  const folder = new ModelFiles(read, where);
  const modules = await modulesOf(folder);
  const checkpoint = await readCheckpoint(modules ? folder.under(modules[0]!.path) : folder);
  const found = new Map<string, HostTensor>();
  for (const name of checkpoint.names) {
    if (BUFFERS.test(name.replace(/^[a-z]+\./, ''))) continue;
    const shape = checkpoint.shape(name)!;
    found.set(name, { shape, values: checkpoint.read(name, shape) });
  }
  return found;
}

/** What a file has weights as. */
export type StoredFloat = 'F32' | 'F16';

function stored(name: string, values: Float32Array, dtype: StoredFloat): Float32Array | Uint16Array {
  if (dtype === 'F32') return values;
  const halves = HalfArray.from(values);
  const beyond = halves.findIndex((half, i) => !Number.isFinite(half) && Number.isFinite(values[i]!));
  if (beyond >= 0)
    throw new RangeError(`tensor '${name}' has a value of ${values[beyond]}; 16-bit floats go to 65504, store 32 bits`);
  return new Uint16Array(halves.buffer);
}

/**
 * A safetensors file: eight bytes of length, a JSON header, then the tensors, by name.
 * @param dtype 32-bit or 16-bit floats
 * @throws RangeError naming a tensor that has not as many values as its shape says, or one that 16 bits do not hold
 */
export function safetensorsOf(tensors: ReadonlyMap<string, HostTensor>, dtype: StoredFloat = 'F32'): Uint8Array {
  const names = [...tensors.keys()].sort();
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const parts: Uint8Array[] = [];
  let end = 0;
  for (const name of names) {
    const { shape, values } = tensors.get(name)!;
    const size = shape.reduce((a, b) => a * b, 1);
    if (size !== values.length)
      throw new RangeError(`tensor '${name}' of shape [${shape}] has ${values.length} values; ${size} are expected`);
    const { buffer, byteOffset, byteLength } = stored(name, values, dtype);
    header[name] = { dtype, shape, data_offsets: [end, end + byteLength] };
    parts.push(new Uint8Array(buffer, byteOffset, byteLength));
    end += byteLength;
  }
  const text = JSON.stringify(header);
  // Spaces, so that the tensors begin at a multiple of eight bytes
  const json = new TextEncoder().encode(
    text.padEnd(text.length + ((8 - (new TextEncoder().encode(text).length % 8)) % 8)),
  );
  const out = new Uint8Array(8 + json.length + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  let at = 8 + json.length;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
