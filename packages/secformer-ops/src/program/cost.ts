import { packedBytes, sizeOf } from '@secformer/ring';
import { type Block, blockBytes } from '../instruction/blocks.js';
import type { Cell, Cells, Instruction, Memory, MemoryContext } from '../instruction/primitive.js';
import { check, inInstruction, ProgramError, planesOf, type ShareType, type ValueType } from '../instruction/types.js';
import { programLimits } from '../limits.js';
import { primitives } from '../protocols/index.js';
import type { Schedule } from './schedule.js';

/** What a Program asks of the nodes, known before anything is allocated. */
export interface ProgramCost {
  /** rounds in which something is opened */
  rounds: number;
  /** bytes that each party sends the other */
  online: number;
  /** bytes of corrections that the dealer sends party 1 */
  dealer: number;
  /**
   * Most bytes that a party has in arrays at once while it runs, masks and corrections drawn as instructions come:
   * values, what is drawn, frames and what steps make on their way; an arena's buffers are up to an eighth larger, and
   * kernels in WebAssembly take 128 KiB beside. Tensors of the session are not in it, nor is what is drawn ahead, nor
   * outputs as they are sent.
   */
  peak: number;
  /** the same at the dealer */
  dealerPeak: number;
  /** multiply-adds of a party, or what takes as long */
  work: number;
  /** bytes of all outputs as a party re-shares them */
  outputBytes: number;
  /** bytes of what stays at a party when the run is over, as words */
  keptBytes: number;
  /** the same at the dealer, which keeps openings only */
  dealerKeptBytes: number;
}

/** @throws ProgramError where an instruction or the whole asks for more than the limits */
export function costOf(checked: Schedule): ProgramCost {
  const { program, types, rounds } = checked;
  const open = rounds.filter((r) => r.openings.length > 0);
  const outputBytes = program.outputs.reduce(
    (sum, v) => sum + packedBytes(sizeOf(types[v]!.shape), (types[v] as ShareType).bits),
    0,
  );
  check(
    outputBytes <= programLimits.outputBytes,
    () => `outputs of ${outputBytes} bytes; the limit is ${programLimits.outputBytes}`,
  );
  const kept = [...new Set(program.keeps)].map((v) => types[v]!);
  const bytesOf = (all: ValueType[]) => all.reduce((sum, t) => sum + 8 * sizeOf(t.shape), 0);
  return {
    rounds: open.length,
    online: open.reduce((sum, r) => sum + r.bytes, 0),
    ...dealt(checked),
    ...computed(checked),
    outputBytes,
    keptBytes: bytesOf(kept),
    dealerKeptBytes: bytesOf(kept.filter((t) => t.kind === 'opened')),
  };
}

/**
 * An instruction with what it draws, opens and is dealt, in bytes; blocks themselves would take more memory than the
 * Program.
 */
interface Step {
  i: Instruction;
  types: ValueType[];
  out: ValueType;
  /** of each mask, as words */
  masks: number[];
  /**
   * of all corrections: as words, as they are sent, those of them that are shared by xor, and the largest that is read
   * in one piece
   */
  material: number;
  packed: number;
  xored: number;
  piece: number;
  /** words that it opens; −1 where it opens nothing */
  opens: number;
  memory: Memory<unknown>;
  work: number;
}

const wordsOf = (b: Block) => 8 * b.count;

function stepOf({ program, types: all }: Schedule, index: number): Step {
  const i = program.instructions[index]!;
  const p = primitives.get(i.op)!;
  const types = i.in.map((v) => all[v]!);
  const out = all[program.inputs.length + index]!;
  let [material, packed, xored, piece] = [0, 0, 0, 0];
  for (const b of p.material?.(types, i as never, out) ?? []) {
    material += wordsOf(b);
    packed += blockBytes(b);
    if (b.xor) xored += wordsOf(b);
    if (b.plane !== undefined) piece = Math.max(piece, blockBytes(b));
  }
  return {
    i,
    types,
    out,
    masks: (p.masks?.(types, i as never, out) ?? []).map(wordsOf),
    material,
    packed,
    xored,
    piece,
    opens: p.opens?.(types, i as never, out).count ?? -1,
    memory: (p.memory ?? {}) as Memory<unknown>,
    work: p.work?.(types, i as never, out) ?? types.reduce((sum, t) => sum + unitsOf(t), unitsOf(out)),
  };
}

