/**
 * Opens a run's trace in Perfetto: its page runs in the browser and takes a file from the window that opened it, once
 * it has answered PING with PONG.
 */
const ORIGIN = 'https://ui.perfetto.dev';
const AGAIN_MS = 100;
const MOST_MS = 30_000;

/** @returns false where the page did not answer, as where there is no way to it */
export async function openInPerfetto(trace: string, title: string): Promise<boolean> {
  // At once, while this is still the click's doing: a window that opens later is blocked
  const page = window.open();
  if (!page) return false;
  // It needs no hold on this page
  page.opener = null;
  page.location.href = ORIGIN;
  const response = await fetch(trace);
  if (!response.ok) {
    page.close();
    return false;
  }
  const buffer = await response.arrayBuffer();
  if (!(await answers(page))) return false;
  const fileName = `${title.replaceAll(' ', '-')}.json`;
  page.postMessage({ perfetto: { buffer, title, fileName } }, ORIGIN, [buffer]);
  return true;
}

function answers(page: Window): Promise<boolean> {
  return new Promise((resolve) => {
    const began = performance.now();
    const end = (well: boolean) => {
      clearInterval(timer);
      removeEventListener('message', heard);
      resolve(well);
    };
    const heard = ({ origin, source, data }: MessageEvent) => {
      if (origin === ORIGIN && source === page && data === 'PONG') end(true);
    };
    addEventListener('message', heard);
    const timer = setInterval(() => {
      if (page.closed || performance.now() - began > MOST_MS) end(false);
      else page.postMessage('PING', ORIGIN);
    }, AGAIN_MS);
  });
}
