/** Fields that messages and manifests have in common. */
import { z } from 'zod';

/** So many bytes in hex, small letters. */
export const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));

/** A tensor's shape; how many elements it may have is checked where it is used. */
export const shape = z
  .array(
    z
      .number()
      .int()
      .min(0)
      .max(2 ** 31),
  )
  .max(8);
