/** Words as a page shows them: whoever wrote a Program, or is at the other end of a link, has chosen some. */

const NAME = /^[A-Za-z][\w.-]{0,63}$/;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
const OTHER = 'other';

/** The name of an operation. */
export const shownName = (name: string): string => (NAME.test(name) ? name : OTHER);

/** The code of an error. */
export const shownCode = (code: string): string => (CODE.test(code) ? code : OTHER);

/** Milliseconds, to the microsecond. */
export const shownMs = (ms: number): number => Math.round(ms * 1000) / 1000;
