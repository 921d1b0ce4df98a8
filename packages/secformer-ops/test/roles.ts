import {
  Arena,
  deriveRunKey,
  KeyStream,
  Purpose,
  RunStreams,
  Secret,
  sizeOf,
  type Words,
  zeros,
} from '@secformer/ring';
import {
  type CheckedProgram,
  clientMask,
  type DealerValue,
  dealOneHot,
  type MaterialSink,
  maskOneHot,
  oneHotMask,
  openOneHot,
  type PartyValue,
  PublicWords,
  prepareParty,
  publicBits,
  type Role,
  runDealer,
  runParty,
  StoredOpening,
} from '../src/index.js';
import { kernels } from './harness.js';

/** What stands around one role of a run: each may throw. */
export interface Around {
  arena: Arena;
  pause?: () => Promise<void>;
  exchange?: (round: number, mine: Uint8Array) => void;
  take?: () => void;
  emit?: (bytes: Uint8Array) => void;
  room?: (bytes: number) => Promise<Uint8Array | undefined>;
  /** bytes drawn ahead */
  ahead?: number;
}

/** A frame of the other party, as a link hands it on. */
function received(arena: Arena, theirs: Uint8Array): Uint8Array {
  const frame = arena.borrow(theirs.length);
  frame.set(theirs);
  return frame;
}

/** One run of a Program, always with the same randomness, that its roles can repeat one by one. */
export class Roles {
  readonly #checked: CheckedProgram;
  readonly #given: readonly (Words | Int32Array)[];
  /** what the dealer sent, and each party sent the other, round by round */
  readonly #material: Uint8Array[] = [];
  readonly #sent: [Uint8Array[], Uint8Array[]] = [[], []];

  readonly #stored: (opening: StoredOpening) => StoredOpening;

  /**
   * @param given words of each share, or where the ones of a one-hot input are
   * @param stored sees each opening of an earlier run before it is used, or puts another in its place
   */
  constructor(
    checked: CheckedProgram,
    given: readonly (Words | Int32Array)[],
    stored: (opening: StoredOpening) => StoredOpening = (opening) => opening,
  ) {
    this.#checked = checked;
    this.#given = given;
    this.#stored = stored;
  }

