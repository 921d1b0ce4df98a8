/** What may be published, as one function of tensors: plain functions, and models of TF.js and of bert-loader. */
import { SecformerError } from '@secformer/ring';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { TensorSpec } from './nodes.js';
import type { Traceable } from './trace.js';

/** What an input is, where its name is known; types default to what the model says, else to float32. */
export interface InputShape {
  shape: number[];
  dtype?: TensorSpec['dtype'];
}

/** One set of the model's inputs: by name, in the order of the function's parameters, or a list of them. */
export type InputShapes = Record<string, InputShape> | (InputShape & { name?: string })[];

type Outputs = Tensor | Tensor[] | Record<string, Tensor>;

/** A function of tensors, in the order of the inputs. */
export type ModelFunction = (...inputs: never[]) => Outputs;

interface Symbolic {
  name: string;
  shape?: (number | null)[] | undefined;
  dtype?: string;
}

/** What of a tf.GraphModel is used. */
export interface GraphModelLike {
  inputs: Symbolic[];
  outputs: Symbolic[];
  execute(inputs: Record<string, Tensor>, outputs: string[]): Tensor | Tensor[];
}

/** What of a tf.LayersModel is used. */
export interface LayersModelLike {
  inputs: Symbolic[];
  outputNames: string[];
  layers: unknown[];
  predict(inputs: never): Tensor | Tensor[];
}

/** What of bert-loader's BertModel is used. */
export interface BertLike {
  readonly head: string;
  hiddenStates(inputs: never): Tensor;
  logits(inputs: never): Tensor;
  pooled(inputs: never): Tensor;
  embed(inputs: never): Tensor;
}

/** What may be published. */
export type Publishable = ModelFunction | GraphModelLike | LayersModelLike | BertLike;

/** A model whose inputs have names and shapes. */
export interface ShapedModel {
  f: Traceable;
  inputs: TensorSpec[];
}

function bad(why: string): SecformerError {
  return new SecformerError('BAD_CONFIGURATION', `publish: ${why}`);
}

const UNKNOWN = 'takes a function, a tf.GraphModel, a tf.LayersModel or a BertModel';

/**
 * @param shapes the inputs' shapes, in place of what the model leaves open
 * @param outputs which outputs clients get: names of a graph's nodes, or of what a BERT gives; if absent, all that the
 *   model says, and a BERT's scores, or its hidden states where it has no head
 */
export function shapedModel(
  model: Publishable,
  shapes: InputShapes | undefined,
  outputs: Record<string, string> | undefined,
): ShapedModel {
  if (typeof model === 'function') return ofFunction(model, shapes, outputs);
  if (typeof model !== 'object' || model === null) throw bad(UNKNOWN);
  if ('hiddenStates' in model) return ofBert(model, shapes, outputs);
  if ('layers' in model) return ofLayers(model, shapes, outputs);
  if ('execute' in model) return ofGraph(model, shapes, outputs);
  throw bad(UNKNOWN);
}

/** Names for outputs that have none. */
function named(made: Outputs, names: readonly string[] = []): Record<string, Tensor> {
  if (Array.isArray(made)) return Object.fromEntries(made.map((t, i) => [names[i] ?? `output_${i}`, t]));
  return 'dataId' in made ? { [names[0] ?? 'output']: made as Tensor } : (made as Record<string, Tensor>);
}

/** Those that were asked for, under the names that they were asked for by. */
function chosen(all: Record<string, Tensor>, outputs: Record<string, string> | undefined): Record<string, Tensor> {
  if (!outputs) return all;
  return Object.fromEntries(
    Object.entries(outputs).map(([name, of]) => {
      if (!Object.hasOwn(all, of)) throw bad(`there is no output '${of}'; there are ${Object.keys(all).join(', ')}`);
      return [name, all[of]!];
    }),
  );
}

function listed(shapes: InputShapes): (InputShape & { name?: string })[] {
  return Array.isArray(shapes) ? shapes : Object.entries(shapes).map(([name, s]) => ({ name, ...s }));
}

function specOf(name: string, { shape, dtype = 'float32' }: InputShape): TensorSpec {
  if (!Array.isArray(shape) || !shape.every((d) => Number.isInteger(d) && d >= 0))
    throw bad(`input ${name} has the shape ${JSON.stringify(shape)}; sizes are whole numbers`);
  if (!['float32', 'int32', 'bool'].includes(dtype))
    throw bad(`input ${name} has the type ${dtype}; float32, int32 and bool can be asked`);
  return { name, shape: [...shape], dtype };
}

