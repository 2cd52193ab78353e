/** Words of extensions that vkvm does not announce: each of them is UNDEF. */
import type { Random } from '../../packages/kernel/test/cpu-state.ts';
import { insn } from '../../packages/kernel/src/a64/pattern.ts';
import { UNANNOUNCED } from './extensions.ts';

const ENCODINGS = UNANNOUNCED.flatMap(({ name: extension, encodings }) =>
  Object.entries(encodings).map(([name, diagram]) => {
    const { mask, value } = insn(name, diagram, { emit: () => {} });
    return { extension, mask, value };
  }),
);

/** The extension that would take a word if it were announced. */
export const extensionOf = (word: number): string | undefined =>
  ENCODINGS.find(({ mask, value }) => (word & mask) >>> 0 === value)?.extension;

/** A random word of one of the encodings. */
export function chooseUnannounced(random: Random): number {
  const { mask, value } = random.pick(ENCODINGS);
  return (value | (random.next() & ~mask)) >>> 0;
}
