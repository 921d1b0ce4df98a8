/** What of the backend the commands use; tests have another. */
import type {
  AskProgress,
  Publishable,
  Published,
  PublishedModel,
  PublishOptions,
  PublishProgress,
} from '@secformer/tfjs-mpc-backend';
import type { Identity } from './files.js';
import { loadTf } from './tfjs.js';

export interface PublishRequest extends Identity {
  name: string;
  version: string;
  inputs?: NonNullable<PublishOptions['inputs']>;
  outputs?: Record<string, string>;
  assets: Record<string, Uint8Array>;
  onProgress: (event: PublishProgress) => void;
}

export interface LoadRequest extends Identity {
  grant?: string;
  onProgress: (event: AskProgress) => void;
}

export type Model = Pick<PublishedModel, 'manifest' | 'asset' | 'execute' | 'dispose'>;

export interface Service {
  publish(model: Publishable, request: PublishRequest): Promise<Published>;
  loadPublished(ref: string, request: LoadRequest): Promise<Model>;
}

/** The nodes of the network that a request names. */
export const nodes: Service = {
  async publish(model, request) {
    const { backend } = await loadTf();
    return (backend.publish as unknown as Service['publish'])(model, request);
  },
  async loadPublished(ref, request) {
    const { backend } = await loadTf();
    return (backend.loadPublished as unknown as Service['loadPublished'])(ref, request);
  },
};
