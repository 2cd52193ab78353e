/** When a guest that runs is saved, and where to. */
import type { Machine } from '../machine/machine.ts';
import type { CliHost } from './host.ts';

/** The moment: what comes first counts; none of the two: the user names it on the keyboard. */
export interface SaveWish {
  readonly path: string;
  /** Once this has appeared on the console. */
  readonly text?: string | undefined;
  /** After this many seconds. */
  readonly seconds?: number | undefined;
}

const MIB = 1024 * 1024;

/** Watches a run for its moment, and writes the file. */
export class SaveMoment {
  readonly #wish: SaveWish;
  readonly #decoder = new TextDecoder();
  #tail = '';
  #pause: (() => void) | undefined;

  constructor(wish: SaveWish) {
    this.#wish = wish;
  }

  /** The moment has come. */
  readonly reach = (): void => this.#pause?.();

  /** Looks at what the guest prints. */
  watch(bytes: Uint8Array): void {
    const { text } = this.#wish;
    if (text === undefined) return;
    const printed = this.#tail + this.#decoder.decode(bytes, { stream: true });
    if (printed.includes(text)) this.reach();
    this.#tail = printed.slice(Math.max(0, printed.length - text.length + 1));
  }

  /** From now on the moment may come. @returns calls it off */
  arm(host: CliHost, machine: Machine): Disposable {
    this.#pause = () => machine.pause();
    const { seconds } = this.#wish;
    return seconds === undefined ? { [Symbol.dispose]: () => {} } : host.after(seconds, this.reach);
  }

  /** Writes a machine that is paused. */
  async write(host: CliHost, machine: Machine): Promise<void> {
    const { path } = this.#wish;
    let length = 0;
    await host.writeFile(path, (sink) =>
      machine.save((bytes) => {
        length += bytes.length;
        return sink(bytes);
      }),
    );
    host.stderr(
      `saved the guest in ${path} (${(length / MIB).toFixed(1)} MiB); vkvm restore goes on with it`,
    );
  }
}
