/** What a Program costs before anything runs: by operation, and layer by layer in the order in which it runs. */
import { type Block, blockBytes, type CheckedProgram, primitiveOf, tagOf } from '@secformer/secformer-ops';
import { limits } from '../../limits.js';
import { shownName } from './shown.js';

/** Bytes are what each party sends the other, and what the dealer sends party 1. */
export interface PlannedCost {
  op: string;
  rounds: number;
  bytes: number;
  dealerBytes: number;
}

export interface ProgramCosts {
  /** of the whole, as the checker has it; `peakBytes` is what a party's run takes at most beside what is drawn ahead */
  total: Omit<PlannedCost, 'op'> & { instructions: number; peakBytes: number };
  /** of each operation; one round may serve several, so that theirs may add up to more than there are */
  operations: PlannedCost[];
  /**
   * Rounds that follow one another and send the most for the same operation, which they are named for. Together they
   * are the whole, to the byte.
   */
  layers: PlannedCost[];
}

/** A Program of a published model, and what tells the model's Programs apart. */
export interface ProgramPlan extends ProgramCosts {
  suite: string;
  /** of each Program of the model, the shapes of its inputs */
  programs: (readonly number[])[][];
}

/** Names of what is beyond the first ones, so that a list stays one that can be read. */
const REST = 'rest';

/** What was found out stays as long as the Program does: it looks at every instruction. */
const known = new WeakMap<CheckedProgram, ProgramCosts>();

export function planOf(checked: CheckedProgram): ProgramCosts {
  const costs = known.get(checked) ?? costsOf(checked);
  known.set(checked, costs);
  return costs;
}

function costsOf(checked: CheckedProgram): ProgramCosts {
  const { program, rounds, cost } = checked;
  const operations = new Map<string, PlannedCost>();
  const layers: PlannedCost[] = [];
  const of = (op: string) => {
    const known = operations.get(op) ?? { op, rounds: 0, bytes: 0, dealerBytes: 0 };
    operations.set(op, known);
    return known;
  };
  for (const { local, openings, bytes } of rounds) {
    const sent = new Map<string, number>();
    let dealerBytes = 0;
    for (const index of [...local, ...openings]) {
      const op = shownName(tagOf(program.instructions[index]!));
      const { opens, dealt } = bytesOf(checked, index);
      of(op).dealerBytes += dealt;
      dealerBytes += dealt;
      if (opens === undefined) continue;
      of(op).bytes += opens;
      sent.set(op, (sent.get(op) ?? 0) + opens);
    }
    for (const op of sent.keys()) of(op).rounds++;
    const last = layers.at(-1);
    // What follows the last opening belongs to it
    const op = largest(sent) ?? last?.op ?? REST;
    const layer = last && (last.op === op || layers.length >= limits.dashboardLayers) ? last : undefined;
    if (!layer) layers.push({ op, rounds: sent.size > 0 ? 1 : 0, bytes, dealerBytes });
    else {
      if (layer.op !== op) layer.op = REST;
      layer.rounds += sent.size > 0 ? 1 : 0;
      layer.bytes += bytes;
      layer.dealerBytes += dealerBytes;
    }
  }
  return {
    total: {
      rounds: cost.rounds,
      bytes: cost.online,
      dealerBytes: cost.dealer,
      instructions: program.instructions.length,
      peakBytes: cost.peak,
    },
    operations: [...operations.values()].sort((a, b) => b.bytes - a.bytes || b.dealerBytes - a.dealerBytes),
    layers,
  };
}

/** What an instruction opens, undefined where it opens nothing, and what the dealer sends for it. */
function bytesOf({ program, types }: CheckedProgram, index: number): { opens: number | undefined; dealt: number } {
  const i = program.instructions[index]!;
  const p = primitiveOf(i);
  const ins = i.in.map((v) => types[v]!);
  const out = types[program.inputs.length + index]!;
  const opens = p.opens?.(ins, i as never, out);
  const dealt = (p.material?.(ins, i as never, out) ?? []).reduce((n: number, b: Block) => n + blockBytes(b), 0);
  return { opens: opens && blockBytes(opens), dealt };
}

function largest(sent: ReadonlyMap<string, number>): string | undefined {
  let [best, most]: [string | undefined, number] = [undefined, -1];
  for (const [op, bytes] of sent) if (bytes > most) [best, most] = [op, bytes];
  return best;
}
