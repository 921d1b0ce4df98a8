/** A key of frames, for one direction: it seals, or it opens. */
export type FrameCipher = { readonly __frames: never };

/** Bytes before a frame's content: what its owner says of it, in the clear. */
export const FRAME_HEAD = 4;
/** Bytes behind it: the tag. */
export const FRAME_TAG = 16;

/**
 * AES-256-GCM (NIST SP 800-38D) of frames where they lie, and descriptors of sockets: what native/channel.cc exports.
 * Its nonce is the frame's number, and its additional data the frame's head.
 */
export interface FrameChannel {
  /** @param key of 32 bytes. @throws Error for another length */
  cipher(key: Uint8Array, seals: boolean): FrameCipher;
  /**
   * Encrypts a frame's content, and writes the tag of that and of the head behind it.
   * @param frame head, content and tag, and nothing else
   * @param number that no other frame of this key has or will have
   * @returns whether it was done
   */
  seal(cipher: FrameCipher, frame: Uint8Array, number: number): boolean;
  /** Decrypts a frame. @returns whether it is what was sealed under that number; if not, its content is of no use */
  open(cipher: FrameCipher, frame: Uint8Array, number: number): boolean;
  /** @returns another descriptor of the same socket, whoever closes the first; -1 where there is none */
  duplicate(descriptor: number): number;
  /** Closes a descriptor that `duplicate` has made, and that nobody has taken. */
  closeDescriptor(descriptor: number): void;
}
