import { programLimits } from '@secformer/secformer-ops/limits';
import { z } from 'zod';
import { NodeError, type NodeName } from '../errors.js';
import { limits } from '../limits.js';
import { hex, shape } from './fields.js';
import { modelName, versionName } from './names.js';

/** Tensors that one message frees: their ids fit its header. */
export const FREED = 2000;

const id = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const ticket = hex(16);
const width = z.number().int().min(2).max(64);
const type = { shape, fracBits: z.number().int(), bits: z.number().int().min(1).max(64), magnitude: z.number().int() };

/** A public tensor: the digest of its bytes, and how many words of how many bits they are. */
const known = {
  digest: hex(32),
  count: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  bits: z.number().int().min(1).max(64),
};

/**
 * What a run has to know of an input before it is prepared: of a share and of a masked one-hot matrix nothing, and a
 * public tensor is named by its Program.
 */
const binding = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('share') }),
  /** run: the id of the run that has opened it, or what its owner has drawn */
  z.object({ kind: z.literal('opened'), tensor: id, width, run: hex(16) }),
  z.object({ kind: z.literal('oneHot') }),
  z.object({ kind: z.literal('public') }),
]);
export type BoundInput = z.infer<typeof binding>;
/** A version of a published model, and the sharing that a client knows its manifest of. */
const modelRef = z.object({ name: modelName, version: versionName, generation: hex(16) });
export type ModelRef = z.infer<typeof modelRef>;

/** Payload of 'prepare'. */
export const bindings = z.array(binding).max(programLimits.inputs);

/** First part of the payload of 'run'. */
export const startOf = z.object({
  /** the tensors that the program's shares are, in order */
  shares: z.array(id).max(programLimits.inputs),
  /** the tensor that each kept value stays as, or whose opening it is */
  keeps: z.array(id).max(programLimits.inputs),
});

/** Payload of the answer to 'manifest'. */
export const signedOf = z.object({ text: z.string(), signature: hex(64) });

/** Payload of 'stage'. */
export const stagedOf = signedOf.extend({
  /** the session's tensor that each of the manifest's is */
  tensors: z.array(id).max(programLimits.inputs),
});

/** Payload of 'have', and of the answer to 'models'. */
export const listed = z
  .array(
    modelRef.extend({
      /** SHA-256 of the manifest's text */
      hash: hex(32),
      publisher: modelName,
      published: z.number().int().min(0),
      /** at the sender: not committed yet, or there */
      state: z.enum(['staged', 'live']),
    }),
  )
  .max(programLimits.inputs);
export type Listed = z.infer<typeof listed>[number];

