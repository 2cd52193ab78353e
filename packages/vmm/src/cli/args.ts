/** Command lines: options by table, in the GNU form. */
import { UsageError } from './status.ts';

/** One option. */
export interface OptionRow {
  /** Name of its value, as the help shows it; absent: the option is a switch. */
  readonly value?: string;
  readonly help: string;
}

/** Value of an option that may be empty. */
const FREE_TEXT = 'TEXT';

/** Options by name, without the dashes. */
export type OptionTable = Readonly<Record<string, OptionRow>>;

/** What was given: strings for options with a value, booleans for switches. */
export type Options<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends { readonly value: string } ? string | undefined : boolean;
};

/** A parsed command line. */
export interface ParsedArgs<T extends OptionTable> {
  readonly options: Options<T>;
  readonly operands: readonly string[];
  /** `--help` or `-h` stood before anything that is wrong. */
  readonly help: boolean;
}

/**
 * Takes `--name value`, `--name=value` and `--switch` apart; after `--` everything is an operand.
 *
 * @throws {UsageError} an unknown option, a value that is missing or too much, or an option given twice
 */
export function parseArgs<const T extends OptionTable>(argv: readonly string[], table: T): ParsedArgs<T> {
  const options: Record<string, string | boolean | undefined> = {};
  for (const [name, { value }] of Object.entries(table))
    options[name] = value === undefined ? false : undefined;
  const operands: string[] = [];
  const rest = [...argv];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === '--') {
      operands.push(...rest);
      break;
    }
    if (arg === '--help' || arg === '-h') return { options: options as Options<T>, operands, help: true };
    if (!arg.startsWith('-') || arg === '-') {
      operands.push(arg);
      continue;
    }
    const [, name = '', inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const row = arg.startsWith('--') && Object.hasOwn(table, name) ? table[name] : undefined;
    if (row === undefined) {
      const similar = closest(name, Object.keys(table));
      throw new UsageError(
        `unknown option ${arg.split('=')[0]}${similar ? `; did you mean --${similar}?` : '; see --help'}`,
      );
    }
    if (options[name]) throw new UsageError(`--${name} is given twice; give it once`);
    if (row.value === undefined) {
      if (inline !== undefined) throw new UsageError(`--${name} takes no value`);
      options[name] = true;
      continue;
    }
    const value = inline ?? rest.shift();
    if (value === undefined || (value === '' && row.value !== FREE_TEXT)) {
      throw new UsageError(`--${name} needs a value: --${name} ${row.value}`);
    }
    options[name] = value;
  }
  return { options: options as Options<T>, operands, help: false };
}

/** The lines that describe a table, aligned. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, { value, help }]) => ({
    left: `  --${name}${value === undefined ? '' : ` ${value}`}`,
    help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2;
  return rows.map(({ left, help }) => `${left.padEnd(width)}${help}`).join('\n');
}

/** The candidate that a typing error away from `word`, if there is one. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.min(3, Math.ceil(word.length / 2)) ? best.candidate : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(
        Math.min(substitution, (previous[column] as number) + 1, (current[column - 1] as number) + 1),
      );
    }
    previous = current;
  }
  return previous[b.length] as number;
}
