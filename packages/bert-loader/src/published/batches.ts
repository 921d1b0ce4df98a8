/** Which program of a published model takes which texts. */
import { ModelFileError } from '../errors.js';
import type { AskedManifest } from './model.js';

/** Texts by their numbers that one run takes. */
export interface TextBatch {
  texts: number[];
  /** rows of the run, of which those beyond the texts are padding */
  rows: number;
  length: number;
}

const INPUTS = ['ids', 'mask', 'segments'];

/** Tokens of a run at most: a publisher may say anything, and rows are made before the backend looks at it. */
const TOKENS = 2 ** 20;

/** [batch, tokens] of the programs that take texts. @throws ModelFileError where the model takes something else */
export function textShapes({ name, version, programs }: AskedManifest): [number, number][] {
  const shapes = programs.flatMap(({ inputs }): [number, number][] => {
    const fits =
      inputs.length === INPUTS.length &&
      inputs.every((i, k) => i.name === INPUTS[k] && i.dtype === 'int32' && i.shape.length === 2);
    const [batch, tokens] = inputs[0]?.shape ?? [];
    return fits && batch! >= 1 && tokens! >= 2 && batch! * tokens! <= TOKENS ? [[batch!, tokens!]] : [];
  });
  if (shapes.length > 0) return shapes;
  const takes = programs[0]!.inputs.map((i) => `${i.name}: ${i.dtype} [${i.shape}]`).join(', ');
  throw new ModelFileError(
    `${name}@${version}`,
    `takes ${takes}, and no texts; loadPublished of @secformer/tfjs-mpc-backend asks it`,
  );
}

/**
 * The smallest length that each text fits into, or the largest that there is; texts of one length share runs.
 * @param tokens of each text, uncut
 */
export function batchesOf(tokens: readonly number[], shapes: readonly [number, number][]): TextBatch[] {
  const lengths = [...new Set(shapes.map(([, length]) => length))].sort((a, b) => a - b);
  const groups = new Map<number, number[]>();
  for (const [text, count] of tokens.entries()) {
    const length = lengths.find((l) => l >= count) ?? lengths.at(-1)!;
    groups.set(length, [...(groups.get(length) ?? []), text]);
  }
  return [...groups].flatMap(([length, texts]) => {
    const rows = shapes.filter(([, l]) => l === length).map(([batch]) => batch);
    return divided(
      texts,
      rows.sort((a, b) => a - b),
    ).map((batch) => ({ ...batch, length }));
  });
}

/** The fewest rows that take what is left, or as many as there are. */
function divided(texts: readonly number[], rows: readonly number[]): { texts: number[]; rows: number }[] {
  const batches: { texts: number[]; rows: number }[] = [];
  for (let at = 0; at < texts.length; at += batches.at(-1)!.rows) {
    const left = texts.length - at;
    const most = rows.find((r) => r >= left) ?? rows.at(-1)!;
    batches.push({ texts: texts.slice(at, at + most), rows: most });
  }
  return batches;
}