/** A payload that is JSON. */
export const jsonBytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** @throws NodeError where it is not JSON of that kind */
export function readJson<T>(schema: z.ZodType<T>, bytes: Uint8Array, from: NodeName, what: string): T {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new NodeError(from, 'BAD_MESSAGE', `sent ${what} that is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new NodeError(
    from,
    'BAD_MESSAGE',
    `sent ${what} whose field '${issue.path.join('.') || 't'}' is wrong: ${issue.message}`,
  );
}

const milliseconds = z.number().min(0).max(3_600_000);
const report = z.object({
  node: z.enum(['party 0', 'party 1', 'dealer', 'client']),
  code: z.string().max(64),
  message: z.string().max(4000),
  retryAfterMs: milliseconds.optional(),
});
const cost = z.object({ op: z.string(), ms: z.number(), bytes: z.number(), rounds: z.number() });

/**
 * Every message that travels, by its `t`. Headers are JSON; shares, corrections, openings and long lists are the
 * payload.
 */
export const message = z.discriminatedUnion('t', [
  // handshake
  z.object({
    t: z.literal('hello'),
    version: z.number(),
    role: z.enum(['party0', 'party1', 'dealer', 'client']),
    nonce: hex(32),
    key: hex(32),
    /** drawn by each process at its start: tells one that comes back from a second one */
    process: hex(16),
    /** this side's Ed25519 key, where it proves itself by that and not by a token */
    public: hex(32).optional(),
    /** what a publisher allows a client, a JWT in compact form */
    grant: z
      .string()
      .max(limits.grantCharacters)
      .regex(/^[\w.-]+$/)
      .optional(),
    /** whether this side has the keying material of the TLS connection */
    bound: z.boolean().optional(),
  }),
  /** by a token or by a key */
  z.object({ t: z.literal('proof'), mac: hex(32).optional(), signature: hex(64).optional() }),
  z.object({
    t: z.literal('refused'),
    code: z.string().max(64),
    message: z.string().max(1000),
    retryAfterMs: milliseconds.optional(),
  }),
  // client to nodes
  z.object({ t: z.literal('open'), re: id, session: ticket }),
  z.object({ t: z.literal('program'), re: id, hash: hex(32) }),
  z.object({
    t: z.literal('put'),
    re: id,
    tensor: id,
    ...type,
    /** P0 expands a seed, P1 is sent the difference, the dealer learns the type */ seed: z.boolean(),
  }),
  /**
   * a tensor as an opening of `width` bits that stays, by its owner, under an id that it draws: see `writtenBytes` for
   * the payload. Beside its share, or in the place of it
   */
  z.object({ t: z.literal('putOpened'), re: id, tensor: id, ...type, width, opening: ticket }),
  /** a tensor that both parties may have in full; the answer is one byte, 1 where the node has it already */
  z.object({ t: z.literal('offer'), re: id, tensor: id, ...known }),
  /** the same with its packed words, the payload */
  z.object({ t: z.literal('public'), re: id, tensor: id, ...known }),
  z.object({ t: z.literal('free'), tensors: z.array(id).max(FREED) }),
  z.object({
    t: z.literal('prepare'),
    ticket,
    /** the payload is what its inputs are bound to, see `bindings` */
    program: hex(32),
    /**
     * 'streamed': dealt while it runs; 'ahead': dealt before; 'spare': the same, for a client that does not wait for it
     */
    mode: z.enum(['streamed', 'ahead', 'spare']),
    /** the published model that the program is of, which says what inputs are bound to */
    model: modelRef.optional(),
  }),
  z.object({
    t: z.literal('run'),
    ticket,
    /** bytes of the payload that name tensors, see `startOf`; the client's masked inputs are behind them */
    names: z.number().int().min(0),
    /** how the time went is wanted with the result */
    trace: z.boolean().optional(),
  }),
  z.object({ t: z.literal('cancel'), ticket }),
  // publisher to nodes
  /** a file that belongs to a model, the payload */
  z.object({ t: z.literal('upload'), re: id, sha256: hex(32) }),
  /** the payload is a model's manifest and which of the session's tensors are its own, see `stagedOf` */
  z.object({ t: z.literal('stage'), re: id }),
  /** of what is staged under this number: it becomes visible, or goes */
  z.object({ t: z.literal('commit'), re: id, generation: hex(16) }),
  z.object({ t: z.literal('discard'), re: id, generation: hex(16) }),
  z.object({ t: z.literal('unpublish'), re: id, name: modelName, version: versionName }),
  // asker and publisher to nodes, which send an 'answer'
  /** what there is, of what this client may ask or has published */
  z.object({ t: z.literal('models'), re: id }),
  /** a model's signed manifest; of the version that was published last, if it is not said */
  z.object({ t: z.literal('manifest'), re: id, name: modelName, version: versionName.optional() }),
  z.object({ t: z.literal('asset'), re: id, model: modelRef, sha256: hex(32) }),
  // nodes to client
  /** of a party to 'open': how far it has found the other party to be */
  z.object({ t: z.literal('done'), re: id, roundTripMs: milliseconds.optional() }),
  /** the payload is what was asked for */
  z.object({ t: z.literal('answer'), re: id }),
  z.object({ t: z.literal('failed'), re: id, error: report }),
  /** of the dealer: other runs come first */
  z.object({ t: z.literal('waiting'), ticket, place: z.number().int().min(1) }),
  /** of party 0, now and then: how many rounds of a run are over */
  z.object({ t: z.literal('opened'), ticket, rounds: z.number().int().min(0) }),
  /** the dealer's payload is the keys of the masks of the client's inputs, two of 32 bytes each */
  z.object({ t: z.literal('prepared'), ticket, run: hex(16), ms: z.number(), bytes: z.number() }),
  z.object({
    t: z.literal('result'),
    ticket,
    ms: z.number(),
    waitMs: z.number(),
    bytesSent: z.number(),
    overheadBytes: z.number(),
    rounds: z.number(),
    perOp: z.array(cost),
    memory: z.number(),
    systemMs: z.number(),
    collectorMs: z.number(),
    /** bytes of JSON behind the outputs */
    traceBytes: z.number().int().min(0).optional(),
  }),
  z.object({ t: z.literal('dealt'), ticket, ms: z.number(), bytes: z.number(), memory: z.number() }),
  // everybody
  z.object({ t: z.literal('abort'), ticket, error: report }),
  // nodes to each other: of a run's values rounds and material alone, under masks. The others name tickets, times and
  // tensors, which the client has told each of the three
  /** bindings: hash of what the inputs are bound to and of the mode */
  z.object({
    t: z.literal('agree'),
    ticket,
    session: ticket,
    program: hex(32),
    bindings: hex(32),
    nonce: hex(16),
    /** of the dealer: the prepared run that serves this one */
    pooled: ticket.optional(),
  }),
  /** of the dealer: a run of a published Program is to be prepared, for whoever asks for it */
  z.object({ t: z.literal('pool'), ticket, program: hex(32), model: modelRef }),
  /** of a party: it has prepared that */
  z.object({ t: z.literal('ready'), ticket }),
  /** of a party: it has computed a client’s run of a published model, or given it up */
  z.object({ t: z.literal('computed'), ticket }),
  /** of the dealer: it begins to deal */
  z.object({ t: z.literal('turn'), ticket }),
  z.object({ t: z.literal('confirm'), ticket, hash: hex(32) }),
  /** of a party: it has its outputs and keeps what is to stay, as which tensors this hash says */
  z.object({ t: z.literal('kept'), ticket, hash: hex(32) }),
  z.object({ t: z.literal('round'), ticket, round: z.number().int().min(0) }),
  z.object({ t: z.literal('material'), ticket }),
  z.object({ t: z.literal('credit'), ticket, bytes: z.number().int().min(0) }),
  /** the payload is the models that the sender has, see `listed` */
  z.object({ t: z.literal('have') }),
]);

export type Message = z.infer<typeof message>;
export type MessageOf<T extends Message['t']> = Extract<Message, { t: T }>;
