/** The command in this process, and what it prints; files that it needs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshKeyPair, publicKeyText, secretKeyText } from '@secformer/party-node';
import { main } from '../src/index.js';
import type { Interrupts } from '../src/interrupts.js';
import type { Service } from '../src/service.js';

/** Seen from dist/test. */
export const sst2 = fileURLToPath(new URL('../../../../apps/bench/models/sst2-tiny', import.meta.url));

export interface Ran {
  code: number;
  out: string[];
  err: string[];
}

/**
 * @param service nobody, if absent: the command is refused before
 * @param interrupted how it hears that it is to end
 */
export async function run(argv: string[], service?: Service, interrupted?: () => Interrupts): Promise<Ran> {
  const [out, err]: string[][] = [[], []];
  const terminal = { out: (l: string) => void out!.push(l), err: (l: string) => void err!.push(l), bar: undefined };
  const nobody = { publish: () => never(), loadPublished: () => never() };
  return { code: await main(argv, service ?? nobody, terminal, interrupted), out: out!, err: err! };
}

function never(): never {
  throw new Error('the nodes were asked');
}

/** A network file, a key and a grant in a folder of their own. */
export class Files {
  readonly folder = mkdtempSync(join(tmpdir(), 'secformer-cli-'));
  readonly key = this.write('own.key', `${secretKeyText(freshKeyPair().secret)}\n`);
  readonly grant = this.write('own.grant', 'aaaa.bbbb.cccc\n');
  readonly network = this.write('network.json', JSON.stringify(networkOf()));

  write(name: string, content: string): string {
    const file = join(this.folder, name);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  }

  get flags(): string[] {
    return ['--network', this.network, '--key', this.key];
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function networkOf() {
  const node = (port: number) => ({ url: `ws://127.0.0.1:${port}`, key: publicKeyText(freshKeyPair().public) });
  return { party0: node(1), party1: node(2), dealer: node(3) };
}
