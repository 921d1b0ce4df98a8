import { answerOf, TextModel } from '@secformer/bert-loader';
import { loadPublished } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';

const form = document.querySelector('form');
const button = document.querySelector('button');
const output = document.querySelector('output');

/** Shows what `work` returns, or why it failed; nothing else is asked meanwhile. */
async function show(work) {
  button.disabled = true;
  try {
    output.textContent = await work();
    button.disabled = false;
  } catch (error) {
    output.textContent = `${error.message} (${error.code})`;
    // Some refusals say when to come again
    if (error.retryAfterMs) setTimeout(() => (button.disabled = false), error.retryAfterMs);
  }
}

let texts;
await show(async () => {
  // The nodes' addresses and keys, a client's key and its grant: whoever can load the page can read them
  const { model, ...access } = await (await fetch('config.json')).json();
  await tf.setBackend('secformer');
  texts = await TextModel.of(await loadPublished(model, access));
  return 'Ready';
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = new FormData(form).get('text');
  output.textContent = 'Asking …';
  show(async () => {
    const [{ name, shape, values }] = await texts.ask([text]);
    const { label, probability } = answerOf(name, shape, values, texts.reading);
    return `${label} (${(100 * probability).toFixed(1)} %)`;
  });
});
