import { z } from 'zod';

/** Names of models and publishers: they are parts of paths and of what people type. */
export const modelName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/);
export const versionName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+-]{0,31}$/);
