/** A published model at one node: its Programs, and what this node has of its tensors. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type { StoredWords } from '@secformer/ring';
import {
  type CheckedProgram,
  inputType,
  type PartyValue,
  type PublicWords,
  publicBits,
  readProgram,
  type ShareType,
  type StoredOpening,
  type ValueType,
} from '@secformer/secformer-ops';
import { NodeError } from '../../errors.js';
import type { Manifest, ManifestInput, ManifestProgram, SignedManifest } from '../../wire/manifest.js';
import type { ModelRef } from '../../wire/messages.js';
import { type RunInput, sharedValue } from '../run-input.js';
import type { PublicInput } from '../session.js';

/** A tensor of a model at one node: its share, if a Program reads it there, and its openings by width. */
export interface ModelTensor {
  type: ShareType;
  share?: StoredWords;
  /** of a public one, at a party: all of it */
  known?: PublicWords;
  openings: ReadonlyMap<number, StoredOpening>;
}

/** What a model consists of. */
export interface ModelParts {
  manifest: Manifest;
  signed: SignedManifest;
  /** the publisher's name in this node's access file */
  publisher: string;
  /** texts of the Programs, in the manifest's order */
  programs: readonly Uint8Array[];
  tensors: readonly ModelTensor[];
  /** by SHA-256, in hex */
  assets: ReadonlyMap<string, Uint8Array>;
}

const bad = (what: string) => new NodeError('client', 'BAD_MESSAGE', what);

export class PublishedModel implements ModelParts {
  readonly manifest: Manifest;
  readonly signed: SignedManifest;
  readonly publisher: string;
  readonly programs: readonly Uint8Array[];
  readonly tensors: readonly ModelTensor[];
  readonly assets: ReadonlyMap<string, Uint8Array>;
  /** SHA-256 of the manifest's text */
  readonly hash: string;
  /** runs that are not over */
  runs = 0;
  readonly #checked = new Map<string, CheckedProgram>();

  /**
   * @throws NodeError BAD_MESSAGE where Programs, tensors and manifest do not fit one another; ProgramError where a
   * Program is wrong in itself
   */
  constructor(parts: ModelParts) {
    this.manifest = parts.manifest;
    this.signed = parts.signed;
    this.publisher = parts.publisher;
    this.programs = parts.programs;
    this.tensors = parts.tensors;
    this.assets = parts.assets;
    this.hash = bytesToHex(sha256(utf8ToBytes(parts.signed.text)));
    this.manifest.programs.forEach((p, i) => {
      const checked = readProgram(this.programs[i]!);
      if (bytesToHex(checked.hash) !== p.hash) throw bad(`published program ${i} under the hash of another`);
      this.#check(p, checked);
      this.#checked.set(p.hash, checked);
    });
  }

  /** Of which version it is, and of which sharing. */
  get ref(): ModelRef {
    const { name, version, generation } = this.manifest;
    return { name, version, generation };
  }

  /** `name@version`, as people write it. */
  get title(): string {
    return `${this.manifest.name}@${this.manifest.version}`;
  }

  /** Bytes that it takes in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const { share, known, openings } of this.tensors) {
      bytes += (share ?? known)?.byteLength ?? 0;
      for (const o of openings.values()) bytes += o.byteLength;
    }
    for (const p of this.programs) bytes += p.length;
    for (const a of this.assets.values()) bytes += a.length;
    return bytes;
  }

  program(hash: string): { checked: CheckedProgram; published: ManifestProgram } {
    const published = this.manifest.programs.find((p) => p.hash === hash);
    if (!published) throw new NodeError('client', 'MODEL_UNKNOWN', `${this.title} has no program of that hash`);
    return { published, checked: this.#checked.get(hash)! };
  }

  /** What the inputs of a Program are bound to: by the manifest, whoever asks. */
  inputs({ bindings }: ManifestProgram): RunInput[] {
    return bindings.map((b): RunInput => {
      if (b.kind === 'weight') return { kind: 'weight', tensor: b.tensor };
      if (b.kind === 'opened') return { kind: 'stored', tensor: b.tensor, width: b.width };
      return { kind: b.kind === 'value' ? 'share' : 'oneHot' };
    });
  }