const unitsOf = (t: ValueType) => sizeOf(t.shape) * planesOf(t);

/** Adds up work, within the limits. */
class Work {
  total = 0;

  add(step: Step, index: number): void {
    const most = programLimits.instructionWork;
    if (step.work > most)
      throw inInstruction(new ProgramError(`takes ${step.work} multiply-adds; the limit is ${most}`), step.i, index);
    this.total += step.work;
    check(
      this.total <= programLimits.work,
      () => `the instructions take more than ${programLimits.work} multiply-adds`,
    );
  }
}

/** Bytes in use, as an arena counts them. */
class Ledger {
  #used = 0;
  #most = 0;
  #made: Cell[] = [];
  #taken = 0;

  get most(): number {
    return this.#most;
  }

  hold(bytes: number): Cell {
    this.#use(bytes);
    return { bytes, holds: 1 };
  }

  #use(bytes: number): void {
    this.#used += bytes;
    if (this.#used > this.#most) this.#most = this.#used;
  }

  readonly make = (words: number): Cell => {
    const cell = this.hold(8 * words);
    this.#made.push(cell);
    return cell;
  };

  readonly takes = (words: number): void => {
    this.#taken += 8 * words;
    this.#use(8 * words);
  };

  /** As `Arena.during`: of what `f` makes, its result is held and the rest is gone. */
  during(f: () => Cells): Cells {
    const result = f();
    for (const name in result) result[name as keyof Cells]!.holds++;
    for (const cell of this.#made) this.drop(cell);
    this.#used -= this.#taken;
    this.#made = [];
    this.#taken = 0;
    return result;
  }

  drop(cell: Cell): void {
    if (--cell.holds === 0) this.#used -= cell.bytes;
  }

  release(cells: Cells | undefined): void {
    for (const name in cells) this.drop(cells[name as keyof Cells]!);
  }
}

/** What lies in memory that is not counted here: a tensor of the session, or a public one. */
const elsewhere: Cell = { bytes: 0, holds: 1 };

/** Inputs: of one-hot ones both arrays are made for the run, and at the dealer each party's half of the mask. */
function inputCells({ program }: Schedule, ledger: Ledger, name: 'm' | 'r', half: 'half' | 'difference'): Cells[] {
  return program.inputs.map((input): Cells => {
    if (input.kind === 'opened') return { stored: elsewhere };
    if (input.kind === 'public') return name === 'm' ? { known: elsewhere } : {};
    if (input.kind === 'share') return name === 'm' ? { share: elsewhere } : {};
    const bytes = 8 * sizeOf(input.shape);
    const cells = { [name]: ledger.hold(bytes), [half]: ledger.hold(bytes) };
    // The dealer draws a half that it needs no longer
    if (name === 'r') ledger.drop(ledger.hold(bytes));
    return cells;
  });
}

/** A value's arrays where its instruction does not say: one of the words that its kind has. */
function usual(out: ValueType, make: (words: number) => Cell): Cells {
  const n = sizeOf(out.shape);
  return out.kind === 'share' ? { share: make(n) } : { planes: make(planesOf(out) * Math.ceil(n / 64)) };
}

type Arrays = Pick<MemoryContext<unknown>, 'masks' | 'differences' | 'material' | 'opened'>;

function contextOf(
  ledger: Ledger,
  { i, types, out }: Step,
  values: readonly (Cells | undefined)[],
  arrays: Arrays,
): MemoryContext<unknown> {
  const { masks, differences, material, opened } = arrays;
  return {
    a: i,
    types,
    out,
    ins: i.in.map((v) => values[v]!),
    masks,
    differences,
    material,
    opened,
    make: ledger.make,
    takes: ledger.takes,
  };
}

/** An instruction that has drawn, and not finished. */
interface Pending {
  step: Step;
  masks: Cell[];
  material: Cell;
}

/** Mirrors `runParty`, with cells for arrays. */
function computed(checked: Schedule): Pick<ProgramCost, 'peak' | 'work'> {
  const { program, rounds, dies } = checked;
  const ledger = new Ledger();
  const work = new Work();
  const first = program.inputs.length;
  ledger.hold(8 * program.constants.reduce((n, c) => n + c.values.length, 0));
  const values: (Cells | undefined)[] = inputCells(checked, ledger, 'm', 'half');
  const begin = (index: number): Pending => {
    const step = stepOf(checked, index);
    work.add(step, index);
    const pending = {
      step,
      masks: step.masks.map((bytes) => ledger.hold(bytes)),
      material: ledger.hold(step.material),
    };
    // Planes are read in one piece, which is a copy where it came in two messages
    ledger.drop(ledger.hold(step.piece));
    return pending;
  };
  const finish = (index: number, { step, masks, material }: Pending) => {
    values[first + index] = ledger.during(() => {
      const { opens, memory, out } = step;
      const opened = opens < 0 ? elsewhere : ledger.make(opens);
      // The other party's, before both are one
      if (opens > 0) ledger.takes(opens);
      const c = contextOf(ledger, step, values, { masks, differences: [], material, opened });
      return memory.finish?.(c) ?? usual(out, ledger.make);
    });
    for (const m of masks) ledger.drop(m);
    ledger.drop(material);
    for (const v of dies[index]!) {
      if (v >= first) ledger.release(values[v]);
      values[v] = undefined;
    }
  };
  for (const { local, openings, bytes } of rounds) {
    for (const index of local) finish(index, begin(index));
    const mine = ledger.hold(bytes);
    const pending = openings.map((index) => {
      const begun = begin(index);
      const { step, masks, material } = begun;
      ledger.during(() => {
        step.memory.begin?.(contextOf(ledger, step, values, { masks, differences: [], material, opened: elsewhere }));
        return {};
      });
      return begun;
    });
    const theirs = ledger.hold(bytes);
    openings.forEach((index, at) => {
      finish(index, pending[at]!);
    });
    ledger.drop(mine);
    ledger.drop(theirs);
  }
  return { peak: ledger.most, work: work.total };
}

/** Mirrors `runDealer`. */
function dealt(checked: Schedule): Pick<ProgramCost, 'dealer' | 'dealerPeak'> {
  const { program, dies } = checked;
  const ledger = new Ledger();
  let dealer = 0;
  const first = program.inputs.length;
  const values: (Cells | undefined)[] = inputCells(checked, ledger, 'r', 'difference');
  const differ = differing(checked);
  for (const index of program.instructions.keys()) {
    const step = stepOf(checked, index);
    dealer += step.packed;
    const packed = ledger.hold(step.packed);
    values[first + index] = ledger.during(() => {
      const differences: Cell[] = [];
      const masks = step.masks.map((bytes) => {
        ledger.takes(bytes / 8);
        if (differ.has(first + index)) differences.push(ledger.make(bytes / 8));
        return ledger.make(bytes / 8);
      });
      ledger.takes(step.xored / 8);
      const material = { bytes: step.material, holds: 1 };
      return (
        step.memory.deal?.(contextOf(ledger, step, values, { masks, differences, material, opened: elsewhere })) ?? {}
      );
    });
    ledger.drop(packed);
    for (const v of dies[index]!) {
      if (v >= first) ledger.release(values[v]);
      values[v] = undefined;
    }
  }
  return { dealer, dealerPeak: ledger.most };
}

/** Values of whose masks the dealer needs the difference of the halves: operands of matrix products, and what stays. */
export function differing({ program, types }: Pick<Schedule, 'program' | 'types'>): Set<number> {
  const wanted = new Set<number>();
  for (let index = program.instructions.length - 1; index >= 0; index--) {
    const i = program.instructions[index]!;
    const { differences } = primitives.get(i.op)!;
    const out = types[program.inputs.length + index]!;
    if (out.kind === 'opened' && out.stays) wanted.add(program.inputs.length + index);
    if (differences === 'always' || (differences === 'passes' && wanted.has(program.inputs.length + index)))
      for (const v of i.in) wanted.add(v);
  }
  return wanted;
}
