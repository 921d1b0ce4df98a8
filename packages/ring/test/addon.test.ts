import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const built = fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}`, import.meta.url));

(existsSync(join(built, 'kernels.sha256')) ? test : test.skip)(
  'an addon that was cut off is passed over with a warning, and does not end the process',
  (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'addon-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    for (const name of ['kernels.node', 'kernels.sha256']) copyFileSync(join(built, name), join(folder, name));
    const open = () => {
      const module = JSON.stringify(new URL('../src/native.js', import.meta.url).href);
      const levels = `openAddon(${JSON.stringify(folder)})?.levels()`;
      const text = `import { openAddon } from ${module}; console.log(${levels}.length > 0);`;
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], {
        encoding: 'utf8',
      });
      return { status, stdout: stdout.trim(), stderr };
    };
    t.like(open(), { status: 0, stdout: 'true' });
    truncateSync(join(folder, 'kernels.node'), 30_000);
    const cut = open();
    t.like(cut, { status: 0, stdout: 'false' });
    t.regex(cut.stderr, /kernels\.node is not the file that was built.*Install @secformer\/ring again/);
  },
);
