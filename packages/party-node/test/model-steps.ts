/** What is done with a stored model, and what there may be of it wherever that is cut off. */
import type { ModelStore, StoredModel, StoreOptions } from '../src/store/model-store.js';
import { kernels, small, storeKey } from './stored-model.js';

export const model = small();
export const options: StoreOptions = { kernels, node: 'party 1', chunkBytes: 100, key: storeKey() };

/** One step: what leads to it, what there is before it and afterwards. */
export interface Step {
  before: (s: ModelStore) => Promise<void>;
  step: (s: ModelStore) => Promise<void>;
  was: string;
  is: string;
}

const stage = (s: ModelStore) => s.stage(model);
const commit = (s: ModelStore) => s.commit(model.generation);

export const steps: Record<string, Step> = {
  stage: { before: async () => {}, step: stage, was: '', is: 'tiny staged' },
  commit: { before: stage, step: commit, was: 'tiny staged', is: 'tiny live' },
  discard: { before: stage, step: (s) => s.discard(model.generation), was: 'tiny staged', is: '' },
  remove: {
    before: async (s) => {
      await stage(s);
      await commit(s);
    },
    step: (s) => s.remove('tiny', '1'),
    was: 'tiny live',
    is: '',
  },
};

export const described = (found: StoredModel[]): string =>
  found.map(({ name, state }) => `${name} ${state}`).join(', ');
