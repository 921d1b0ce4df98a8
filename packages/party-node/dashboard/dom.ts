/** Elements and their texts. Nothing that a node tells is ever read as markup. */

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

type Child = Node | string;

/** A new element. `class` and ARIA attributes are given as attributes; `undefined` ones are left out. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | undefined>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A cell of a table's row. */
export const cell = (text: Child, className?: string): HTMLElement => make('td', { class: className }, text);
export const numberCell = (text: string): HTMLElement => cell(text, 'number');

/** Replaces a table's rows; without any, one that says so. */
export function fillRows(body: HTMLElement, rows: readonly HTMLElement[], none: string, columns: number): void {
  if (rows.length > 0) body.replaceChildren(...rows);
  else body.replaceChildren(make('tr', {}, make('td', { colspan: String(columns), class: 'empty' }, none)));
}
