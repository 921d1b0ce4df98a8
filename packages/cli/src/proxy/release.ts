/** Which release of this package runs. */
import { createRequire } from 'node:module';

export const { version: release } = createRequire(import.meta.url)('@secformer/cli/package.json') as {
  version: string;
};
