/**
 * Runs a piece of work again and again on demand: at once when it has been quiet, never twice at a
 * time, and not more often than every `gapMs`. Requests that come while it runs lead to one more run.
 */
export class Refresher {
  readonly #work: () => Promise<void>;
  readonly #gapMs: number;
  #running = false;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param work must not reject */
  constructor(work: () => Promise<void>, gapMs: number) {
    this.#work = work;
    this.#gapMs = gapMs;
  }

  request(): void {
    if (this.#closed) return;
    if (this.#running || this.#timer) {
      this.#again = true;
      return;
    }
    void this.#run();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#again = false;
    await this.#work();
    this.#running = false;
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#again) this.request();
    }, this.#gapMs);
    this.#timer.unref();
  }
}
