/** The page: a form, an answer, and what the servers received. */
import type { Failed, ModelFacts } from '../messages.js';
import { AnswerView } from './answer-view.js';
import { ConnectionView } from './connection-view.js';
import { byId } from './elements.js';
import { Engine, RequestFailed } from './engine.js';
import { ProgressView } from './progress-view.js';
import { ServersView } from './servers-view.js';
import { connectionOf, missing, type Settings } from './settings.js';

/** Failures after which a model is loaded anew: it may have been replaced, or its connection's data changed. */
const RELOAD = ['MODEL_UNKNOWN', 'MODEL_DISPOSED', 'STOPPED', 'PAGE_FAILED', 'GRANT_REFUSED', 'NOT_AUTHENTICATED'];
/** Failures that are mended under Connection. */
const MENDED_THERE = ['BAD_CONFIGURATION', 'GRANT_REFUSED', 'NOT_AUTHENTICATED', 'NOTHING_TO_CONNECT'];

const form = byId('form', HTMLFormElement);
const first = byId('first', HTMLTextAreaElement);
const second = byId('second', HTMLTextAreaElement);
const submit = byId('submit', HTMLButtonElement);
const again = byId('again', HTMLButtonElement);
const stop = byId('stop', HTMLButtonElement);

const progress = new ProgressView();
const answers = new AnswerView();
const servers = new ServersView();
const engine = new Engine((event) => {
  if (event.kind === 'progress') progress.at(event.progress);
  else if (event.kind === 'sent') servers.sent(event.sent);
  else servers.plain(event.plain);
});
engine.warm();

let settings: Settings = {};
let model: Promise<ModelFacts> | undefined;
let asked: readonly string[] | undefined;
let busy = false;

/** The model, which is loaded once. @throws RequestFailed */
function loaded(): Promise<ModelFacts> {
  if (model) return model;
  const connection = connectionOf(settings);
  if (!connection) {
    const lacks = missing(settings).join(' and ');
    return Promise.reject(new RequestFailed({ code: 'NOTHING_TO_CONNECT', message: `still missing: ${lacks}` }));
  }
  servers.connected(connection.network);
  const loading = engine.load(connection);
  model = loading;
  loading.then(describe, () => {
    if (model === loading) model = undefined;
  });
  return loading;
}

function describe({ name, version, gives, lengths }: ModelFacts): void {
  const two = gives === 'vector';
  byId('second-field', HTMLDivElement).hidden = !two;
  byId('first-label', HTMLLabelElement).textContent = two ? 'Your first text' : 'Your sentence';
  submit.textContent = two ? 'Compare' : 'Ask';
  byId('takes', HTMLParagraphElement).textContent =
    `${name}, version ${version}: up to ${lengths.at(-1)} tokens. Return asks.`;
}

function failed(error: unknown): void {
  const why: Failed =
    error instanceof RequestFailed ? error.failed : { code: 'UNEXPECTED', message: (error as Error).message };
  // An alert says it by itself
  progress.rest('');
  answers.fail(why);
  if (RELOAD.includes(why.code)) model = undefined;
  if (MENDED_THERE.includes(why.code)) connection.open();
}

/** What is to be asked; undefined where something is not filled in, which is then where one types. */
function given(two: boolean): readonly string[] | undefined {
  const fields = two ? [first, second] : [first];
  const empty = fields.find((f) => f.value.trim() === '');
  for (const field of fields) field.setAttribute('aria-invalid', String(field === empty));
  if (!empty) return fields.map((f) => f.value.trim());
  progress.rest(two ? 'Type both texts first' : 'Type a sentence first');
  empty.focus();
  return undefined;
}

async function ask(same = false): Promise<void> {
  if (busy) return;
  busy = true;
  submit.disabled = again.disabled = true;
  stop.hidden = false;
  answers.clear();
  try {
    const { gives } = await loaded();
    const texts = same ? asked : given(gives === 'vector');
    if (!texts) return;
    asked = texts;
    const question = servers.begin(texts);
    progress.at({ phase: 'sharing' });
    const answered = await engine.ask(texts, question);
    progress.rest(answers.show(answered, servers.bytes), true);
    again.hidden = false;
  } catch (error) {
    failed(error);
  } finally {
    busy = false;
    submit.disabled = again.disabled = false;
    stop.hidden = true;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void ask();
});
again.addEventListener('click', () => void ask(true));
stop.addEventListener('click', () => {
  engine.stop();
  model = undefined;
  engine.warm();
  first.focus();
});
for (const field of [first, second])
  field.addEventListener('keydown', (event) => {
    // Return asks, as in a search field; with Shift it is a line
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });

const connection = new ConnectionView((changed) => {
  settings = changed;
  model = undefined;
  if (!busy) answers.mended();
  const about = byId('about', HTMLParagraphElement);
  about.textContent = changed.about ?? '';
  about.hidden = changed.about === undefined;
  if (!connectionOf(changed)) {
    progress.rest('');
    return;
  }
  loaded().then(
    () => {
      if (!busy) progress.rest('Ready');
    },
    (error) => {
      if (!busy) failed(error);
    },
  );
});
void connection.start();
