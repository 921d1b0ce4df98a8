// Compiles native/ into prebuilds/PLATFORM-ARCH, which is packed with the package, where there is a C++ compiler; where
// there is none, or it fails, the kernels stay WebAssembly. With --install, as an installed package runs it, what was
// packed is kept if it loads here. It never fails itself.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const native = join(import.meta.dirname, 'native');
const out = join(import.meta.dirname, `prebuilds/${process.platform}-${process.arch}`);
const objects = join(out, 'objects');
const made = join(out, 'kernels.node');
const sum = join(out, 'kernels.sha256');
const wide = process.arch === 'x64';
const sources = [
  ['binding', []],
  ['channel', []],
  ['threads', []],
  ['plain', []],
  ...(wide
    ? [
        ['avx2', ['-mavx2', '-mfma', '-mbmi2']],
        ['avx512', ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mbmi2', '-mprefer-vector-width=512']],
      ]
    : []),
];

// Older compilers do not know all of these instructions; what they are for is there without them
const optional = wide
  ? [['vaes', ['-mavx512f', '-mavx512bw', '-mavx512vl', '-maes', '-mpclmul', '-mvaes', '-mvpclmulqdq']]]
  : [];

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
  const common = [
    '-std=c++17',
    '-O3',
    '-fPIC',
    '-pthread',
    '-fvisibility=hidden',
    '-ffp-contract=off',
    '-fno-math-errno',
    '-fno-exceptions',
    '-fno-rtti',
    '-fno-threadsafe-statics',
    `-I${headers}`,
    '-c',
  ];
  const compile = ([name, flags]) => run([...common, ...flags, `${name}.cc`, '-o', join(objects, `${name}.o`)]);
  const all = [...sources];
  for (const source of optional) {
    try {
      compile(source);
      common.push(`-DHAVE_${source[0].toUpperCase()}`);
      all.push(source);
    } catch {
      console.log(`native kernels: without ${source[0]}, which this compiler does not know`);
    }
  }
  for (const source of sources) compile(source);
  // The addon needs nothing of this compiler where it is used
  const link =
    process.platform === 'darwin'
      ? ['-dynamiclib', '-undefined', 'dynamic_lookup']
      : ['-shared', '-pthread', '-static-libgcc', '-static-libstdc++'];
  run([...link, ...all.map(([name]) => join(objects, `${name}.o`)), '-o', `${made}.new`]);
  if (!loads(`${made}.new`)) throw new Error('the compiled kernels do not load');
  // Read before it is opened: a file that was cut off ends the process that opens it
  writeFileSync(
    sum,
    `${createHash('sha256')
      .update(readFileSync(`${made}.new`))
      .digest('hex')}\n`,
  );
  renameSync(`${made}.new`, made);
}

function loads(file) {
  return (
    spawnSync(process.execPath, ['-e', `process.dlopen({ exports: {} }, ${JSON.stringify(file)})`], { stdio: 'ignore' })
      .status === 0
  );
}

const installing = process.argv.includes('--install');
// A checkout builds by itself, after its dependencies are there
const settled = installing && (existsSync(join(import.meta.dirname, 'src')) || (existsSync(made) && loads(made)));

if (!settled && process.platform !== 'win32' && !process.env.SECFORMER_NO_NATIVE) {
  const compiler = compilerOf();
  try {
    if (compiler) build(compiler);
    console.log(compiler ? 'native kernels: compiled' : 'native kernels: no C++ compiler here; WebAssembly is used');
  } catch (error) {
    console.log(
      `native kernels: not compiled (${String(error.stderr ?? error.message).split('\n')[0]}); WebAssembly is used`,
    );
  } finally {
    if (existsSync(objects)) rmSync(objects, { recursive: true });
  }
}
