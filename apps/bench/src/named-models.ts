/** Models and sentences as flags name them. */
import { existsSync, readFileSync } from 'node:fs';
import { type BertConfig, type BertModel, loadBert, randomBert } from '@secformer/bert-loader';
import { UsageError } from './report.js';

const WORDS = 30522;
/** Models of random weights. */
export const SHAPES = {
  tiny: { vocabSize: 1000, hidden: 128, layers: 2, heads: 2, intermediate: 512, positions: 512 },
  minilm: { vocabSize: WORDS, hidden: 384, layers: 6, heads: 12, intermediate: 1536, positions: 512 },
  base: { vocabSize: WORDS, hidden: 768, layers: 12, heads: 12, intermediate: 3072, positions: 512 },
  large: { vocabSize: WORDS, hidden: 1024, layers: 24, heads: 16, intermediate: 4096, positions: 512 },
} as const;

/** How attention weighs in a student, by the names of flags. */
export const ATTENTIONS: Readonly<Record<string, BertConfig['attention']>> = {
  softmax: { function: 'softmax', constant: 0, power: 2, divisor: 'tokens' },
  '2quad': { function: '2quad', constant: 5, power: 2, divisor: 'tokens' },
  cgf: { function: 'cgf', constant: 0.5, power: 2, divisor: 'tokens' },
  power1: { function: 'power', constant: 1, power: 1, divisor: 'tokens' },
  power2: { function: 'power', constant: 1, power: 2, divisor: 'tokens' },
  power4: { function: 'power', constant: 1, power: 4, divisor: 'tokens' },
};

/** What students have otherwise than a BERT. */
export interface StudentFlags {
  attention: string;
  norm: 'standard' | 'affine';
}

/** A model of random weights by its name, or a checkpoint by its folder, which says itself what kind it is. */
export async function loadModel(
  name: string,
  weights: 'secret' | 'public' = 'secret',
  { attention, norm }: StudentFlags = { attention: 'softmax', norm: 'standard' },
): Promise<BertModel> {
  const shape = SHAPES[name as keyof typeof SHAPES];
  if (shape) return randomBert({ ...shape, attention: ATTENTIONS[attention]!, layerNorm: norm }, 1, weights);
  if (attention !== 'softmax' || norm !== 'standard')
    throw new UsageError(
      `--model ${name}: --attention and --norm are of models of random weights; a checkpoint has its own`,
    );
  if (!existsSync(name))
    throw new UsageError(`--model ${name}: neither a folder nor one of ${Object.keys(SHAPES).join(', ')}`);
  return loadBert(name, { weights });
}

/** Sentences of a file: the column `sentence` of tab-separated text with a header, or one a line. */
export function sentencesOf(file: string, limit: number): string[] {
  if (!existsSync(file)) throw new UsageError(`--texts ${file}: there is no such file`);
  const lines = readFileSync(file, 'utf8').split(/\r?\n/).filter(Boolean);
  const column = lines[0]!.split('\t').indexOf('sentence');
  const texts = column < 0 ? lines : lines.slice(1).map((l) => l.split('\t')[column]!);
  return texts.slice(0, limit).map((t) => t.trim());
}
