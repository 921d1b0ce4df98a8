// Compiles native/ where there is a C++ compiler; where there is none, or it fails, the kernels stay WebAssembly. Never fails itself.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const native = join(import.meta.dirname, 'native');
const out = join(import.meta.dirname, 'dist/native');
const objects = join(out, 'objects');
const wide = process.arch === 'x64';
const sources = [
  ['binding', []],
  ['plain', []],
  ...(wide
    ? [
        ['avx2', ['-mavx2', '-mbmi2']],
        ['avx512', ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mbmi2', '-mprefer-vector-width=512']],
      ]
    : []),
];

function compilerOf() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++']) {
    if (name && spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  return undefined;
}

function build(compiler) {
  const require = createRequire(import.meta.url);
  const headers = join(dirname(require.resolve('node-api-headers')), 'include');
  mkdirSync(objects, { recursive: true });
  const run = (args) => execFileSync(compiler, args, { cwd: native, stdio: ['ignore', 'ignore', 'pipe'] });
  // Fused multiply-adds would round differently from WebAssembly
  const common = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-fno-math-errno', `-I${headers}`, '-c'];
  for (const [name, flags] of sources) run([...common, ...flags, `${name}.cc`, '-o', join(objects, `${name}.o`)]);
  const made = join(out, 'kernels.node.new');
  const link = process.platform === 'darwin' ? ['-dynamiclib', '-undefined', 'dynamic_lookup'] : ['-shared'];
  run([...link, ...sources.map(([name]) => join(objects, `${name}.o`)), '-o', made]);
  // It loads here, or it is not kept
  const check = spawnSync(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${JSON.stringify(made)})`], { stdio: 'ignore' });
  if (check.status !== 0) throw new Error('the compiled kernels do not load');
  renameSync(made, join(out, 'kernels.node'));
}

if (process.platform !== 'win32' && !process.env.SECFORMER_NO_NATIVE) {
  const compiler = compilerOf();
  try {
    if (compiler) build(compiler);
    console.log(compiler ? 'native kernels: compiled' : 'native kernels: no C++ compiler here; WebAssembly is used');
  } catch (error) {
    console.log(`native kernels: not compiled (${String(error.stderr ?? error.message).split('\n')[0]}); WebAssembly is used`);
  } finally {
    if (existsSync(objects)) rmSync(objects, { recursive: true });
  }
}
