import type { Duplex } from "node:stream";

/**
 * Closes a connection with a reset if it can have one and is not ending. Node.js never closes a socket that is reset while its shutdown is
 * under way (EINVAL), and its process spins at its end, waiting for that.
 */
export function resetSocket(socket: Duplex & { resetAndDestroy?: () => void }): void {
  if (socket.resetAndDestroy && !socket.writableEnded) socket.resetAndDestroy();
  else socket.destroy();
}
