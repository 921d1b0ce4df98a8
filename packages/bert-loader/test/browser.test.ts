/** The package in a browser: a bundle without Node's modules, which runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { build } from 'esbuild';
import type * as Loader from '../src/index.js';
import { expectedOf, inputsOf, reader, worst } from './fixture.js';

test('esbuild bundles it for a browser, and the bundle loads models from bytes and from a URL', async (t) => {
  await tf.setBackend('cpu');
  const result = await build({
    stdin: { contents: "export * from '../src/index.js';", resolveDir: dirname(fileURLToPath(import.meta.url)) },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    // One TensorFlow.js, this process's
    external: ['@tensorflow/tfjs-core'],
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  t.is(result.errors.length, 0);
  const imported = Object.values(result.metafile.inputs).flatMap((input) => input.imports.map((i) => i.path));
  t.deepEqual(
    imported.filter((path) => path.startsWith('node:')),
    [],
  );
  t.false(Object.keys(result.metafile.inputs).some((path) => path.endsWith('files/node.js')));

  // Beside this file, so that the bundle's import of TensorFlow.js is resolved from here
  const folder = mkdtempSync(join(dirname(fileURLToPath(import.meta.url)), 'bundle-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'bundle.js');
  writeFileSync(file, result.outputFiles[0]!.text);
  const { bertFromFiles, loadBert, ModelFileError } = (await import(pathToFileURL(file).href)) as typeof Loader;
  const name = 'bert-sequence';
  const expected = expectedOf(name);
  const difference = (model: Loader.BertModel) => worst(model.logits(inputsOf(expected)), expected.outputs.logits!);
  t.true(difference(await bertFromFiles(reader(name), 'm')) < 1e-4);

  const asked: string[] = [];
  const read = reader(name);
  const server = createServer(async (request, response) => {
    const path = request.url!;
    asked.push(path);
    if (path.startsWith('/broken/')) return response.writeHead(500).end();
    const bytes = await read(path.replace('/model/', ''));
    if (bytes) response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes);
    // As servers of single-page applications answer, and as others do
    else if (path.endsWith('modules.json'))
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const url of [`${base}/model`, `${base}/model/`]) t.true(difference(await loadBert(url)) < 1e-4);
  t.true(asked.includes('/model/model.safetensors'));
  await t.throwsAsync(loadBert(`${base}/broken`), {
    instanceOf: ModelFileError,
    message: /\/broken\/modules\.json: cannot be fetched \(status 500\)/,
  });
  await t.throwsAsync(loadBert('http://127.0.0.1:1'), { instanceOf: ModelFileError, message: /cannot be fetched/ });
});
