// Asks a published model about lines that are typed, piped or in a file; knows who it is from the user's own folder.
import { copyFileSync, createReadStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { answerOf, TextModel } from '@secformer/bert-loader';
import { publicKeyText, secretKeyText } from '@secformer/party-node';
import { readKeyFile, writeKeyFile } from '@secformer/party-node/node';
import { loadPublished } from '@secformer/tfjs-mpc-backend';
import * as tf from '@tensorflow/tfjs';

const { XDG_CONFIG_HOME, APPDATA } = process.env;
const mac = process.platform === 'darwin' ? join(homedir(), 'Library', 'Application Support') : undefined;
const folder = join(XDG_CONFIG_HOME || APPDATA || mac || join(homedir(), '.config'), 'private-ask');
const [keyFile, networkFile, grantFile] = ['key', 'network.json', 'grant'].map((name) => join(folder, name));

/** Once: a key that stays here, and its public half for the publisher, who makes the grant for it. */
function makeKey() {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pair = existsSync(keyFile) ? readKeyFile(keyFile) : writeKeyFile(keyFile);
  console.log(publicKeyText(pair.public));
}

/** Once: what the publisher has sent. */
function keep(network, grant) {
  copyFileSync(network, networkFile);
  copyFileSync(grant, grantFile);
  console.log(`kept in ${folder}`);
}

async function ask(file) {
  if (!existsSync(grantFile)) throw new Error(`there is no grant in ${folder} yet; see key and keep in the README`);
  const grant = readFileSync(grantFile, 'utf8').trim();
  // A grant names its model
  const { model: name } = JSON.parse(Buffer.from(grant.split('.')[1], 'base64url').toString());
  await tf.setBackend('secformer');
  const model = await loadPublished(name, {
    network: JSON.parse(readFileSync(networkFile, 'utf8')),
    key: secretKeyText(readKeyFile(keyFile).secret),
    grant,
  });
  try {
    const texts = await TextModel.of(model);
    const input = file ? createReadStream(file) : process.stdin;
    if (input.isTTY) console.error('A line, and Enter; Ctrl-D ends.');
    for await (const line of createInterface({ input })) {
      if (line.trim() === '') continue;
      const [{ name: output, shape, values }] = await texts.ask([line]);
      const answer = answerOf(output, shape, values, texts.reading);
      console.log('label' in answer ? `${answer.label} ${answer.probability.toFixed(4)}` : answer.values.join(), line);
    }
  } finally {
    model.dispose();
  }
}

const [command, ...rest] = process.argv.slice(2);
try {
  if (command === 'key') makeKey();
  else if (command === 'keep' && rest.length === 2) keep(...rest);
  else await ask(command);
} catch (error) {
  console.error(error.code ? `${error.message} (${error.code})` : error.message);
  process.exitCode = 1;
}
