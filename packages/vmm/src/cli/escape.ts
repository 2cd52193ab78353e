/** The way out of a raw terminal: Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends one Ctrl-A. */

const CTRL_A = 0x01;
const QUIT = new Set([0x78, 0x58]); // x, X

/** What the user typed, with the commands taken out. */
export interface Typed {
  readonly bytes: Uint8Array;
  readonly quit: boolean;
}

/** Finds commands in what is typed; one may be spread over two pieces. */
export class EscapeFilter {
  #escaped = false;

  /** After Ctrl-A, anything but a command goes to the guest together with the Ctrl-A. */
  feed(input: Uint8Array): Typed {
    const bytes: number[] = [];
    for (const byte of input) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else bytes.push(byte);
        continue;
      }
      this.#escaped = false;
      if (QUIT.has(byte)) return { bytes: new Uint8Array(bytes), quit: true };
      if (byte !== CTRL_A) bytes.push(CTRL_A);
      bytes.push(byte);
    }
    return { bytes: new Uint8Array(bytes), quit: false };
  }
}
