import { type Json, object, objects, string, whole } from './json.js';

/** A part of what a model gets: tokens of its own, or the first (0) or second (1) text; with its token type. */
export type Part = { ids: number[]; type: number } | { text: 0 | 1; type: number };

/** What stands around a single text, and around a pair. */
export interface Template {
  single: Part[];
  pair: Part[];
}

const NONE: Template = { single: [{ text: 0, type: 0 }], pair: [0, 1].map((i) => ({ text: i as 0 | 1, type: i })) };

/** A special token of BertProcessing and RobertaProcessing: `["[SEP]", 102]`. */
function pairOf(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) throw new Error(`${what} of its post_processor is no array`);
  return [whole(value[1], `the id of ${what}`)];
}

/** Between the texts of a pair RoBERTa has two separators and BERT one; RoBERTa knows no token types. */
function around(json: Json, separators: number, second: number): Template {
  const cls = { ids: pairOf(json.cls, 'cls'), type: 0 };
  const sep = (type: number) => ({ ids: pairOf(json.sep, 'sep'), type });
  const single: Part[] = [cls, { text: 0, type: 0 }, sep(0)];
  const between = Array.from({ length: separators - 1 }, () => sep(0));
  return { single, pair: [...single, ...between, { text: 1, type: second }, sep(second)] };
}

function template(json: Json): Template {
  const tokens = object(json.special_tokens ?? {}, 'special_tokens');
  const parts = (list: unknown, what: string) =>
    objects(list, what).map((item): Part => {
      const { SpecialToken: token, Sequence: text } = item as { SpecialToken?: Json; Sequence?: Json };
      if (text) return { text: text.id === 'B' ? 1 : 0, type: whole(text.type_id, 'a type_id') };
      const name = string(token?.id, `a part of ${what}`);
      const { ids } = object(tokens[name], `special token ${name}`);
      if (!Array.isArray(ids)) throw new Error(`special token ${name} has no ids`);
      return { ids: ids.map((id) => whole(id, `an id of ${name}`)), type: whole(token?.type_id, 'a type_id') };
    });
  return { single: parts(json.single, 'single'), pair: parts(json.pair, 'pair') };
}

const UNDERSTOOD = ['BertProcessing', 'ByteLevel', 'RobertaProcessing', 'Sequence', 'TemplateProcessing'];

/** The `post_processor` of a tokenizer.json. @throws Error naming a type that is not understood */
export function postProcessor(json: Json | null | undefined): Template {
  if (json === null || json === undefined) return NONE;
  switch (json.type) {
    case 'BertProcessing':
      return around(json, 1, 1);
    case 'RobertaProcessing':
      return around(json, 2, 0);
    case 'TemplateProcessing':
      return template(json);
    case 'ByteLevel': // trims offsets, of which there are none here
      return NONE;
    case 'Sequence': {
      const list = objects(json.processors, 'processors').filter((p) => p.type !== 'ByteLevel');
      if (list.length > 1)
        throw new Error(
          `its post_processor is a Sequence of ${list.map((p) => p.type).join(' and ')}; one is understood`,
        );
      return postProcessor(list[0]);
    }
    default:
      throw new Error(`its post_processor '${json.type}' is not understood; ${UNDERSTOOD.join(', ')} are`);
  }
}
