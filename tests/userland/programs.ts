/** Programs of Debian that run in the guest and on the reference, with what they read. */
import { readFileSync } from 'node:fs';

/** Debian's packages with these programs. */
export const PACKAGES = [
  'python3-minimal',
  'perl-base',
  'openssl',
  'sqlite3',
  'gzip',
  'xz-utils',
  'coreutils',
  'mawk',
  'bc',
];

/** One run of a program. Paths are relative to the directory of {@link inputFiles}. */
export interface Program {
  readonly name: string;
  readonly argv: readonly [path: string, ...args: string[]];
  /** File that standard input is; default: nothing. */
  readonly stdin?: string;
  /** Also in the short test. */
  readonly isShort?: boolean;
}

const KEY = ['-K', '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'] as const;
const KEY_128 = ['-K', '000102030405060708090a0b0c0d0e0f'] as const;
const IV = ['-iv', 'f0e0d0c0b0a090807060504030201000'] as const;

const KDF_OPTIONS = ['digest:SHA512', 'pass:password', 'salt:salt', 'iter:300'].flatMap((option) => [
  '-kdfopt',
  option,
]);

const digest = (name: string, isShort = false): Program => ({
  name: `openssl dgst -${name}`,
  argv: ['/usr/bin/openssl', 'dgst', `-${name}`, 'noise.bin'],
  isShort,
});

const cipher = (name: string, key: readonly string[], isShort = false): Program => ({
  name: `openssl enc -${name}`,
  argv: ['/usr/bin/openssl', 'enc', '-e', `-${name}`, ...key, ...IV, '-in', 'noise.bin'],
  isShort,
});

/** Runs with equal output on any correct CPU. */
export const PROGRAMS: readonly Program[] = [
  { name: 'python3: numbers', argv: ['/usr/bin/python3', '-SB', 'numbers.py'], isShort: true },
  { name: 'python3: texts', argv: ['/usr/bin/python3', '-SB', 'texts.py'] },
  { name: 'perl', argv: ['/usr/bin/perl', 'mixture.pl'], isShort: true },
  digest('md5'),
  digest('sha1'),
  digest('sha256', true),
  digest('sha512', true),
  digest('sha3-256'),
  digest('blake2b512'),
  digest('rmd160'),
  digest('sm3'),
  {
    name: 'openssl dgst -hmac',
    argv: ['/usr/bin/openssl', 'dgst', '-sha384', '-hmac', 'secret', 'noise.bin'],
  },
  cipher('aes-256-cbc', KEY, true),
  cipher('aes-128-ctr', KEY_128),
  cipher('aes-128-cfb8', KEY_128),
  cipher('camellia-256-cbc', KEY),
  cipher('aria-256-ctr', KEY),
  cipher('chacha20', KEY, true),
  { name: 'openssl prime', argv: ['/usr/bin/openssl', 'prime', '-hex', `${'f'.repeat(70)}61`] },
  {
    name: 'openssl kdf',
    argv: ['/usr/bin/openssl', 'kdf', '-keylen', '40', ...KDF_OPTIONS, 'PBKDF2'],
  },
  { name: 'gzip -1', argv: ['/usr/bin/gzip', '-1nc', 'words.txt'] },
  { name: 'gzip -9', argv: ['/usr/bin/gzip', '-9nc'], stdin: 'words.txt', isShort: true },
  { name: 'gzip of noise', argv: ['/usr/bin/gzip', '-6nc', 'noise.bin'] },
  { name: 'xz', argv: ['/usr/bin/xz', '-1c', 'words.txt'], isShort: true },
  {
    name: 'xz -6e with CRC64',
    argv: ['/usr/bin/xz', '-c', '--check=crc64', '--arm64', '--lzma2=preset=6e'],
    stdin: 'noise.bin',
  },
  { name: 'xz with SHA-256', argv: ['/usr/bin/xz', '-3c', '--check=sha256', 'words.txt'] },
  { name: 'sort', argv: ['/usr/bin/sort', 'lines.txt'], isShort: true },
  { name: 'sort -g', argv: ['/usr/bin/sort', '-gr', '-k2,2', 'lines.txt'] },
  { name: 'sort -u -k3', argv: ['/usr/bin/sort', '-u', '-k3n', '-t', ' ', 'lines.txt'] },
  { name: 'sort -V', argv: ['/usr/bin/sort', '-V', '-k1,1', 'lines.txt'] },
  { name: 'awk', argv: ['/usr/bin/awk', '-f', 'table.awk', 'words.txt'], isShort: true },
  { name: 'sqlite3', argv: ['/usr/bin/sqlite3', ':memory:'], stdin: 'queries.sql', isShort: true },
  { name: 'bc', argv: ['/usr/bin/bc', '-lq', 'series.bc'], isShort: true },
  { name: 'sha512sum', argv: ['/usr/bin/sha512sum', 'noise.bin', 'words.txt'] },
  { name: 'b2sum', argv: ['/usr/bin/b2sum', 'noise.bin'] },
  { name: 'cksum', argv: ['/usr/bin/cksum', 'noise.bin'] },
  {
    name: 'factor',
    argv: ['/usr/bin/factor', '18446744073709551557', '1000000016000000063', '2305843009213693953'],
  },
  { name: 'seq', argv: ['/usr/bin/seq', '-f', '%.17g', '0', '0.0137', '1'] },
  { name: 'numfmt', argv: ['/usr/bin/numfmt', '--to=iec', '--format=%.3f'], stdin: 'numbers.txt' },
  { name: 'od', argv: ['/usr/bin/od', '-A', 'x', '-t', 'fF', '-N', '2048', 'noise.bin'] },
];

/** Numbers that look random and never change (a linear congruential generator). */
function* noise(seed: number): Generator<number> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state >>> 8;
  }
}

const SYLLABLES = [
  'ka',
  'ri',
  'mo',
  'ten',
  'lus',
  'ar',
  'que',
  'shi',
  'bo',
  'dax',
  'e',
  'in',
  'pro',
  'ú',
  'th',
];

function words(count: number): string {
  const random = noise(7);
  const next = (): number => random.next().value as number;
  const word = (): string =>
    Array.from({ length: 1 + (next() % 4) }, () => SYLLABLES[next() % SYLLABLES.length]).join('');
  return Array.from({ length: count }, (_, i) => word() + (i % 11 === 10 ? '\n' : ' ')).join('');
}

function lines(count: number): string {
  const random = noise(8);
  const next = (): number => random.next().value as number;
  const line = (): string =>
    `v${next() % 20}.${next() % 30} ${((next() - 8_388_608) / 977).toExponential(next() % 6)} ${next() % 500}\n`;
  return Array.from({ length: count }, line).join('');
}

const SOURCES = ['numbers.py', 'texts.py', 'mixture.pl', 'queries.sql', 'series.bc', 'table.awk'];

/** Everything that programs read, by name. */
export function inputFiles(): ReadonlyMap<string, Uint8Array | string> {
  const random = noise(9);
  const bytes = Uint8Array.from({ length: 60_000 }, () => random.next().value as number);
  return new Map<string, Uint8Array | string>([
    ...SOURCES.map((name) => [name, readFileSync(new URL(`inputs/${name}`, import.meta.url))] as const),
    ['words.txt', words(6000)],
    ['lines.txt', lines(1500)],
    ['numbers.txt', lines(200).replaceAll(/^\S+ \S+ /gm, '12345')],
    ['noise.bin', bytes],
  ]);
}
