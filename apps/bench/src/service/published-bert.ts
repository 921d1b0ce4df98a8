/** A BERT as three operators serve it: three processes on this machine, a publisher, and clients with grants. */
import { readFileSync } from 'node:fs';
import type { BertModel } from '@secformer/bert-loader';
import { secretKeyText } from '@secformer/party-node';
import { type LocalService, startLocalService } from '@secformer/party-node/node';
import { configure, loadPublished, type PublishedModel, publish } from '@secformer/tfjs-mpc-backend';
import { tf } from '../quiet-tfjs.js';

export const OUTPUTS = ['logits', 'embed', 'hiddenStates'] as const;
export type OutputName = (typeof OUTPUTS)[number];

/** What clients are given of a model: a classifier's scores, or what its folder makes of hidden states. */
export const outputOf = (model: BertModel): OutputName => (model.classifies ? 'logits' : 'embed');

export interface ServedModel {
  service: LocalService;
  name: string;
  publishMs: number;
  /** A client with a key and a grant of its own. */
  client(subject: string, onProgress?: (e: { phase: string }) => void): Promise<PublishedModel>;
}

/** Starts three nodes, and publishes a model for one sentence of so many tokens. The backend 'secformer' is active. */
export async function served(
  model: BertModel,
  { seq, suite, flags = [] }: { seq: number; suite: string; flags?: readonly string[] },
): Promise<ServedModel> {
  configure({ suite });
  const service = await startLocalService({ flags: () => flags });
  try {
    const network = JSON.parse(readFileSync(service.networkFile, 'utf8')) as unknown;
    const name = 'bench';
    const output = outputOf(model);
    const start = performance.now();
    await publish(model, {
      name,
      version: '1',
      inputs: { ids: { shape: [1, seq] } },
      outputs: { [output]: output },
      network,
      key: secretKeyText(service.publisher.secret),
    });
    const publishMs = performance.now() - start;
    return {
      service,
      name,
      publishMs,
      async client(subject, onProgress) {
        const { key, grant } = await service.grant({ model: name, subject });
        return loadPublished(`${name}@1`, {
          network,
          key: secretKeyText(key),
          grant,
          ...(onProgress && { onProgress }),
        });
      },
    };
  } catch (error) {
    service.stop();
    throw error;
  }
}

/** A sentence as the model's inputs are named, in new tensors. */
export interface Sentence {
  ids: Int32Array;
  mask: Int32Array;
  segments: Int32Array;
}

export async function sentenceOf(model: BertModel, text: string, seq: number): Promise<Sentence> {
  const { inputIds, attentionMask, tokenTypeIds } = model.tokenize(text, seq);
  const [ids, mask, segments] = (await Promise.all([inputIds, attentionMask, tokenTypeIds].map((t) => t.data()))) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  tf.dispose([inputIds, attentionMask, tokenTypeIds]);
  return { ids, mask, segments };
}

/** Asks once. */
export async function asked(client: PublishedModel, { ids, mask, segments }: Sentence): Promise<Float32Array> {
  const tensor = (values: Int32Array) => tf.tensor2d(values, [1, values.length], 'int32');
  const given = { ids: tensor(ids), mask: tensor(mask), segments: tensor(segments) };
  const out = client.predict(given) as ReturnType<typeof tf.tensor>;
  try {
    return (await out.data()) as Float32Array;
  } finally {
    tf.dispose([out, ...Object.values(given)]);
  }
}
