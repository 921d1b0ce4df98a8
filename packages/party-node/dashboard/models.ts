/** Published models, and what their Programs cost. */
import type { ShownModel, Snapshot } from '../src/operation/dashboard/dashboard.js';
import type { PlannedCost, ProgramPlan } from '../src/operation/dashboard/program-plan.js';
import { byId, cell, make, numberCell } from './dom.js';
import { bytes, count, counted, percent } from './format.js';
import { Plot } from './plots.js';

const LOW = 120;

export class Models {
  readonly #there = new Map<string, { state: HTMLElement; details: HTMLDetailsElement }>();

  /** Shows what is there now; a model whose costs are open stays so. */
  show({ models, moreModels }: Pick<Snapshot, 'models' | 'moreModels'>): void {
    const list = byId('models');
    const names = new Set(models.map(({ model }) => model));
    for (const name of this.#there.keys()) if (!names.has(name)) this.#there.delete(name);
    const first = this.#there.size === 0;
    for (const [i, m] of models.entries()) {
      const known = this.#there.get(m.model) ?? this.#add(m, first && i === 0);
      known.state.replaceChildren(...stateOf(m));
    }
    if (models.length === 0) list.replaceChildren(make('p', { class: 'card empty' }, 'No model is published here.'));
    else list.replaceChildren(...models.map(({ model }) => this.#there.get(model)!.details));
    if (moreModels > 0) list.append(make('p', { class: 'quiet' }, `and ${counted(moreModels, 'more model')}`));
  }

  #add({ model, why }: ShownModel, open: boolean) {
    const state = make('span', { class: 'quiet' });
    const inside = make('div', { class: 'inside' });
    const details = make('details', { class: 'model' }, make('summary', {}, make('b', {}, model), state), inside);
    let loaded = false;
    details.addEventListener('toggle', () => {
      if (!details.open || loaded) return;
      loaded = true;
      void showPlan(inside, model, 0).catch(() => {
        loaded = false;
      });
    });
    details.open = open && why === undefined;
    const known = { state, details };
    this.#there.set(model, known);
    return known;
  }
}

function stateOf({ why, ok, failed }: ShownModel): Node[] {
  const runs = `${counted(ok, 'run')} completed${failed > 0 ? `, ${count(failed)} not` : ''}`;
  if (why === undefined) return [document.createTextNode(runs)];
  return [make('span', { class: 'bad' }, `not served: ${why}`), document.createTextNode(` · ${runs}`)];
}

async function showPlan(inside: HTMLElement, model: string, program: number): Promise<void> {
  const response = await fetch(`/models/${model}/programs/${program}`);
  if (!response.ok) {
    inside.replaceChildren(make('p', { class: 'empty' }, await response.text()));
    throw new Error('no costs');
  }
  const plan = (await response.json()) as ProgramPlan;
  const layers = make('figure', {});
  inside.replaceChildren(
    ...choiceOf(plan, program, (other) => void showPlan(inside, model, other).catch(() => {})),
    totals(plan),
    layers,
    layersTable(plan, model),
    make('h3', {}, 'By operation'),
    operationsTable(plan, model),
  );
  showLayers(layers, plan.layers);
}

/** Which of the model's Programs, where it has several. */
function choiceOf({ programs }: ProgramPlan, program: number, choose: (program: number) => void): HTMLElement[] {
  if (programs.length < 2) return [];
  const names = programs.map((shapes) => shapes.map((s) => `[${s.join(' × ')}]`).join(', '));
  const select = make(
    'select',
    {},
    ...names.map((name, i) => make('option', { value: String(i), ...(i === program && { selected: '' }) }, name)),
  );
  select.addEventListener('change', () => choose(Number(select.value)));
  return [make('label', { class: 'choice' }, 'Inputs of shape', select)];
}

function totals({ total, suite }: ProgramPlan): HTMLElement {
  const of = (name: string, value: string) => make('div', {}, make('dt', {}, name), make('dd', {}, value));
  return make(
    'dl',
    { class: 'costs' },
    of('Rounds', count(total.rounds)),
    of('Each party sends', bytes(total.bytes)),
    of('The dealer sends', bytes(total.dealerBytes)),
    of('A party holds at most', bytes(total.peakBytes)),
    of('Instructions', count(total.instructions)),
    of('Suite', suite),
  );
}

function showLayers(figure: HTMLElement, layers: readonly PlannedCost[]): void {
  const plot = new Plot(figure, {
    title: 'Layer by layer, in the order in which they run',
    bars: true,
    height: LOW,
    lines: [
      { label: 'parties, each', tone: 'accent', says: bytes },
      { label: 'dealer', tone: 'accent-soft', says: bytes },
    ],
    axis: bytes,
    place: (i) => {
      const layer = layers[i];
      return layer ? `${i + 1} ${layer.op}, ${counted(layer.rounds, 'round')}` : '';
    },
    none: 'Nothing is sent.',
  });
  plot.show([
    layers.map((_, i) => i + 1),
    layers.map((layer) => layer.bytes),
    layers.map((layer) => layer.dealerBytes),
  ]);
}

const head = (text: string, className?: string) => make('th', { scope: 'col', class: className }, text);

/** The same as the plot, for whoever does not point at it. */
function layersTable({ layers }: ProgramPlan, model: string): HTMLElement {
  const rows = layers.map(({ op, rounds, bytes: sent, dealerBytes }, i) =>
    make(
      'tr',
      {},
      numberCell(String(i + 1)),
      make('th', { scope: 'row' }, op),
      numberCell(count(rounds)),
      numberCell(bytes(sent)),
      numberCell(bytes(dealerBytes)),
    ),
  );
  const heads = ['Layer', 'Mostly', 'Rounds', 'Each party', 'Dealer'];
  const table = make(
    'table',
    {},
    make('thead', {}, make('tr', {}, ...heads.map((text, i) => head(text, i === 1 ? undefined : 'number')))),
    make('tbody', {}, ...rows),
  );
  const scroll = make('section', { class: 'scroll', 'aria-label': `Layers of ${model}`, tabindex: '0' }, table);
  return make('details', { class: 'more' }, make('summary', {}, `All ${counted(layers.length, 'layer')}`), scroll);
}

function operationsTable({ operations, total }: ProgramPlan, model: string): HTMLElement {
  const rows = operations.map((o) => {
    const part = total.bytes > 0 ? o.bytes / total.bytes : 0;
    const bar = make('span', {});
    bar.style.width = `${100 * part}%`;
    bar.hidden = part === 0;
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, o.op),
      numberCell(count(o.rounds)),
      numberCell(bytes(o.bytes)),
      numberCell(bytes(o.dealerBytes)),
      numberCell(percent(part)),
      make('td', { class: 'share', 'aria-hidden': 'true' }, bar),
    );
  });
  const table = make(
    'table',
    {},
    make(
      'thead',
      {},
      make(
        'tr',
        {},
        head('Operation'),
        head('Rounds', 'number'),
        head('Each party', 'number'),
        head('Dealer', 'number'),
        head('Part', 'number'),
        cell('', 'share'),
      ),
    ),
    make('tbody', {}, ...rows),
  );
  const label = `Costs of ${model} by operation`;
  return make('section', { class: 'scroll', 'aria-label': label, tabindex: '0' }, table);
}
