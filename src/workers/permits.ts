/**
 * `concurrency` permits per process, over all its queues. A BullMQ worker knows only its own queue, so its workers are
 * told when the process is full and when it has room again.
 */
export class Permits {
  #free: number;
  readonly #onChange: (full: boolean) => void;

  constructor(count: number, onChange: (full: boolean) => void) {
    this.#free = count;
    this.#onChange = onChange;
  }

  /** False where the process is full: whoever asked has one job too many and must hand it back. */
  take(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    if (this.#free === 0) this.#onChange(true);
    return true;
  }

  giveBack(): void {
    this.#free += 1;
    if (this.#free === 1) this.#onChange(false);
  }
}