  #streams(role: Role): RunStreams {
    return new RunStreams(kernels, deriveRunKey(new Secret(new Uint8Array(32).fill(role + 1)), new Uint8Array(16)));
  }

  /**
   * The first run, of all at once, which the others repeat.
   * @param arenas of the parties and the dealer
   * @returns each party's shares of the outputs
   */
  async together(
    arenas: readonly [Arena, Arena, Arena] = [new Arena(0), new Arena(0), new Arena(0)],
  ): Promise<[Words[], Words[]]> {
    await this.dealer({ arena: arenas[2] }, (bytes) => {
      this.#material.push(bytes.slice());
    });
    const waiting: ((theirs: Uint8Array) => void)[] = [];
    const meet = (role: Role) => (round: number, mine: Uint8Array) =>
      new Promise<Uint8Array>((resolve) => {
        const arrive = (theirs: Uint8Array) => resolve(received(arenas[role], theirs));
        this.#sent[role].push(mine.slice());
        const theirs = this.#sent[1 - role]![round];
        if (theirs) {
          arrive(theirs);
          waiting[round]!(this.#sent[role][round]!);
        } else {
          waiting[round] = arrive;
        }
      });
    const values = await Promise.all(
      ([0, 1] as const).map((role) => this.#party(role, { arena: arenas[role] }, meet(role))),
    );
    return values.map((of) => this.#outputs(of)) as [Words[], Words[]];
  }

  #outputs(values: readonly PartyValue[]): Words[] {
    return this.#checked.program.outputs.map((v) => values[v]!.share!.slice());
  }

  /** A party's part of the run again. @returns its values */
  party(role: Role, around: Around): Promise<PartyValue[]> {
    return this.#party(role, around, async (round, mine) => {
      around.exchange?.(round, mine);
      return received(around.arena, this.#sent[1 - role]![round]!);
    });
  }

  async #party(
    role: Role,
    { arena, pause, take, ahead }: Around,
    exchange: (round: number, mine: Uint8Array) => Promise<Uint8Array>,
  ): Promise<PartyValue[]> {
    let [correction, read] = [0, 0];
    const material = async (bytes: number): Promise<Uint8Array> => {
      take?.();
      if (read === this.#material[correction]!.length) [correction, read] = [correction + 1, 0];
      read += bytes;
      return this.#material[correction]!.subarray(read - bytes, read);
    };
    const streams = this.#streams(role);
    const inputs = this.#inputs(role, streams);
    const from = { kernels, role, checked: this.#checked, streams, arena, material, ...(pause && { pause }) };
    const prepared = ahead === undefined ? undefined : await prepareParty(from, ahead);
    return runParty({ ...from, inputs, exchange, ...(prepared && { prepared }) });
  }

  #inputs(role: Role, streams: RunStreams): PartyValue[] {
    const noise = new KeyStream(kernels, new Secret(new Uint8Array(32).fill(9)));
    return this.#checked.program.inputs.map((input, i): PartyValue => {
      const n = sizeOf(input.shape);
      if (input.kind === 'oneHot') {
        const keys = [this.#streams(0).key(Purpose.input, i, 0), this.#streams(1).key(Purpose.input, i, 0)] as const;
        const e = maskOneHot(
          kernels,
          this.#given[i] as Int32Array,
          input.width,
          clientMask(kernels, n, input.width, keys),
        );
        return openOneHot(kernels, e, input.width, oneHotMask(n, input.width, streams, i), zeros(n));
      }
      if (input.kind === 'public')
        return { known: new PublicWords(kernels, (this.#given[i] as Words).slice(), publicBits(input)) };
      if (input.kind === 'opened') return this.#opening(i, input.width).party(role);
      const first = noise.words(n, 64);
      if (role === 0) return { share: first };
      const second = zeros(n);
      kernels.sub(second, this.#given[i] as Words, first);
      return { share: second };
    });
  }

  /** An opening as an earlier run would have left it. */
  #opening(input: number, width: number): { party(role: Role): PartyValue; dealer(): DealerValue } {
    const keys = [0, 1].map((role) => new Secret(new Uint8Array(32).fill(100 + role + 2 * input))) as [Secret, Secret];
    const given = this.#given[input] as Words;
    const n = given.length;
    const halves = keys.map((key) => new KeyStream(kernels, key).words(n, width)) as [Words, Words];
    const reduced = (words: Words, bits: number) => {
      kernels.affine(words, words, 1n, 0n, bits);
      return words;
    };
    return {
      party: (role) => {
        const m = zeros(n);
        kernels.add(m, halves[0], halves[1]);
        kernels.add(m, m, given);
        kernels.lessTwice(m, reduced(m, width), halves[role]);
        const bits = Math.min(width + 1, 64);
        return this.#stored(new StoredOpening(kernels, reduced(m, bits), bits, width, keys[role])).atParty();
      },
      dealer: () => {
        const difference = zeros(n);
        kernels.sub(difference, halves[1], halves[0]);
        return this.#stored(new StoredOpening(kernels, reduced(difference, width), width, width, keys[0])).atDealer();
      },
    };
  }

  /** The dealer's part of the run, the first time or again. */
  dealer({ arena, pause, emit, room }: Around, sink: (bytes: Uint8Array) => void = () => {}): Promise<DealerValue[]> {
    const streams = [this.#streams(0), this.#streams(1)] as const;
    const inputs = this.#checked.program.inputs.map((input, i) => {
      if (input.kind === 'opened') return this.#opening(i, input.width).dealer();
      return input.kind === 'oneHot' ? dealOneHot(kernels, sizeOf(input.shape), input.width, streams, i) : {};
    });
    const send: MaterialSink = async (bytes) => {
      emit?.(bytes);
      sink(bytes);
    };
    const around = { ...(pause && { pause }), ...(room && { room }) };
    return runDealer({ kernels, checked: this.#checked, inputs, streams, arena, emit: send, ...around });
  }
}
