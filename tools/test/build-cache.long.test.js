// What has to make a build anew, on a workspace of two packages under this repository's nx.json.

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';

const root = join(import.meta.dirname, '../..');

/** A clone: `lower`, and `upper` that uses it; what a build makes says how often it ran. */
function clone(t) {
  const folder = mkdtempSync(join(tmpdir(), 'clone-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const write = (file, content) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
  };
  const build =
    "const fs = require('fs'); fs.mkdirSync('dist', { recursive: true }); fs.appendFileSync('../../builds.log', " +
    "require('path').basename(process.cwd()) + '\\n'); fs.writeFileSync('dist/made', '');";
  write('package.json', { name: 'clone', private: true, type: 'module', workspaces: ['packages/*'] });
  write('package-lock.json', { name: 'clone', lockfileVersion: 3, packages: {} });
  write('tsconfig.base.json', {});
  write('.gitignore', 'node_modules/\ndist/\n.nx/\nbuilds.log\n');
  for (const [name, dependencies] of Object.entries({ lower: {}, upper: { lower: '0.0.0' } })) {
    write(`packages/${name}/package.json`, {
      name,
      version: '0.0.0',
      dependencies,
      // Without npm in between, which takes longer than all else
      nx: { targets: { build: { command: 'node build.js', options: { cwd: `packages/${name}` } } } },
    });
    write(`packages/${name}/build.js`, build);
    write(`packages/${name}/src/index.ts`, '');
    write(`packages/${name}/native/kernel.cc`, '');
  }
  for (const version of ['1.0', '2.0']) {
    write(`compilers/${version}/cxx`, `#!/bin/sh\necho "cxx ${version}"\n`);
    chmodSync(join(folder, 'compilers', version, 'cxx'), 0o755);
  }
  mkdirSync(join(folder, 'tools'));
  for (const file of ['nx.json', 'tools/build-machine.js']) copyFileSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  const log = join(folder, 'builds.log');
  return {
    folder,
    write,
    /** Builds. @returns the packages that were really built */
    build(env = {}) {
      rmSync(log, { force: true });
      const plain = Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^(NX_|CXX$|SECFORMER_)/.test(name)),
      );
      const run = spawnSync(
        process.execPath,
        [join(root, 'node_modules/nx/dist/bin/nx.js'), 'run-many', '-t', 'build'],
        {
          cwd: folder,
          encoding: 'utf8',
          env: {
            ...plain,
            NX_DAEMON: 'false',
            NX_TUI: 'false',
            NX_WORKSPACE_ROOT_PATH: folder,
            CXX: join(folder, 'compilers/1.0/cxx'),
            ...env,
          },
        },
      );
      t.is(run.status, 0, run.stdout + run.stderr);
      return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').sort().join() : '';
    },
  };
}

test.serial('a build is made anew when anything changes that it depends on, and only then', (t) => {
  t.timeout(300_000);
  const { folder, build, write } = clone(t);
  t.is(build(), 'lower,upper');
  t.is(build(), '', 'nothing has changed');
  const changes = {
    'a source of the upper package': ['packages/upper/src/index.ts', 'upper'],
    'a native source': ['packages/lower/native/kernel.cc', 'lower,upper'],
    'the locked dependencies': ['package-lock.json', 'lower,upper'],
    'the compiler options': ['tsconfig.base.json', 'lower,upper'],
  };
  for (const [name, [file, built]] of Object.entries(changes)) {
    write(file, `${readFileSync(join(folder, file), 'utf8')}\n`);
    t.is(build(), built, name);
  }
  t.is(build({ CXX: join(folder, 'compilers/2.0/cxx') }), 'lower,upper', 'the compiler');
  t.is(build({ SECFORMER_NO_NATIVE: '1' }), 'lower,upper', 'whether there are native kernels');
  // Another Node, processor or system, as far as a test can have one: what tells of them tells something else
  write('tools/build-machine.js', "console.log('another machine');");
  t.is(build(), 'lower,upper', 'the machine');
  t.is(build({ NX_SKIP_NX_CACHE: 'true' }), 'lower,upper', 'asked to, as the release job does');
});

test.serial('a clone does not take what another one has built', (t) => {
  t.timeout(120_000);
  const [first, second] = [clone(t), clone(t)];
  t.is(first.build(), 'lower,upper');
  t.is(second.build(), 'lower,upper');
  t.true(existsSync(join(first.folder, '.nx/cache')));
});

test.serial('what a build depends on of the machine is told', (t) => {
  const tell = (env = {}) =>
    spawnSync(process.execPath, [join(root, 'tools/build-machine.js')], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    }).stdout;
  const lines = Object.fromEntries(
    tell()
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  t.is(lines.node, process.version);
  t.is(lines.system, `${process.platform} ${process.arch}`);
  t.true(lines.processor.length > 3 && lines.compiler.length > 3);
  if (existsSync('/proc/cpuinfo') && process.arch === 'x64') t.regex(lines.processor, /\bsse2\b/);
  t.regex(tell({ CXX: '/no/compiler', PATH: '' }), /compiler: none/);
});
