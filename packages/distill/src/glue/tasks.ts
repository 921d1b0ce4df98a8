/** The tasks of GLUE (Wang et al. 2019) that are read: their columns, their labels and what is measured of them. */
import type { MetricName } from './metrics.js';

/** A task: how its files are read, and what a model that does it predicts. */
export interface Task {
  name: string;
  about: string;
  /** names of the classes, in the order of their numbers; undefined: a number is predicted */
  labels: readonly string[] | undefined;
  /** has a file a line of column names first? */
  header: boolean;
  /** columns of a line at least */
  columns: number;
  /** where the texts and the label are, from 0; below 0 from the end */
  texts: readonly [number] | readonly [number, number];
  label: number;
  /** what a file has for each class, in the order of `labels`; undefined: their numbers */
  written?: readonly string[];
  /** range of the number that is predicted */
  range?: readonly [number, number];
  /** the first is the one that a training is judged by */
  metrics: readonly [MetricName, ...MetricName[]];
}

const ENTAILMENT = ['entailment', 'not_entailment'] as const;

/** Every task, by its name in a command. */
export const tasks: Readonly<Record<string, Task>> = {
  cola: {
    name: 'cola',
    about: 'is a sentence grammatical (Warstadt et al. 2019)',
    labels: ['unacceptable', 'acceptable'],
    header: false,
    columns: 4,
    texts: [3],
    label: 1,
    metrics: ['matthews', 'accuracy'],
  },
  sst2: {
    name: 'sst2',
    about: 'sentiment of film reviews (Socher et al. 2013)',
    labels: ['negative', 'positive'],
    header: true,
    columns: 2,
    texts: [0],
    label: 1,
    metrics: ['accuracy', 'f1'],
  },
  mrpc: {
    name: 'mrpc',
    about: 'does one sentence say what the other says (Dolan and Brockett 2005)',
    labels: ['not_equivalent', 'equivalent'],
    header: true,
    columns: 5,
    texts: [3, 4],
    label: 0,
    metrics: ['f1', 'accuracy'],
  },
  stsb: {
    name: 'stsb',
    about: 'how alike two sentences are, 0 to 5 (Cer et al. 2017)',
    labels: undefined,
    header: true,
    columns: 3,
    texts: [-3, -2],
    label: -1,
    range: [0, 5],
    metrics: ['correlation', 'pearson', 'spearman'],
  },
  rte: {
    name: 'rte',
    about: 'does the second text follow from the first',
    labels: ENTAILMENT,
    header: true,
    columns: 4,
    texts: [1, 2],
    label: 3,
    written: ENTAILMENT,
    metrics: ['accuracy', 'f1'],
  },
  qnli: {
    name: 'qnli',
    about: 'does a sentence answer a question',
    labels: ENTAILMENT,
    header: true,
    columns: 4,
    texts: [1, 2],
    label: 3,
    written: ENTAILMENT,
    metrics: ['accuracy', 'f1'],
  },
};
