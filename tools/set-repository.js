// Writes into the packages' manifests where their repository is, so that registry pages link to it. The release
// workflow runs it before publishing: node tools/set-repository.js https://HOST/OWNER/NAME

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const url = process.argv[2]?.replace(/(\.git|\/)$/, '');
if (!url || !URL.canParse(url) || new URL(url).protocol !== 'https:') {
  console.error('name the repository, such as https://example.org/owner/name');
  process.exit(2);
}
const { release } = JSON.parse(readFileSync(join(root, 'nx.json'), 'utf8'));
for (const name of release.projects) {
  const directory = `packages/${name}`;
  const file = join(root, directory, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  Object.assign(manifest, {
    homepage: `${url}/tree/main/${directory}#readme`,
    bugs: `${url}/issues`,
    repository: { type: 'git', url: `git+${url}.git`, directory },
  });
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
