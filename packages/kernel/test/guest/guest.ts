/** Guest programs: `name.s` and beside it `name.hex`, the words that tools/guests.ts makes of it. */
import { readFileSync } from 'node:fs';

export interface Guest {
  readonly words: readonly number[];
  /** Byte offset of a label from the first word. @throws RangeError if there is none */
  at(label: string): number;
}

/** Lines are `label:`, or a word in hexadecimal and what it says. */
export function parseGuest(name: string, text: string): Guest {
  const words: number[] = [];
  const labels = new Map<string, number>();
  for (const line of text.split('\n')) {
    const label = /^(\w+):$/.exec(line)?.[1];
    if (label !== undefined) labels.set(label, 4 * words.length);
    else if (line !== '') words.push(Number.parseInt(line.slice(0, 8), 16));
  }
  return {
    words,
    at(label) {
      const offset = labels.get(label);
      if (offset === undefined) throw new RangeError(`guest ${name} has no label ${label}`);
      return offset;
    },
  };
}

export const readGuest = (name: string): Guest =>
  parseGuest(name, readFileSync(new URL(`${name}.hex`, import.meta.url), 'utf8'));
