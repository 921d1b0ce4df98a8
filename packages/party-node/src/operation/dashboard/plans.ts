import { limits } from '../../limits.js';
import { Asked } from '../asked.js';
import type { ProgramPlan } from './program-plan.js';

/** Which Program of which model, `name@version`. */
export interface PlanQuestion {
  model: string;
  program: number;
}

export interface PlanAnswer extends PlanQuestion {
  /** undefined where no such model is served, or it has no such Program */
  plan: ProgramPlan | undefined;
}

/** Asks the engine's thread what Programs cost: each question once at a time, and only so many at once. */
export class Plans {
  readonly #ask: (question: PlanQuestion) => void;
  readonly #open = new Map<string, Asked<PlanAnswer>>();

  /** @param ask sends the question; the answer comes to `answer` */
  constructor(ask: (question: PlanQuestion) => void) {
    this.#ask = ask;
  }

  answer(a: PlanAnswer): void {
    const key = keyOf(a);
    const asked = this.#open.get(key);
    this.#open.delete(key);
    asked?.answer(a);
  }

  /** @returns undefined where there is no answer in time, or too much is asked already */
  async of(question: PlanQuestion): Promise<PlanAnswer | undefined> {
    const key = keyOf(question);
    let asked = this.#open.get(key);
    if (!asked) {
      if (this.#open.size >= limits.openPlans) return undefined;
      asked = new Asked(() => this.#ask(question));
      this.#open.set(key, asked);
    }
    return asked.within(limits.adminMs);
  }
}

const keyOf = ({ model, program }: PlanQuestion) => `${model} ${program}`;
