// Compiles assembly/ to WebAssembly and writes it as a module, so that no runtime has to fetch a file.

import { mkdirSync, writeFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

process.chdir(import.meta.dirname);
const { error, stdout, stderr } = await asc.main(
  [
    'assembly/index.ts',
    '-O3',
    '--enable',
    'simd',
    '--runtime',
    'stub',
    '--initialMemory',
    '64',
    '--use',
    'abort=',
    '--outFile',
    'kernels.wasm',
  ],
  {
    writeFile(name, data) {
      if (!name.endsWith('.wasm')) return;
      mkdirSync('src/generated', { recursive: true });
      const text = Buffer.from(data).toString('base64');
      writeFileSync(
        'src/generated/kernels.ts',
        `// Compiled from assembly/ by build-kernels.js\nexport const kernelsBase64 =\n  '${text}';\n`,
      );
    },
  },
);
if (error) {
  console.error(stdout.toString(), stderr.toString());
  throw error;
}
