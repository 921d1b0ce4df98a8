import { z } from 'zod';

/** Every message that travels, by its `t`. Headers are JSON; shares, corrections and openings are the payload. */
const id = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const ticket = hex(16);
const shape = z
  .array(
    z
      .number()
      .int()
      .min(0)
      .max(2 ** 31),
  )
  .max(8);
const type = { shape, fracBits: z.number().int(), bits: z.number().int().min(1).max(64), magnitude: z.number().int() };

/** What a run has to know of an input before it is prepared: of a share and of a masked one-hot matrix nothing. */
const binding = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('share') }),
  z.object({ kind: z.literal('opened'), tensor: id, width: z.number().int().min(2).max(64), run: hex(16) }),
  z.object({ kind: z.literal('oneHot') }),
]);
export type BoundInput = z.infer<typeof binding>;

const report = z.object({ node: z.enum(['party 0', 'party 1', 'dealer', 'client']), code: z.string().max(64), message: z.string().max(4000) });
const cost = z.object({ op: z.string(), ms: z.number(), bytes: z.number(), rounds: z.number() });

export const message = z.discriminatedUnion('t', [
  // handshake
  z.object({ t: z.literal('hello'), version: z.number(), role: z.enum(['party0', 'party1', 'dealer', 'client']), nonce: hex(32), key: hex(32), mac: hex(32).optional() }),
  z.object({ t: z.literal('proof'), mac: hex(32) }),
  z.object({ t: z.literal('refused'), code: z.string().max(64), message: z.string().max(400) }),
  // client to nodes
  z.object({ t: z.literal('open'), re: id, session: ticket }),
  z.object({ t: z.literal('program'), re: id, hash: hex(32) }),
  z.object({ t: z.literal('put'), re: id, tensor: id, ...type, /** P0 expands a seed, P1 is sent the difference, the dealer learns the type */ seed: z.boolean() }),
  z.object({ t: z.literal('free'), tensors: z.array(id).max(4000) }),
  z.object({
    t: z.literal('prepare'),
    ticket,
    program: hex(32),
    inputs: z.array(binding).max(20_000),
    /** 'streamed': dealt while it runs; 'ahead': dealt before; 'spare': the same, for a client that does not wait for it */
    mode: z.enum(['streamed', 'ahead', 'spare']),
  }),
  z.object({
    t: z.literal('run'),
    ticket,
    /** the tensors that the program's shares are, in order */
    shares: z.array(id).max(20_000),
    /** the tensor that each kept value stays as, or whose opening it is */
    keeps: z.array(id).max(20_000),
    /** how the time went is wanted with the result */
    trace: z.boolean().optional(),
  }),
  z.object({ t: z.literal('cancel'), ticket }),
  // nodes to client
  z.object({ t: z.literal('done'), re: id }),
  z.object({ t: z.literal('failed'), re: id, error: report }),
  z.object({ t: z.literal('prepared'), ticket, run: hex(16), slotKeys: z.array(z.tuple([hex(32), hex(32)])).optional(), ms: z.number(), bytes: z.number() }),
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
    /** bytes of JSON behind the outputs */
    traceBytes: z.number().int().min(0).optional(),
  }),
  z.object({ t: z.literal('dealt'), ticket, ms: z.number(), bytes: z.number(), memory: z.number() }),
  // everybody
  z.object({ t: z.literal('abort'), ticket, error: report }),
  // nodes to each other
  z.object({ t: z.literal('agree'), ticket, session: ticket, program: hex(32), nonce: hex(16) }),
  z.object({ t: z.literal('confirm'), ticket, hash: hex(32) }),
  z.object({ t: z.literal('round'), ticket, round: z.number().int().min(0) }),
  z.object({ t: z.literal('material'), ticket }),
  z.object({ t: z.literal('credit'), ticket, bytes: z.number().int().min(0) }),
]);

export type Message = z.infer<typeof message>;
export type MessageOf<T extends Message['t']> = Extract<Message, { t: T }>;
