/** The models that a proxy serves: what each of them is, and which of them answers. */

import { ModelFileError, type TextAssets, textAssets, textShapes } from '@secformer/bert-loader';
import type { LoadOptions, Model, Service } from '../service.js';
import { printable } from '../terminal.js';
import { notFound, notThisModel, type Refusal } from './refusals.js';

/** What a model needs to be asked about texts. */
export interface Texts extends TextAssets {
  /** [batch, tokens] of its programs */
  shapes: [number, number][];
  /** tokens of a text at most */
  most: number;
}

export interface Served {
  name: string;
  version: string;
  /** 'name@version' */
  title: string;
  model: Model;
  /** undefined where it takes no texts */
  texts: Texts | undefined;
  /** why it takes none */
  noTexts: string;
  /** classes of a classifier */
  labels: string[] | undefined;
  /** numbers of a sentence's vector */
  dimensions: number | undefined;
}

/** A model that answers texts. */
export type TextModel = Served & { texts: Texts };

export type Task = 'embed' | 'predict' | 'rerank';

/** Output of a published checkpoint that is a sentence's vector, and the one that is its classes' scores. */
export const VECTOR = 'embed';
export const SCORES = 'logits';

/** @throws UsageError where it is none of a model's name; what `loadPublished` of the backend throws */
export async function openServed(service: Service, ref: string, options: LoadOptions): Promise<Served> {
  const model = await service.loadPublished(ref, options);
  try {
    return await servedOf(model);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

async function servedOf(model: Model): Promise<Served> {
  const { name, version, programs } = model.manifest;
  const common = { name, version, title: `${name}@${version}`, model };
  /** size of an output that has a row for each text */
  const width = (output: string) => {
    const shape = programs[0]!.outputs.find((o) => o.name === output)?.shape;
    return shape?.length === 2 ? shape[1] : undefined;
  };
  try {
    const shapes = textShapes(model.manifest);
    const assets = await textAssets(model);
    const most = Math.min(assets.tokenizer.limit, assets.longest, Math.max(...shapes.map(([, length]) => length)));
    const classes = width(SCORES);
    const label = (i: number) => printable(assets.reading.labels[i] ?? `LABEL_${i}`);
    const labels = classes === undefined ? undefined : Array.from({ length: classes }, (_, i) => label(i));
    return { ...common, texts: { ...assets, shapes, most }, noTexts: '', labels, dimensions: width(VECTOR) };
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    return { ...common, texts: undefined, noTexts: error.message, labels: undefined, dimensions: undefined };
  }
}

/** What a model answers of what texts are asked for. */
export function tasksOf({ texts, labels, dimensions }: Served): Task[] {
  if (!texts) return [];
  const ranks = dimensions !== undefined || labels?.length === 1;
  return [
    ...(dimensions !== undefined ? (['embed'] as const) : []),
    ...(labels ? (['predict'] as const) : []),
    ...(ranks ? (['rerank'] as const) : []),
  ];
}

const NEEDS: Readonly<Record<Task, string>> = {
  embed: `vectors come of a model that was published with the output '${VECTOR}', as a sentence-transformers folder is`,
  predict: `predictions come of a classifier, published with the output '${SCORES}' of one row a text`,
  rerank: `ranks come of a classifier of pairs with one label, or of a model with the output '${VECTOR}'`,
};

/** Why a model does not do a task. */
function whyNot(served: Served, task: Task): Refusal {
  const { title, noTexts, model } = served;
  if (noTexts) return notThisModel(noTexts);
  const has = model.manifest.programs[0]!.outputs.map(({ name, shape }) => `${printable(name)} [${shape}]`).join(', ');
  return notThisModel(`${title} gives ${has}; ${NEEDS[task]}`);
}

export function does(served: Served, task: Task): served is TextModel {
  return tasksOf(served).includes(task);
}

export class Models {
  readonly all: readonly Served[];

  constructor(all: readonly Served[]) {
    this.all = all;
  }

  /**
   * The model of that name.
   * @param version the first that the command names, if absent
   * @throws Refusal 404
   */
  named(name: string, version?: string): Served {
    const found = this.all.find((m) => m.name === name && (version === undefined || m.version === version));
    if (found) return found;
    throw notFound(`there is no such model here; there are ${this.all.map(({ title }) => title).join(', ')}`);
  }

  /** The same of 'name' or 'name@version'. */
  referred(ref: string): Served {
    const at = ref.indexOf('@');
    return at < 0 ? this.named(ref) : this.named(ref.slice(0, at), ref.slice(at + 1));
  }

  /** The first that does a task. @throws Refusal 424 */
  first(task: Task): TextModel {
    const found = this.all.find((m) => does(m, task));
    if (found && does(found, task)) return found;
    throw whyNot(this.all[0]!, task);
  }

  /** A model, if it does the task. @throws Refusal 424 */
  able(served: Served, task: Task): TextModel {
    if (does(served, task)) return served;
    throw whyNot(served, task);
  }
}
