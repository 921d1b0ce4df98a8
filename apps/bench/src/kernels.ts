import { loadKernels } from '@secformer/ring';
import { UsageError } from './report.js';

/** Makes this process, its threads and the nodes that it starts use these kernels. @returns their name */
export async function chooseKernels(choice: string): Promise<string> {
  process.env.SECFORMER_KERNELS = choice;
  try {
    return (await loadKernels(choice)).name;
  } catch (error) {
    throw new UsageError(`--kernels ${choice}: ${(error as Error).message}`);
  }
}
