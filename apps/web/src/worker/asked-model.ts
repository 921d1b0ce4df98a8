/** A published model as the page asks it: about one text for a label, about two for their similarity. */
import { answerOf, type TextAnswer, type TextInputs, TextModel } from '@secformer/bert-loader';
import { type LastRun, lastRun, loadPublished, type PublishedModel } from '@secformer/tfjs-mpc-backend';
import type { Answered, Connection, Cost, ModelFacts, Progress, Verdict } from '../messages.js';

/** A model that the page has no answer to show of. */
export class UnsuitableModel extends Error {
  readonly code = 'UNSUITABLE';
}

export class AskedPage {
  readonly facts: ModelFacts;
  readonly #model: PublishedModel;
  readonly #texts: TextModel;

  private constructor(model: PublishedModel, texts: TextModel) {
    const { name, version, programs } = model.manifest;
    const { gives, lengths } = texts;
    if (gives === 'numbers') {
      const [output] = programs[0]!.outputs;
      throw new UnsuitableModel(
        `${name}@${version} answers with ${output!.name} of shape [${output!.shape}]; ` +
          'this page shows labels (logits) and similarities (a vector for each text)',
      );
    }
    this.#model = model;
    this.#texts = texts;
    this.facts = { name, version, gives, lengths };
  }

  /** @throws what `loadPublished` and `TextModel.of` throw; UnsuitableModel */
  static async load(connection: Connection, onProgress: (event: Progress) => void): Promise<AskedPage> {
    const { model: ref, ...access } = connection;
    const model = await loadPublished(ref, { ...access, onProgress });
    try {
      onProgress({ phase: 'loading' });
      return new AskedPage(model, await TextModel.of(model));
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /** @param onInputs told of each run's inputs before they are shared */
  async ask(texts: readonly string[], onInputs: (inputs: TextInputs) => void): Promise<Answered> {
    const runs: (LastRun | undefined)[] = [];
    const start = performance.now();
    let begun = 0;
    const answers = await this.#texts.ask(texts, {
      onInputs: (inputs) => {
        if (begun++ > 0) runs.push(lastRun());
        onInputs(inputs);
      },
    });
    const ms = performance.now() - start;
    runs.push(lastRun());
    const verdict = this.#verdict(answers);
    return { verdict, cost: costOf(runs, ms), truncated: answers.some((a) => a.truncated) };
  }

  dispose(): void {
    this.#model.dispose();
  }

  #verdict(answers: readonly TextAnswer[]): Verdict {
    const [first, second] = answers;
    if (this.facts.gives === 'vector') return { kind: 'similarity', cosine: cosine(first!.values, second!.values) };
    const { name, shape, values } = first!;
    const answer = answerOf(name, shape, values, this.#texts.reading);
    if (!('label' in answer)) throw new UnsuitableModel('the model gave numbers in place of scores');
    return { kind: 'label', ...answer };
  }
}

function costOf(runs: readonly (LastRun | undefined)[], ms: number): Cost {
  const sum = (of: (run: LastRun) => number) => runs.reduce((n, run) => n + (run ? of(run) : 0), 0);
  return {
    ms,
    rounds: sum((r) => r.rounds),
    between: sum((r) => r.bytes.p0p1 + r.bytes.p1p0),
    dealt: sum((r) => r.bytes.dealer),
  };
}

/** Of two vectors that are not zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! * a[i]!;
    bb += b[i]! * b[i]!;
  }
  return ab / Math.sqrt(aa * bb);
}
