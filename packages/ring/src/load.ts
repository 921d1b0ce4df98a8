import { openNative } from '#native';
import { SecformerError } from './errors.js';
import type { FrameChannel } from './frame-channel.js';
import type { Kernels } from './kernels.js';
import { NativeKernels } from './native-kernels.js';
import { WasmKernels } from './wasm-kernels.js';

/** Every implementation of the kernels that works here, the fastest first; 'wasm' is always there and last. */
export function availableKernels(): string[] {
  return [...(openNative()?.levels() ?? []), 'wasm'];
}

async function load(name: string): Promise<Kernels> {
  const wasm = await WasmKernels.load();
  return name === 'wasm' ? wasm : new NativeKernels(name, openNative()!.load(wasm.tables(), name));
}

const loaded = new Map<string, Promise<Kernels>>();

/**
 * The kernels, loaded once a thread.
 * @param choice 'auto' (the fastest there are), 'native', 'wasm' or one of `availableKernels()`; what SECFORMER_KERNELS
 *   says if absent
 * @throws SecformerError where there are none of that name
 */
export function loadKernels(
  choice = (typeof process === 'undefined' ? undefined : process.env?.SECFORMER_KERNELS) ?? 'auto',
): Promise<Kernels> {
  const available = availableKernels();
  const name =
    choice === 'auto'
      ? available[0]!
      : choice === 'native'
        ? available.find((k) => k !== 'wasm')
        : available.find((k) => k === choice);
  if (!name) {
    const why = available.length === 1 ? '; the native ones are compiled at install where there is a C++ compiler' : '';
    return Promise.reject(
      new SecformerError('NO_KERNELS', `there are no kernels '${choice}' here, only ${available.join(', ')}${why}`),
    );
  }
  let kernels = loaded.get(name);
  if (!kernels) {
    kernels = load(name);
    loaded.set(name, kernels);
  }
  return kernels;
}

/**
 * Gives memory that is free in this process back to the machine, where that takes more than freeing it; tens of
 * milliseconds.
 */
export function giveMemoryBack(): void {
  openNative()?.giveBack();
}

/**
 * What seals frames where they lie and hands descriptors over, where this platform's kernels have it.
 * @param name of what seals, of `availableChannels()`; the fastest if absent
 */
export function frameChannel(name?: string): FrameChannel | undefined {
  const channels = openNative()?.channels ?? {};
  return name === undefined ? Object.values(channels)[0] : Object.hasOwn(channels, name) ? channels[name] : undefined;
}

/** @returns what seals frames here, the fastest first: all do the same */
export function availableChannels(): string[] {
  return Object.keys(openNative()?.channels ?? {});
}
