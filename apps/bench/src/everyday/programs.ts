/** All programs, topic by topic. */
import { attention } from './attention.js';
import { chains } from './chains.js';
import { checkpoints } from './checkpoints.js';
import { decoding } from './decoding.js';
import { domains } from './domains.js';
import { extrema } from './extrema.js';
import { farValues } from './far-values.js';
import { graphs } from './graphs.js';
import { ids } from './ids.js';
import { layersModels } from './layers-models.js';
import { losses } from './losses.js';
import { masks } from './masks.js';
import { modelPrograms } from './models.js';
import { ownValues } from './own-values.js';
import type { Program } from './program.js';
import { reads } from './reads.js';
import { smallNumbers } from './small-numbers.js';

/** @param models a folder of converted models to try as well */
export function everydayPrograms(models?: string): Program[] {
  const small = [
    masks,
    attention,
    farValues,
    domains,
    extrema,
    smallNumbers,
    reads,
    ids,
    ownValues,
    decoding,
    losses,
    chains,
    layersModels,
    graphs,
    checkpoints,
  ].flat();
  return models === undefined ? small : [...small, ...modelPrograms(models)];
}
