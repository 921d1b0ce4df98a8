/** The stages of a training: what is replaced in each, and what it is judged by. */

/** How much each loss counts; 0 leaves it out. */
export interface LossWeights {
  /** hidden states, layer by layer */
  hidden: number;
  /** what comes out of attention, layer by layer */
  attention: number;
  /** logits, by the teacher's */
  logits: number;
  /** by the labels of the data */
  task: number;
}

/** What of a model is its student's already. */
export interface Replaced {
  /** layers from this one up have the student's attention */
  attentionFrom: number;
  /** norms from this one up are affine */
  affineFrom: number;
}

/** A part of a training with a schedule of its own. */
export interface Stage extends Replaced {
  name: string;
  losses: LossWeights;
  epochs: number;
}

/** What stages are made for. */
export interface StagePlan {
  layers: number;
  /** has the student another attention function than its teacher? */
  attention: boolean;
  affine: boolean;
  /** epochs by hidden states, of attention and again of norms */
  hiddenEpochs: number;
  /** epochs by logits and labels */
  epochs: number;
  oneLayerAtATime: boolean;
  /** how much each counts in the last stage; `hidden` is of hidden states and of attention outputs */
  logits: number;
  task: number;
  hidden: number;
}

const LAYERS: LossWeights = { hidden: 1, attention: 1, logits: 0, task: 0 };

/** Fine-tuning alone. */
export function fineTuning(epochs: number): Stage[] {
  const losses = { hidden: 0, attention: 0, logits: 0, task: 1 };
  return [{ name: 'task', attentionFrom: 0, affineFrom: 0, losses, epochs }];
}

/** What a model has of its student's before the first stage: all but what is replaced. */
export function replacedBefore({ layers, attention, affine }: Pick<StagePlan, 'layers' | 'attention' | 'affine'>) {
  return { attentionFrom: attention ? layers : 0, affineFrom: affine ? 2 * layers + 1 : 0 };
}

/**
 * Attention is replaced first, then norms, both by what layers give; then the whole learns its teacher's logits. One
 * layer at a time it goes from the top, where an error has the fewest layers to go through.
 */
export function stagesOf(plan: StagePlan): Stage[] {
  const { layers, attention, affine, hiddenEpochs, epochs, oneLayerAtATime } = plan;
  const before = replacedBefore(plan);
  const stages: Stage[] = [];
  const add = (name: string, from: Partial<Stage>, part: number) => {
    const last = stages.at(-1) ?? before;
    const { attentionFrom, affineFrom } = { attentionFrom: last.attentionFrom, affineFrom: last.affineFrom, ...from };
    stages.push({ name, attentionFrom, affineFrom, losses: LAYERS, epochs: hiddenEpochs * part });
  };
  const tops = oneLayerAtATime ? Array.from({ length: layers }, (_, i) => layers - 1 - i) : [0];
  const part = 1 / tops.length;
  const named = (what: string, top: number) => (oneLayerAtATime ? `${what} from layer ${top + 1}` : what);
  if (attention) for (const top of tops) add(named('attention', top), { attentionFrom: top }, part);
  // The embeddings' norm goes with the lowest layer
  if (affine) for (const top of tops) add(named('norms', top), { affineFrom: top === 0 ? 0 : 2 * top + 1 }, part);
  const { hidden, logits, task } = plan;
  const losses = { hidden, attention: hidden, logits, task };
  stages.push({ name: 'logits', attentionFrom: 0, affineFrom: 0, losses, epochs });
  return stages.filter((stage) => stage.epochs > 0 || stage.name === 'logits');
}

/** A stage and where it lies among the steps. */
export interface Placed extends Stage {
  from: number;
  to: number;
}

/** @param perEpoch steps of an epoch */
export function placed(stages: readonly Stage[], perEpoch: number): Placed[] {
  let at = 0;
  return stages.map((stage) => {
    const from = at;
    at += Math.max(1, Math.round(stage.epochs * perEpoch));
    return { ...stage, from, to: at };
  });
}
