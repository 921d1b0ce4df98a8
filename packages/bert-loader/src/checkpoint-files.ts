/** Which files a checkpoint is in, and what of it is no weight. */
import { Checkpoint, shardsOf } from './checkpoint.js';
import type { ModelFiles } from './files.js';
import { Safetensors } from './safetensors.js';

/** Position ids and zero token types, which older versions of the reference saved as tensors. */
export const BUFFERS = /^embeddings\.(position_ids|token_type_ids)$/;

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** @throws ModelFileError naming the file that is missing or damaged */
export async function readCheckpoint(files: ModelFiles): Promise<Checkpoint> {
  const single = await files.bytes(SINGLE);
  if (single) return new Checkpoint(files.path(SINGLE), [new Safetensors(files.path(SINGLE), single)]);
  const index = await files.json(INDEX);
  if (index === undefined) files.refuse(SINGLE, `is not there, nor is ${INDEX}; weights in other formats are not read`);
  const parts: Safetensors[] = [];
  for (const [shard, names] of shardsOf(files.path(INDEX), index)) {
    const part = new Safetensors(files.path(shard), await files.need(shard));
    const missing = names.find((name) => !part.has(name));
    if (missing !== undefined) files.refuse(shard, `has no tensor '${missing}', which ${INDEX} says it holds`);
    parts.push(part);
  }
  return new Checkpoint(files.path(INDEX), parts);
}
