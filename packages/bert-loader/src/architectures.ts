/** Which head a checkpoint has: what `architectures` in its config.json says. */
import type { ConfigReader } from './config-reader.js';
import { familyOf } from './families/index.js';
import type { HeadKind } from './heads.js';

/** Heads by the suffix that a class name has after its family. */
const HEADS: Readonly<Record<string, HeadKind>> = {
  Model: 'none',
  ForSequenceClassification: 'sequence-classification',
  ForTokenClassification: 'token-classification',
  ForQuestionAnswering: 'question-answering',
  ForMaskedLM: 'masked-lm',
};

/** The head that a class name stands for. */
interface Named {
  head: HeadKind | 'unknown';
  name: string;
}

/**
 * The head that `architectures` names; undefined where the key is absent, 'unknown' where its head is one that is not
 * understood.
 * @throws ModelFileError where the class is not of the model's family
 */
function headNamed(json: ConfigReader, type: string, pretraining: boolean): Named | undefined {
  const classes = json.raw('architectures');
  if (classes === undefined || classes === null || (Array.isArray(classes) && classes.length === 0)) return undefined;
  if (!Array.isArray(classes) || classes.length !== 1 || typeof classes[0] !== 'string')
    json.refuse(`architectures is ${JSON.stringify(classes)}; expected an array of one name`);
  const [name] = classes as [string];
  const start = familyOf(type).classes[type]!;
  const rest = name.slice(start.length);
  if (!name.startsWith(start) || !/^(Model$|LMHeadModel$|For[A-Z])/.test(rest))
    json.refuse(
      `architectures is ['${name}'], which is no class of model_type '${type}'; ${start}Model and the like are`,
    );
  if (rest === 'ForPreTraining' && pretraining) return { head: 'masked-lm', name };
  return { head: Object.hasOwn(HEADS, rest) ? HEADS[rest]! : 'unknown', name };
}

export interface HeadChoice {
  /** what the caller asks for in place of what the file says */
  asked: HeadKind | undefined;
  /** whether the folder is a sentence encoder's, which uses no head */
  sentence: boolean;
  pretraining: boolean;
  /** does the checkpoint hold this head's tensors? */
  has: (kind: HeadKind) => boolean;
}

/**
 * The head to read.
 * @throws ModelFileError naming the architecture where its head is not understood
 */
export function chooseHead(
  json: ConfigReader,
  type: string,
  { asked, sentence, pretraining, has }: HeadChoice,
): HeadKind {
  const named = headNamed(json, type, pretraining);
  if (asked !== undefined) return asked;
  if (named === undefined) {
    const kinds: HeadKind[] = ['sequence-classification', 'question-answering', 'masked-lm', 'token-classification'];
    return kinds.find(has) ?? 'none';
  }
  const { head, name } = named;
  if (sentence) return head !== 'unknown' && has(head) ? head : 'none';
  if (head !== 'unknown') return head;
  const start = familyOf(type).classes[type]!;
  const known = Object.keys(HEADS).map((suffix) => start + suffix);
  json.refuse(
    `architectures is ['${name}'], whose head is not understood; ${known.join(', ')} are. ` +
      `{ head: 'none' } loads the encoder alone`,
  );
}
