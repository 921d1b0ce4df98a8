// Prints what a build depends on besides the files of this repository. Nx makes it part of every build's key, so that
// what another Node, compiler or processor has built is not taken for this one's.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** The compiler that packages/ring/build-native.js finds, by what it says of itself. */
function compiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++']) {
    if (!name) continue;
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (status === 0) return `${name}: ${stdout.trim().split('\n')[0]}`;
  }
  return 'none';
}

/** What the processor can do, where the system says it; else its name. */
function processor() {
  const info = '/proc/cpuinfo';
  const flags = existsSync(info) ? /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync(info, 'utf8'))?.[1] : undefined;
  return `${cpus()[0]?.model ?? 'unknown'}${flags ? ` (${flags.split(' ').sort().join(' ')})` : ''}`;
}

const { version, platform, arch, env } = process;
console.log(`node: ${version}
system: ${platform} ${arch}
processor: ${processor()}
compiler: ${compiler()}
native kernels: ${env.SECFORMER_NO_NATIVE ? 'left out' : 'wanted'}`);
