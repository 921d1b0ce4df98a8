/** A published model asked about tensors: by the program of these shapes, or by rows that stand for themselves. */
import type { TensorSpec } from '@secformer/tfjs-mpc-backend';
import { filled, joined, type Plain, rowsOf } from './ask.js';
import { limits } from './limits.js';
import { rowBatches } from './packing.js';
import { badRequest, tooLarge } from './refusals.js';
import type { Relay, Waiting } from './relay.js';
import type { Served } from './served.js';

export interface TensorsAsked {
  served: Served;
  /** in any order */
  inputs: readonly Plain[];
  /** names of outputs; all, if absent */
  wanted: readonly string[] | undefined;
  /** may the first size be divided among runs? Only the caller can know that a model treats rows alike */
  byRows: boolean;
}

const shown = (list: readonly { name: string; shape: readonly number[]; dtype: string }[]) =>
  list.map(({ name, dtype, shape }) => `${name}: ${dtype} [${shape}]`).join(', ');

/** The model's input of that name. @throws Refusal 400 */
export function inputSpec({ model, title }: Served, name: string): TensorSpec {
  const { inputs } = model.manifest.programs[0]!;
  const found = inputs.find((i) => i.name === name);
  if (found) return found;
  throw badRequest(`${title} has no input of that name; it takes ${inputs.map((i) => i.name).join(', ')}`);
}

/** @throws Refusal 400 where no program takes these; what the nodes refuse */
export async function askTensors(
  relay: Relay,
  { served, inputs, wanted, byRows }: TensorsAsked,
  { signal }: Waiting,
): Promise<Plain[]> {
  const { programs } = served.model.manifest;
  const names = wantedOf(served, wanted);
  const ordered = orderedInputs(served, inputs);
  const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((d, i) => d === b[i]);
  const exact = programs.some((p) => p.inputs.every(({ shape }, i) => same(shape, ordered[i]!.shape)));
  const count = ordered[0]?.shape[0] ?? 0;
  if (exact) {
    relay.metrics.took(served.title, count, 0);
    const [answer] = await relay.asks.all(signal, [ordered], (given, own) => relay.ask(served, given, names, own));
    return answer!;
  }
  const sizes = byRows && count > 0 ? rowSizes(served, ordered, same) : [];
  if (sizes.length === 0)
    throw badRequest(
      `${served.title} was not published for ${shown(ordered)}; it takes ` +
        `${programs.map((p) => shown(p.inputs)).join(', or ')}`,
    );
  if (count > limits.texts) throw tooLarge(`the request has ${count} rows, at most ${limits.texts} at a time`);
  relay.metrics.took(served.title, count, 0);
  const parts = await relay.asks.all(signal, rowBatches(count, sizes), async ({ from, count, rows }, own) => {
    const part = ordered.map((input) => filled(rowsOf(input, from, from + count), rows));
    const answers = await relay.ask(served, part, names, own);
    return answers.map((answer) => rowsOf(answer, 0, count));
  });
  return names.map((_, i) => joined(parts.map((part) => part[i]!)));
}

/** Numbers of rows for which there are programs that take rows like these. */
function rowSizes(
  { model }: Served,
  inputs: readonly Plain[],
  same: (a: readonly number[], b: readonly number[]) => boolean,
): number[] {
  const count = inputs[0]!.shape[0];
  if (inputs.some(({ shape }) => shape[0] !== count)) return [];
  return model.manifest.programs.flatMap((p) => {
    const rows = p.inputs[0]?.shape[0];
    const alike = [...p.inputs, ...p.outputs].every(({ shape }) => shape[0] === rows);
    const fits = p.inputs.every(({ shape }, i) => same(shape.slice(1), inputs[i]!.shape.slice(1)));
    return rows !== undefined && rows > 0 && alike && fits ? [rows] : [];
  });
}

function orderedInputs(served: Served, inputs: readonly Plain[]): Plain[] {
  const specs = served.model.manifest.programs[0]!.inputs;
  const missing = specs.find(({ name }) => !inputs.some((i) => i.name === name));
  if (missing) throw badRequest(`the input ${missing.name} is missing; ${served.title} takes ${shown(specs)}`);
  if (inputs.length !== specs.length) throw badRequest('an input is there twice');
  return specs.map(({ name }) => inputs.find((i) => i.name === name)!);
}

function wantedOf({ model, title }: Served, wanted: readonly string[] | undefined): string[] {
  const all = model.manifest.programs[0]!.outputs.map(({ name }) => name);
  if (!wanted) return all;
  if (wanted.some((name) => !all.includes(name)))
    throw badRequest(`${title} has no output of that name; it gives ${all.join(', ')}`);
  if (new Set(wanted).size !== wanted.length) throw badRequest('an output is asked for twice');
  return [...wanted];
}
