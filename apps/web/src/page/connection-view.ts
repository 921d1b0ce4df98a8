/** The part of the page where somebody says whom to ask, and as whom. */
import { byId, made } from './elements.js';
import { forgotten, kept, remembered } from './keeping.js';
import { hostOf, LONGEST, missing, modelOf, type Settings, settingsIn, UnknownSetting } from './settings.js';

export class ConnectionView {
  readonly #details = byId('connection', HTMLDetailsElement);
  readonly #have = byId('have', HTMLUListElement);
  readonly #model = byId('model', HTMLInputElement);
  readonly #remember = byId('remember', HTMLInputElement);
  readonly #said = byId('connection-said', HTMLParagraphElement);
  readonly #changed: (settings: Settings) => void;
  #settings: Settings = {};

  /** @param changed told what there is now */
  constructor(changed: (settings: Settings) => void) {
    this.#changed = changed;
    const files = byId('files', HTMLInputElement);
    files.addEventListener('change', async () => {
      const chosen = [...(files.files ?? [])];
      const texts = await Promise.all(chosen.map((f) => (f.size > LONGEST ? 'x'.repeat(LONGEST + 1) : f.text())));
      files.value = '';
      this.#take(
        texts,
        chosen.map((f) => f.name),
      );
    });
    const paste = byId('paste', HTMLTextAreaElement);
    byId('take', HTMLButtonElement).addEventListener('click', () => {
      const text = paste.value;
      // A key does not stay on the screen
      paste.value = '';
      this.#take([text], ['What you pasted']);
    });
    this.#model.addEventListener('change', () => {
      const { model: _, ...rest } = this.#settings;
      const name = this.#model.value.trim();
      this.#set(name === '' ? rest : { ...rest, model: name });
    });
    this.#remember.addEventListener('change', () => {
      if (this.#remember.checked) kept(this.#settings);
      else forgotten();
      this.#said.textContent = this.#remember.checked ? 'Kept in this browser.' : 'Forgotten by this browser.';
    });
  }

  /** Reads what somebody has had this browser remember, else what lies beside the page. */
  async start(): Promise<void> {
    const own = remembered();
    this.#remember.checked = own !== undefined;
    this.#set(own ?? (await beside()));
    this.#details.open = missing(this.#settings).length > 0;
  }

  /** Shows it, where something in it has to be mended. */
  open(): void {
    this.#details.open = true;
  }

  #take(texts: readonly string[], names: readonly string[]): void {
    const before = this.#settings;
    let settings = before;
    const said: string[] = [];
    texts.forEach((text, i) => {
      try {
        const found = settingsIn(text);
        // What the last model was for, this one may not be
        const { about: _, ...kept } = settings;
        settings = { ...kept, ...found };
        said.push(`${names[i]}: ${Object.keys(found).join(', ')} taken.`);
      } catch (error) {
        if (!(error instanceof UnknownSetting)) throw error;
        said.push(`${names[i]}: ${error.message}.`);
      }
    });
    if (settings !== before) this.#set(settings);
    this.#said.textContent = said.join(' ');
  }

  #set(settings: Settings): void {
    this.#settings = settings;
    if (this.#remember.checked) kept(settings);
    const { network, key, grant, model } = settings;
    const hosts = ['party0', 'party1', 'dealer'].map((role) => hostOf(network, role)).filter(Boolean);
    const lines: [string, string | undefined][] = [
      ['Network', network === undefined ? undefined : hosts.join(', ')],
      ['Key', key === undefined ? undefined : 'there, and not shown'],
      ['Grant', grant === undefined ? undefined : `for ${modelOf(grant) ?? 'a model that it does not name'}`],
    ];
    this.#have.replaceChildren(
      ...lines.map(([name, text]) =>
        made('li', text === undefined ? 'lacking' : '', made('b', '', name), ' ', text ?? 'missing'),
      ),
    );
    this.#model.value = model ?? '';
    this.#model.placeholder = modelOf(grant) ?? '';
    this.#changed(settings);
  }
}

/** What lies beside the page; nothing where there is no such file. */
async function beside(): Promise<Settings> {
  try {
    const response = await fetch('./config.json', { cache: 'no-store', credentials: 'omit' });
    return response.ok ? settingsIn(await response.text()) : {};
  } catch {
    return {};
  }
}
