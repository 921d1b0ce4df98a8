/** Lets messages be looked at between slices of long work. */
export const breath = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