  /** What a party has of one of its tensors: its share, or all of a public one. */
  value(tensor: number): PartyValue {
    const { share, known } = this.tensors[tensor]!;
    return known ? { known } : sharedValue(share!);
  }

  /** The stored opening of one of its tensors. */
  opening(tensor: number, width: number): StoredOpening {
    // It was looked for when the model was checked
    return this.tensors[tensor]!.openings.get(width)!;
  }

  /** A Program reveals its outputs to whoever asks and keeps nothing; its inputs are what the manifest says. */
  #check({ bindings, revealed, checks }: ManifestProgram, { program, types }: CheckedProgram): void {
    if (program.keeps.length > 0) throw bad('published a program that keeps values: those are of its clients');
    if (bindings.length !== program.inputs.length)
      throw bad(`published ${bindings.length} bindings for ${program.inputs.length} inputs`);
    if (revealed.length !== program.outputs.length || checks.length > revealed.length)
      throw bad(`published ${revealed.length} types for ${program.outputs.length} outputs`);
    bindings.forEach((b, i) => {
      const wrong = this.#wrong(b, program.inputs[i]!);
      if (wrong) throw bad(`published a binding of input ${i} (${b.kind}) ${wrong}`);
    });
    program.outputs.forEach((v, i) => {
      const { shape, bits, fracBits } = types[v] as ShareType;
      const r = revealed[i]!;
      if (shape.join() !== r.shape.join() || bits !== r.bits || fracBits !== r.fracBits)
        throw bad(`published output ${i} as of another type`);
    });
  }

  #wrongPublic(b: ManifestInput, wants: PublicInput): string | undefined {
    const t = b.kind === 'weight' ? this.manifest.tensors[b.tensor] : undefined;
    return t && samePublic(t, wants) ? undefined : 'where the program takes a public tensor that it is not';
  }

  /** What is wrong with a binding, if anything is. */
  #wrong(b: ManifestInput, wants: CheckedProgram['program']['inputs'][number]): string | undefined {
    const { kind, shape } = wants;
    if (b.kind === 'oneHot') {
      const same = kind === 'oneHot' && shape.join() === b.shape.join() && wants.width === b.width;
      return same ? undefined : 'to rows of other shape or width';
    }
    if (b.kind === 'value') {
      const same = kind === 'share' && shape.join() === b.shape.join() && wants.fracBits === b.fracBits;
      return same ? undefined : 'to a value of other shape or scale';
    }
    if (kind === 'public') return this.#wrongPublic(b, wants as PublicInput);
    if (kind !== (b.kind === 'weight' ? 'share' : 'opened')) return `where the program takes '${kind}'`;
    const tensor = this.tensors[b.tensor];
    if (!tensor) return `to tensor ${b.tensor} of ${this.tensors.length}`;
    if (this.manifest.tensors[b.tensor]!.digest !== undefined) return `to a public tensor, for a '${kind}'`;
    if (!sameShare(tensor.type, inputType({ ...wants, kind: 'share' } as typeof wants)))
      return `to tensor ${b.tensor}, which is of another type`;
    if (b.kind === 'weight') return undefined;
    return (wants as { width: number }).width === b.width && tensor.openings.has(b.width)
      ? undefined
      : `to an opening of ${b.width} bits that is not there`;
  }
}

function samePublic(t: Manifest['tensors'][number], wants: PublicInput): boolean {
  return (
    t.digest === wants.digest &&
    t.shape.join() === wants.shape.join() &&
    t.fracBits === wants.fracBits &&
    t.magnitude === wants.magnitude &&
    t.bits === publicBits(wants)
  );
}

function sameShare(a: ShareType, b: ValueType): boolean {
  return (
    b.kind === 'share' &&
    a.shape.join() === b.shape.join() &&
    a.fracBits === b.fracBits &&
    a.bits === b.bits &&
    a.magnitude === b.magnitude
  );
}
