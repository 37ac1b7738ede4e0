/** Lets a number of holders in at a time, in the order of asking: `using _slot = await limit.hold()`. */
export class Limit {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(holders: number) {
    this.#free = holders;
  }

  async hold(): Promise<Disposable> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return {
      [Symbol.dispose]: () => {
        const next = this.#waiting.shift();
        if (next) next();
        else this.#free += 1;
      },
    };
  }
}
