/** What somebody has had this browser remember. */
import { type Settings, settingsIn, UnknownSetting } from './settings.js';

const PLACE = 'secformer.connection';

/** Keeps it until it is forgotten. Some browsers keep nothing in private windows. */
export function kept(settings: Settings): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify(settings));
  } catch {
    // It is there for as long as the page is
  }
}

export function forgotten(): void {
  try {
    localStorage.removeItem(PLACE);
  } catch {
    // Nothing is kept
  }
}

/** @returns undefined where nothing was kept that can be used */
export function remembered(): Settings | undefined {
  try {
    const text = localStorage.getItem(PLACE);
    return text === null ? undefined : settingsIn(text);
  } catch (error) {
    if (error instanceof UnknownSetting) forgotten();
    return undefined;
  }
}
