/** What of the backend the commands use; tests have another. */
import type * as Backend from '@secformer/tfjs-mpc-backend';
import { loadTf } from './tfjs.js';

/** What of a published model the command `ask` uses. */
export type Model = Pick<Backend.PublishedModel, 'manifest' | 'asset' | 'execute' | 'dispose'>;
/** How a published model is reached. */
export type LoadOptions = Parameters<typeof Backend.loadPublished>[1];

/** Where models are published and asked. */
export interface Service {
  /** As the backend's `publish`. */
  publish(model: Backend.Publishable, options: Backend.PublishOptions): Promise<Backend.Published>;
  /** As the backend's `loadPublished`. */
  loadPublished(ref: string, options: LoadOptions): Promise<Model>;
}

/** The nodes of the network that the options name. */
export const nodes: Service = {
  async publish(model, options) {
    const { backend } = await loadTf();
    return backend.publish(model, options);
  },
  async loadPublished(ref, options) {
    const { backend } = await loadTf();
    return backend.loadPublished(ref, options);
  },
};