function ofFunction(
  model: ModelFunction,
  shapes: InputShapes | undefined,
  outputs?: Record<string, string>,
): ShapedModel {
  if (!shapes) throw bad("a function's inputs have no shapes of their own: say them in `inputs`");
  const inputs = listed(shapes).map((s, i) => specOf(s.name ?? `input_${i}`, s));
  return { inputs, f: (...tensors) => chosen(named(model(...(tensors as never[]))), outputs) };
}

/** What the model says of its inputs, with the sizes that it leaves open. */
function specsOf(declared: readonly Symbolic[], shapes: InputShapes | undefined): TensorSpec[] {
  const given = shapes && listed(shapes);
  const names = new Set(declared.map((d) => d.name));
  for (const [i, { name }] of (given ?? []).entries())
    if (name !== undefined ? !names.has(name) : i >= declared.length)
      throw bad(`the model has no input ${name ?? i}; it has ${[...names].join(', ')}`);
  return declared.map(({ name, shape, dtype }, i) => {
    const chosen = given?.find((s) => s.name === name) ?? (given?.[i]?.name === undefined ? given?.[i] : undefined);
    const own = shape?.every((d) => d !== null && d >= 0) ? (shape as number[]) : undefined;
    const sizes = chosen?.shape ?? own;
    if (!sizes) throw bad(`input ${name} has sizes that the model leaves open: say its shape in \`inputs\``);
    const fits =
      !shape || (shape.length === sizes.length && shape.every((d, k) => d === null || d < 0 || d === sizes[k]));
    if (!fits) throw bad(`input ${name} of the model has the shape [${shape}], and \`inputs\` says [${sizes}]`);
    return specOf(name, { shape: sizes, dtype: (chosen?.dtype ?? dtype ?? 'float32') as TensorSpec['dtype'] });
  });
}

function ofGraph(
  model: GraphModelLike,
  shapes: InputShapes | undefined,
  outputs?: Record<string, string>,
): ShapedModel {
  const inputs = specsOf(model.inputs, shapes);
  const all = outputs ?? Object.fromEntries(model.outputs.map(({ name }) => [name, name]));
  const names = Object.keys(all);
  const f: Traceable = (...tensors) => {
    const given = Object.fromEntries(inputs.map(({ name }, i) => [name, tensors[i]!]));
    const made = model.execute(given, Object.values(all));
    return named(Array.isArray(made) ? made : [made], names);
  };
  return { inputs, f };
}

function ofLayers(
  model: LayersModelLike,
  shapes: InputShapes | undefined,
  outputs?: Record<string, string>,
): ShapedModel {
  const inputs = specsOf(model.inputs, shapes);
  const f: Traceable = (...tensors) => {
    const made = model.predict((tensors.length === 1 ? tensors[0] : tensors) as never);
    return chosen(named(Array.isArray(made) ? made : [made], model.outputNames), outputs);
  };
  return { inputs, f };
}

/** What a BERT may be asked for. */
const BERT_OUTPUTS = ['logits', 'hiddenStates', 'pooled', 'embed'] as const;
const BERT_INPUTS = ['ids', 'mask', 'segments'] as const;

function ofBert(model: BertLike, shapes: InputShapes | undefined, outputs?: Record<string, string>): ShapedModel {
  const first = shapes && listed(shapes)[0];
  if (!first)
    throw bad("a BertModel's inputs are ids, mask and segments, [batch, tokens] each: say the shape in `inputs`");
  const usual = { shape: first.shape, dtype: 'int32' as const };
  const inputs = specsOf(
    BERT_INPUTS.map((name) => ({ name, dtype: 'int32' })),
    BERT_INPUTS.map((name) => ({
      ...usual,
      ...listed(shapes).find((s, k) => (s.name ?? BERT_INPUTS[k]) === name),
      name,
    })),
  );
  const all = outputs ?? (model.head === 'none' ? { hiddenStates: 'hiddenStates' } : { logits: 'logits' });
  for (const of of Object.values(all))
    if (!BERT_OUTPUTS.includes(of as never)) throw bad(`a BertModel gives ${BERT_OUTPUTS.join(', ')}, and no '${of}'`);
  const f: Traceable = (inputIds, attentionMask, tokenTypeIds) => {
    const given = { inputIds, attentionMask, tokenTypeIds } as never;
    return Object.fromEntries(
      Object.entries(all).map(([name, of]) => [name, model[of as (typeof BERT_OUTPUTS)[number]](given)]),
    );
  };
  return { inputs, f };
}
