/** The rounds of a BERT as they are planned: what is opened in each, and of what operation. Nothing is run. */
import { basename } from 'node:path';
import {
  type Block,
  type CheckedProgram,
  checkProgram,
  type InputState,
  plan,
  primitives,
  suiteOf,
} from '@secformer/secformer-ops';
import { type Planned, whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
import type { Tensor } from '@tensorflow/tfjs-core';
import { columns, megabytes, report } from './report.js';

/** What one operation opens in a round, of one width. */
export interface Opening {
  operation: string;
  bits: number;
  elements: number;
}

/** One round: what is opened, and the bytes of each party's frame. */
export interface PlannedRound {
  opened: Opening[];
  bytes: number;
}

/** Rounds that follow one another, so many times the same. */
export interface Stretch {
  from: number;
  rounds: number;
  times: number;
}

/** A read's Program once its weights are opened: a model's second read, and all after it. */
function programOf({ graph, suite, states, revealed, kept, ranges, watched }: Planned): CheckedProgram {
  const planned = (given: readonly InputState[]) =>
    plan(graph, suiteOf(suite), given, revealed, kept, ranges, { watched: watched === true });
  const stored: number[][] = states.map(() => []);
  for (const k of planned(states).keeps) if (k.kind === 'opened') stored[k.slot]!.push(k.width);
  return checkProgram(planned(states.map((s, i) => ({ ...s, stored: stored[i]!.sort((a, b) => a - b) }))).program);
}

/** The rounds of a Program in which something is opened. */
export function roundsOf({ program, types, rounds }: CheckedProgram): PlannedRound[] {
  return rounds
    .filter((r) => r.openings.length > 0)
    .map(({ openings, bytes }) => {
      const opened = new Map<string, Opening>();
      for (const index of openings) {
        const i = program.instructions[index]!;
        const p = primitives.get(i.op)!;
        const ins = i.in.map((v) => types[v]!);
        const block = p.opens!(ins, i as never, types[program.inputs.length + index]!);
        const operation = String(i.tag ?? i.op);
        const { bits, elements } = sizeOf(block);
        const key = `${operation} ${bits}`;
        const before = opened.get(key);
        if (before) before.elements += elements;
        else opened.set(key, { operation, bits, elements });
      }
      return { opened: [...opened.values()].sort((a, b) => b.bits * b.elements - a.bits * a.elements), bytes };
    });
}

/** Planes of bits are elements of one bit. */
function sizeOf(block: Block): { bits: number; elements: number } {
  const { count, bits, plane } = block;
  return plane ? { bits: 1, elements: (count / Math.ceil(plane / 64)) * plane } : { bits, elements: count };
}

/**
 * Where rounds repeat, as the layers of a model do: the stretch that most of them are repetitions of, in the order in
 * which it is first met, with what comes before and after.
 */
export function stretchesOf(rounds: readonly PlannedRound[]): Stretch[] {
  const n = rounds.length;
  const signature = rounds.map((r) => JSON.stringify(r));
  let best: Stretch = { from: 0, rounds: n, times: 1 };
  let saved = 0;
  for (let period = 1; 2 * period <= n; period++) {
    for (let from = 0, at = 0; at + period <= n; at++) {
      if (at + period < n && signature[at] === signature[at + period]) continue;
      const times = 1 + Math.floor((at - from) / period);
      if ((times - 1) * period > saved) {
        saved = (times - 1) * period;
        best = { from, rounds: period, times };
      }
      from = at + 1;
    }
  }
  const end = best.from + best.rounds * best.times;
  return [{ from: 0, rounds: best.from, times: 1 }, best, { from: end, rounds: n - end, times: 1 }].filter(
    (s) => s.rounds > 0,
  );
}

const shown = ({ operation, bits, elements }: Opening) => `${operation} ${bits} × ${elements.toLocaleString('en')}`;

/**
 * Prints the rounds of reading `y`.
 * @param of the fields that name what is planned
 * @param json a file for the record, '-' for standard output
 */
export function reportSchedule(
  y: Tensor,
  of: { model: string; seq: number; suite: string; weights: string },
  json?: string,
): void {
  const checked = programOf(whatNodesSee(y).planned);
  const { cost } = checked;
  const rounds = roundsOf(checked);
  const stretches = stretchesOf(rounds);
  const record = {
    command: 'bert',
    ...of,
    schedule: { rounds: cost.rounds, bytes: cost.online, dealerBytes: cost.dealer, stretches, each: rounds },
  };
  report(record, json, () =>
    [
      `${basename(of.model)}, ${of.seq} tokens, suite ${of.suite}, ${of.weights} weights: ${cost.rounds} rounds, ` +
        `${megabytes(cost.online)} sent by one party, ${megabytes(cost.dealer)} by the dealer ` +
        '(bits × elements opened in each round)',
      ...stretches.map(({ from, rounds: length, times }) => {
        const last = from + length * times;
        const head =
          times > 1 ? `${times} times ${length} rounds, ${from + 1} to ${last}` : `rounds ${from + 1} to ${last}`;
        const part = rounds.slice(from, from + length);
        const numbers = columns(part.map((r, i) => [String(from + i + 1), megabytes(r.bytes)])).split('\n');
        return `\n${head}:\n${part.map((r, i) => `${numbers[i]}  ${r.opened.map(shown).join(', ')}`).join('\n')}`;
      }),
    ].join('\n'),
  );
}
