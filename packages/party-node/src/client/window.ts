/** Lets in, in order, as many as are few enough and small enough together; one that is larger than all goes alone. */
export class Window {
  #bytes = 0;
  #count = 0;
  readonly #waiting: { bytes: number; enter: () => void }[] = [];

  /** @param most bytes that are in at once @param count how many */
  constructor(
    readonly most: number,
    readonly count: number,
  ) {}

  /** Waits for room. @returns what leaves again */
  async enter(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || !this.#fits(bytes))
      await new Promise<void>((enter) => this.#waiting.push({ bytes, enter }));
    else this.#take(bytes);
    return () => {
      this.#bytes -= bytes;
      this.#count--;
      for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
        this.#waiting.shift();
        this.#take(next.bytes);
        next.enter();
      }
    };
  }

  #fits(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.count && this.#bytes + bytes <= this.most);
  }

  #take(bytes: number): void {
    this.#bytes += bytes;
    this.#count++;
  }
}
