/** Looks at what leaves through the page's WebSockets. */

/** @param heard of each frame once it was handed to the browser; it must not keep or change it */
export function watchSockets(heard: (socket: WebSocket, frame: Uint8Array) => void): void {
  globalThis.WebSocket = class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      super.send(data);
      if (data instanceof Uint8Array) heard(this, data);
    }
  };
}
