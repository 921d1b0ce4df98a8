// By a name of it: a bundler leaves it out where nothing of it is used, though importing it registers 'cpu'
import { version_cpu } from '@tensorflow/tfjs-backend-cpu';
import {
  type BackendValues,
  type DataType,
  findBackend,
  getKernel,
  type KernelBackend,
  type TensorInfo,
} from '@tensorflow/tfjs-core';

/** Values of a tensor that is not secret. */
export interface PlainTensor {
  values: BackendValues;
  shape: number[];
  dtype: DataType;
}

type Host = KernelBackend & {
  write(values: BackendValues, shape: number[], dtype: DataType): object;
  readSync(dataId: object): BackendValues;
  disposeData(dataId: object, force?: boolean): boolean;
};

function host(): { name: string; backend: Host } {
  for (const name of ['tensorflow', 'cpu']) {
    const backend = findBackend(name) as Host | null;
    if (backend) return { name, backend };
  }
  throw new Error(
    `neither the 'tensorflow' nor the 'cpu' backend (${version_cpu}) is registered, and 'secformer' computes what ` +
      `is not secret on one of them`,
  );
}

export function hasHostKernel(kernel: string): boolean {
  return getKernel(kernel, host().name) !== undefined;
}

/** A kernel's inputs by name; Concat, Pack and AddN take a list. */
export type HostInputs = PlainTensor[] | Record<string, PlainTensor | undefined>;

/** Runs a kernel without secret inputs at once, on the host backend. */
export function runOnHost(
  kernel: string,
  inputs: HostInputs,
  attrs: Record<string, unknown> | undefined,
): PlainTensor[] {
  const { name, backend } = host();
  const config = getKernel(kernel, name);
  if (!config) throw new Error(`kernel '${kernel}' is not on the host backend '${name}'`);
  const held = new Set<object>();
  const write = (t: PlainTensor): TensorInfo => {
    const dataId = backend.write(t.values, t.shape, t.dtype);
    held.add(dataId);
    return { dataId, shape: t.shape, dtype: t.dtype } as TensorInfo;
  };
  try {
    const infos = Array.isArray(inputs)
      ? inputs.map(write)
      : Object.fromEntries(Object.entries(inputs).map(([key, t]) => [key, t && write(t)]));
    const out = config.kernelFunc({ inputs: infos as never, backend, attrs: attrs as never });
    const results = Array.isArray(out) ? out : [out];
    for (const { dataId } of results) held.add(dataId);
    // The host may hand back its input's or its own buffer
    return results.map(({ dataId, shape, dtype }) => ({
      values: backend.readSync(dataId).slice() as BackendValues,
      shape: [...shape],
      dtype,
    }));
  } finally {
    for (const id of held) backend.disposeData(id, true);
  }
}
