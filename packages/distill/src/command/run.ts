/** What a command's flags come to: a task's data, the models, and the training. */
import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { DistillError } from '../errors.js';
import { type Example, readExamples, taskFile } from '../glue/read.js';
import { type Task, tasks } from '../glue/tasks.js';
import { type TrainingBackend, useBackend } from '../model/backend.js';
import { Draft } from '../model/draft.js';
import { attentionOf, type StudentSettings, studentOf } from '../model/student.js';
import { makeFolder } from '../train/folder.js';
import type { RunRecord } from '../train/record.js';
import { settingsOf, type TrainingSettings } from '../train/settings.js';
import { fineTuning, replacedBefore, type Stage, stagesOf } from '../train/stages.js';
import { Training, type TrainingOptions } from '../train/trainer.js';

/** What a fine-tuning or a distillation is asked for with. */
export interface DistillRequest {
  /** a task's name: see `tasks` */
  task: string;
  /** the folder with the tasks' folders, or the task's own; its train.tsv and dev.tsv */
  data?: string | undefined;
  /** files in the place of those */
  trainFile?: string | undefined;
  devFile?: string | undefined;
  /** tasks whose training texts a student learns from too, by what its teacher makes of them; not by their labels */
  textsOf?: readonly string[] | undefined;
  /** the checkpoint to fine-tune; with a `teacher`, where the student begins in the place of its teacher's weights */
  model?: string | undefined;
  /** the checkpoint to learn from */
  teacher?: string | undefined;
  /** what the student does otherwise; with a teacher alone */
  student?: StudentSettings;
  /** folder of the model that is made */
  out: string;
  /** epochs by labels or logits; 3 */
  epochs?: number;
  /** epochs by hidden states, for attention and again for norms; 3 */
  hiddenEpochs?: number;
  oneLayerAtATime?: boolean;
  /** how much the teacher's logits, the labels and what layers give count in the last stage; 1, 0 and 0 */
  logits?: number;
  labels?: number;
  hidden?: number;
  /** examples of each file at most: for a trial */
  limit?: number | undefined;
  backend?: TrainingBackend | undefined;
  settings?: Partial<TrainingSettings>;
}

const refuse = (message: string): never => {
  throw new DistillError('BAD_TRAINING', message);
};

function taskOf(name: string): Task {
  const known = Object.keys(tasks);
  return Object.hasOwn(tasks, name) ? tasks[name]! : refuse(`task is '${name}'; ${known.join(', ')} are known`);
}

function fileOf({ data, task }: DistillRequest, own: string | undefined, name: string): string {
  if (own !== undefined) return own;
  if (data === undefined) return refuse(`where is ${name}? Name the folder of the data, or the file itself`);
  return taskFile(data, task, name);
}

/** Texts of other tasks, whose labels say nothing here. */
async function textsOf(request: DistillRequest): Promise<Example[]> {
  const { textsOf: names = [], labels = 0, teacher, task, data } = request;
  if (names.length === 0) return [];
  if (teacher === undefined) refuse('texts of other tasks have no labels of this one; name a teacher');
  if (labels > 0) refuse(`labels count ${labels}, which texts of other tasks do not have; expected 0`);
  if (new Set([task, ...names]).size <= names.length) refuse(`texts of ${names}: each other task once`);
  if (data === undefined) return refuse("texts of other tasks are in the data's folder; none is named");
  const found: Example[] = [];
  for (const name of names) {
    const other = taskOf(name);
    const file = join(data, name, 'train.tsv');
    for (const { text } of await readExamples(other, file)) found.push({ text, label: 0 });
  }
  return found;
}

function numbersOf({ epochs = 3, hiddenEpochs = 3, logits = 1, labels = 0, hidden = 0, limit }: DistillRequest) {
  for (const [name, value] of Object.entries({ epochs, hiddenEpochs, logits, labels, hidden }))
    if (!(Number.isFinite(value) && value >= 0 && value <= 1e6)) refuse(`${name} is ${value}; expected 0 to 1000000`);
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0)) refuse(`limit is ${limit}; expected 1 or more`);
  if (epochs === 0) refuse('epochs is 0; the last stage has to have some');
  return { epochs, hiddenEpochs, logits, labels, hidden };
}

