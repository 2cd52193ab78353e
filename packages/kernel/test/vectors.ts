/**
 * The text form of recorded cases; see vectors/README.md.
 *
 * `@profile` starts a group, `# name` names what follows, and a line holds words and, for each seed, what changed:
 * `8b020020 7:x0=1f 8:!undefined`.
 */
import { CODE, copyState, PROFILES, type CpuState, type Profile } from './cpu-state.ts';

/** How the words ended: control left them, or the last one executed was refused. */
export type Stop = 'done' | 'undefined' | 'fault';

/** Registers and bytes of the window after the words. */
export interface Expected {
  readonly stop: Stop;
  readonly state: CpuState;
  /** Offset in the window → byte. */
  readonly bytes: ReadonlyMap<number, number>;
}

export interface VectorCase {
  readonly name: string;
  readonly profile: Profile;
  readonly words: readonly number[];
  readonly seed: number;
  /** What changed, as text. */
  readonly changes: string;
}

/** All cases of a file. @throws RangeError for a line that has another form */
export function parseVectors(text: string): VectorCase[] {
  const cases: VectorCase[] = [];
  let profile: Profile = 'integer';
  let name = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('@')) profile = profileOf(line.slice(1));
    else if (line.startsWith('#')) name = line.slice(2);
    else if (line !== '') {
      const [first, ...runs] = line.split(' ');
      const words = first!.split('+').map((word) => parseInt(word, 16));
      for (const run of runs) {
        const colon = run.indexOf(':');
        if (colon < 0) throw new RangeError(`"${run}" has no seed`);
        const seed = parseInt(run.slice(0, colon), 16);
        cases.push({ name, profile, words, seed, changes: run.slice(colon + 1) });
      }
    }
  }
  return cases;
}

function profileOf(text: string): Profile {
  const found = PROFILES.find((profile) => profile === text);
  if (!found) throw new RangeError(`"${text}" is not a profile`);
  return found;
}

/** The words of one case after another, as the code has them. */
export const wordsText = (words: readonly number[]): string =>
  words.map((word) => word.toString(16).padStart(8, '0')).join('+');

/** Where the pc is if nothing was said of it: behind the words, or at the first if it was refused. */
const plainPc = (stop: Stop, words: number): bigint => BigInt(stop === 'done' ? CODE + 4 * words : CODE);

const vectorOf = (state: CpuState, n: number): bigint => (state.v[2 * n + 1]! << 64n) | state.v[2 * n]!;

/** What differs between two states, and the bytes that changed, as one word of text. @param words - how many */
export function formatChanges(before: CpuState, { stop, state, bytes }: Expected, words: number): string {
  const parts: string[] = stop === 'done' ? [] : [`!${stop}`];
  const put = (name: string, was: bigint | number, is: bigint | number): void => {
    if (was !== is) parts.push(`${name}=${is.toString(16)}`);
  };
  for (let n = 0; n < 31; n++) put(`x${n}`, before.x[n]!, state.x[n]!);
  put('sp', before.sp, state.sp);
  put('pc', plainPc(stop, words), state.pc);
  put('nzcv', before.nzcv, state.nzcv);
  put('fpcr', before.fpcr, state.fpcr);
  put('fpsr', before.fpsr, state.fpsr);
  for (let n = 0; n < 32; n++) put(`v${n}`, vectorOf(before, n), vectorOf(state, n));
  for (const [start, run] of runsOf(bytes)) parts.push(`m${start.toString(16)}=${run}`);
  return parts.length > 0 ? parts.join(',') : '-';
}

/** The inverse of {@link formatChanges}. @throws RangeError for a name it does not know */
export function parseChanges(before: CpuState, changes: string, words: number): Expected {
  const state = copyState(before);
  const bytes = new Map<number, number>();
  const parts = changes === '-' ? [] : changes.split(',');
  const stop = parts[0]?.startsWith('!') ? stopOf(parts.shift()!) : 'done';
  state.pc = plainPc(stop, words);
  for (const part of parts) {
    const [name, hex] = part.split('=') as [string, string];
    const number = Number(name.slice(1));
    if (name === 'sp' || name === 'pc') state[name] = BigInt(`0x${hex}`);
    else if (name === 'nzcv' || name === 'fpcr' || name === 'fpsr') state[name] = parseInt(hex, 16);
    else if (name.startsWith('x')) state.x[number] = BigInt(`0x${hex}`);
    else if (name.startsWith('v')) {
      state.v[2 * number] = BigInt.asUintN(64, BigInt(`0x${hex}`));
      state.v[2 * number + 1] = BigInt(`0x${hex}`) >> 64n;
    } else if (name.startsWith('m')) {
      const start = parseInt(name.slice(1), 16);
      for (let i = 0; i < hex.length; i += 2) bytes.set(start + i / 2, parseInt(hex.slice(i, i + 2), 16));
    } else throw new RangeError(`"${part}" changes nothing known`);
  }
  return { stop, state, bytes };
}

function stopOf(part: string): Stop {
  const stop = part.slice(1);
  if (stop !== 'undefined' && stop !== 'fault') throw new RangeError(`"${part}" is no way to stop`);
  return stop;
}

/** Neighbouring bytes as one run of hexadecimal digits. */
function runsOf(bytes: ReadonlyMap<number, number>): [start: number, hex: string][] {
  const runs: [number, string][] = [];
  let next = -1;
  for (const [offset, byte] of [...bytes].toSorted(([a], [b]) => a - b)) {
    const hex = byte.toString(16).padStart(2, '0');
    if (offset === next) runs.at(-1)![1] += hex;
    else runs.push([offset, hex]);
    next = offset + 1;
  }
  return runs;
}
