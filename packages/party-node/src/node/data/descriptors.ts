import type { Socket } from 'node:net';
import type { FrameChannel } from '@secformer/ring';

/**
 * Takes a TCP connection from this thread, for another one. What has arrived and is read here is lost, so that nothing
 * may be on its way.
 * @returns its descriptor, which whoever has it closes; undefined where this platform shows none, and the socket is
 *   closed all the same
 */
export function takeDescriptor(socket: Socket, channel: FrameChannel): number | undefined {
  // Node hands a socket to another process, and has no word for another thread
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  const fd = handle?.fd;
  const own = typeof fd === 'number' && fd >= 0 ? channel.duplicate(fd) : -1;
  socket.destroy();
  return own < 0 ? undefined : own;
}
