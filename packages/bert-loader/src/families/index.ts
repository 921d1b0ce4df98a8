import { albert } from './albert.js';
import { bert } from './bert.js';
import { distilbert } from './distilbert.js';
import { electra } from './electra.js';
import type { Family } from './family.js';
import { mobilebert } from './mobilebert.js';
import { mpnet } from './mpnet.js';
import { roberta } from './roberta.js';

/** All that can be loaded. */
export const families: readonly Family[] = [bert, distilbert, roberta, electra, mpnet, albert, mobilebert];

/** @param type a model_type that a BertConfig has */
export function familyOf(type: string): Family {
  return families.find((f) => Object.hasOwn(f.classes, type))!;
}
