/**
 * First of all imports: zod tries out whether it may compile code, which a page's Content-Security-Policy reports as a
 * violation.
 */
import { config } from 'zod';

config({ jitless: true });
