/** Commands from a raw terminal: Ctrl-A x ends the machine, Ctrl-A s saves it, Ctrl-A Ctrl-A sends one Ctrl-A. */

const CTRL_A = 0x01;
const QUIT = new Set([0x78, 0x58]); // x, X
const SAVE = new Set([0x73, 0x53]); // s, S

/** What the user typed, with the commands taken out. */
export interface Typed {
  readonly bytes: Uint8Array;
  readonly command: 'quit' | 'save' | undefined;
}

/** Finds commands in what is typed; one may be spread over two pieces. */
export class EscapeFilter {
  readonly #save: boolean;
  #escaped = false;

  /** @param save - whether there is such a command; if not, the guest gets its keys */
  constructor({ save = false }: { readonly save?: boolean } = {}) {
    this.#save = save;
  }

  /** After Ctrl-A, anything but a command goes to the guest together with the Ctrl-A. */
  feed(input: Uint8Array): Typed {
    const bytes: number[] = [];
    let command: Typed['command'];
    for (const byte of input) {
      if (!this.#escaped) {
        if (byte === CTRL_A) this.#escaped = true;
        else bytes.push(byte);
        continue;
      }
      this.#escaped = false;
      if (QUIT.has(byte)) return { bytes: new Uint8Array(bytes), command: 'quit' };
      if (this.#save && SAVE.has(byte)) {
        command = 'save';
        continue;
      }
      if (byte !== CTRL_A) bytes.push(CTRL_A);
      bytes.push(byte);
    }
    return { bytes: new Uint8Array(bytes), command };
  }
}