/** The models and stages of a request. */
async function plan(request: DistillRequest, task: Task, seed: number) {
  const numbers = numbersOf(request);
  const { teacher: from, model, student = {} } = request;
  if (from === undefined) {
    if (model === undefined) refuse('a model to fine-tune, or a teacher to learn from, is missing');
    if (Object.values(student).some((value) => value !== undefined)) refuse('a student has a teacher; none is named');
    const draft = (await Draft.read(model!)).forTask(task, seed);
    return { draft, teacher: undefined, stages: fineTuning(numbers.epochs), begins: undefined };
  }
  const teacher = await Draft.read(from);
  const outputs = task.labels?.length ?? 1;
  if (teacher.classes !== outputs)
    refuse(
      `${from}: a teacher of ${task.name} has a head with ${outputs} outputs, this one has ` +
        `${teacher.classes ?? 'none'}; fine-tune it first`,
    );
  const other = Object.values(tasks).find(({ labels }) => String(labels) === String(teacher.labels));
  if (other?.labels && String(other.labels) !== String(task.labels))
    refuse(
      `${from}: its classes are those of ${other.name}, ${teacher.labels.join(', ')}; fine-tune it on ${task.name}`,
    );
  if (numbers.logits + numbers.labels === 0) refuse('neither logits nor labels count in the last stage');
  const begins = model === undefined ? teacher : (await Draft.read(model)).forTask(task, seed);
  const draft = studentOf(begins.forTask(task, seed), student);
  const [own, theirs] = [draft.config, teacher.config];
  const shape = ['num_hidden_layers', 'hidden_size', 'num_attention_heads'].filter((key) => own[key] !== theirs[key]);
  if (shape.length > 0)
    refuse(`the model and its teacher are not of one shape (${shape}), so that their layers cannot be compared`);
  const attention = attentionOf(own) !== attentionOf(begins.config);
  const affine = own.layer_norm === 'affine' && begins.config.layer_norm !== 'affine';
  if (begins === teacher && !attention && !affine && numbers.labels === 0)
    refuse(`${from}: the student would be its teacher, and learn nothing; name its attention or its norms`);
  const replaces = { layers: draft.layers, attention, affine };
  const stages: Stage[] = stagesOf({
    ...replaces,
    hiddenEpochs: numbers.hiddenEpochs,
    epochs: numbers.epochs,
    oneLayerAtATime: request.oneLayerAtATime ?? false,
    logits: numbers.logits,
    task: numbers.labels,
    hidden: numbers.hidden,
  });
  return { draft, teacher: teacher.forTask(task, seed), stages, begins: replacedBefore(replaces) };
}

/**
 * Fine-tunes a checkpoint on a task, or distils a student of a teacher, and leaves a checkpoint that `loadBert` and
 * `publish` take.
 * @returns the record that training.json has
 * @throws DistillError and ModelFileError, by their codes
 *
 * @example
 * ```js
 * const rte = { task: 'rte', data: 'glue' };
 * await distill({ ...rte, model: 'bert-base', out: 'rte-teacher' });
 * await distill({ ...rte, teacher: 'rte-teacher', student: { attention: '2quad' }, out: 'rte-2quad' });
 * ```
 */
export async function distill(request: DistillRequest, options: TrainingOptions = {}): Promise<RunRecord> {
  const task = taskOf(request.task);
  const settings = settingsOf(request.settings ?? {});
  const { out } = request;
  for (const from of [request.model, request.teacher])
    if (from !== undefined && existsSync(from) && existsSync(out) && realpathSync(from) === realpathSync(out))
      refuse(`${out} is read from; the model that is made needs a folder of its own`);
  const some = (examples: Example[]) => (request.limit === undefined ? examples : examples.slice(0, request.limit));
  const own = some(await readExamples(task, fileOf(request, request.trainFile, 'train.tsv')));
  const train = [...own, ...some(await textsOf(request))];
  const dev = some(await readExamples(task, fileOf(request, request.devFile, 'dev.tsv')));
  const { draft, teacher, stages, begins } = await plan(request, task, settings.seed);
  // Before a first epoch has gone into what cannot be written
  await makeFolder(out);
  const backend = await useBackend(request.backend);
  const about = { teacher: request.teacher, begins: request.model, textsOf: request.textsOf };
  const ownConstants = request.student?.constant !== undefined;
  const start = {
    task,
    draft,
    teacher,
    stages,
    ...(begins && { begins }),
    ownConstants,
    settings,
    train,
    dev,
    out,
    backend,
    about,
  };
  const training = await Training.of(start);
  try {
    return await training.run(options);
  } finally {
    training.dispose();
  }
}
