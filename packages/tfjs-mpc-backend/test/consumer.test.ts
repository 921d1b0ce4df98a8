import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const ours = /\/packages\/[\w-]+\/dist\/src\//;

/** What a user writes: every entry, and what is not quite right about it. */
const program = `
import * as tf from '@tensorflow/tfjs-core';
import { asPublic, type Calibration, configure, lastRun, NodeError } from '@secformer/tfjs-mpc-backend';
import { prepare, SecformerError, share } from '@secformer/tfjs-mpc-backend';
import { whatNodesSee } from '@secformer/tfjs-mpc-backend/audit';
import * as insecure from '@secformer/tfjs-mpc-backend/insecure';
import { type BertModel, loadBert } from '@secformer/bert-loader';
import { Session, tokenFrom } from '@secformer/party-node';
import * as ops from '@secformer/secformer-ops';
import * as ring from '@secformer/ring';

export async function main(): Promise<number> {
  configure({ parties: ['wss://a', 'wss://b'], dealer: 'wss://c', token: new Uint8Array(3) });
  const model: BertModel = await loadBert('folder');
  const y: tf.Tensor = model.logits(model.tokenize('text'));
  const run = await prepare(asPublic(y));
  await share(y);
  const calibration: Calibration | undefined = undefined;
  const error = new NodeError('dealer', 'BUSY', 'text', { cause: calibration, retryAfterMs: 1 });
  const base: SecformerError = error;
  // @ts-expect-error a suite is a name
  configure({ suite: 5 });
  return lastRun()!.rounds + base.code.length + run.record.setupMs;
}
export const all = [whatNodesSee, insecure, Session, tokenFrom, ops, ring];
`;
const onNode = `
import { serve, startTrio } from '@secformer/party-node/node';
type Address = { host: string; port: number };
const log = () => {};
export const made: Address | Promise<Address & { stop(): Promise<void> }> =
  serve({ role: 'dealer', host: '127.0.0.1', port: 0, dials: {}, clientTokenFile: 'x', log });
export const stop: () => Promise<void> = startTrio().stop;
`;

/** What the compiler says of the user's files and of our declarations; those of others are their own affair. */
function complaints(folder: string, file: string, text: string, options: ts.CompilerOptions): string[] {
  const path = join(folder, file);
  writeFileSync(path, text);
  const built = ts.createProgram([path], {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    target: ts.ScriptTarget.ES2020,
    ...options,
  });
  const mine = built.getSourceFiles().filter((f) => f.fileName === path || ours.test(f.fileName));
  const all = [
    ...built.getOptionsDiagnostics(),
    ...mine.flatMap((f) => [...built.getSyntacticDiagnostics(f), ...built.getSemanticDiagnostics(f)]),
  ];
  // Otherwise nothing of ours was looked at
  if (mine.length < 5) return [`only ${mine.length} files were found`, ...all.map(said)];
  return all.map(said);
}

const said = (d: ts.Diagnostic) => `${d.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`;

const LIB = ['lib.es2020.d.ts', 'lib.dom.d.ts'];

const resolvers: Record<string, ts.CompilerOptions> = {
  node10: { module: ts.ModuleKind.ES2020, moduleResolution: ts.ModuleResolutionKind.Node10 },
  node16: { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16 },
  bundler: { module: ts.ModuleKind.ES2020, moduleResolution: ts.ModuleResolutionKind.Bundler },
};

for (const [name, options] of Object.entries(resolvers)) {
  test.serial(`a user's project of ES2020 compiles against the declarations, resolved as ${name}`, (t) => {
    const folder = mkdtempSync(join(here, 'consumer-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    t.deepEqual(complaints(folder, 'main.ts', program, { ...options, lib: LIB, types: [] }), []);
    // Its types need those of Node, and a pass of their own
    if (name === 'node10')
      t.deepEqual(complaints(folder, 'node.ts', onNode, { ...options, lib: LIB, types: ['node'] }), []);
  });
}

test.serial('resolvers that know no exports find every package by its main', (t) => {
  const require = createRequire(import.meta.url);
  for (const name of ['ring', 'secformer-ops', 'party-node', 'tfjs-mpc-backend', 'bert-loader']) {
    const file = require.resolve(`@secformer/${name}/package.json`);
    const manifest = require(file) as {
      main: string;
      types: string;
      exports: { '.': { types: string; default: string } };
    };
    t.is(manifest.main, manifest.exports['.'].default);
    t.is(manifest.types, manifest.exports['.'].types);
    t.is(require.resolve(`@secformer/${name}`), join(dirname(file), manifest.main));
  }
});
