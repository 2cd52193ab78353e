/**
 * `node tools/linux-headers/generate.ts [--print]`: asks the cross compiler and its Linux headers for the numbers, sizes
 * and offsets of `probe.c`, and the cross assembler for the encodings of system registers, and writes them to
 * `packages/uapi/test/linux-headers.json`, or with `--print` to stdout. Nothing is run, so no arm64 machine is needed.
 *
 * Debian: `apt-get install gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross`.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SYSOPS, SYSREGS } from '../../packages/uapi/src/index.ts';

const OUTPUT = new URL('../../packages/uapi/test/linux-headers.json', import.meta.url);
const PROBE = new URL('probe.c', import.meta.url).pathname;

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** Reads the lines that `probe.c` leaves in its assembly. */
const readHeaders = () => {
  const assembly = execFileSync('aarch64-linux-gnu-gcc', ['-O1', '-S', '-o', '-', PROBE], {
    encoding: 'utf8',
  });
  let linux = '';
  const numbers: Record<string, string> = {};
  const structs: Record<string, { size: number; fields: Record<string, [offset: number, size: number]> }> =
    {};
  for (const [, line = ''] of assembly.matchAll(/^\s*-> (.*)$/gm)) {
    const [kind, ...words] = line.trim().split(/\s+/);
    const [label = '', first = '', second = '', third = ''] = words;
    if (kind === 'headers') linux = `${label}.${first}`;
    else if (kind === 'number') numbers[label] = hex(BigInt(first));
    else if (kind === 'struct') structs[label] = { size: Number(first), fields: {} };
    else if (kind === 'field') {
      const struct = structs[label];
      if (struct === undefined)
        throw new Error(`probe.c gives ${label}.${first} before the size of ${label}`);
      struct.fields[first] = [Number(second), Number(third)];
    }
  }
  return { linux, numbers, structs };
};

/** Bits 20–5 of MRS and SYS hold op0, op1, CRn, CRm and op2 as bits 15–0 of a register id do. */
const keyOf = (word: number): number => (word >>> 5) & 0xffff;

/** One access to each system register and system instruction. */
const accesses = (): [name: string, text: string][] => [
  ...Object.keys(SYSREGS).map((name): [string, string] => [name, `mrs x0, ${name}`]),
  ...Object.keys(SYSOPS).map((name): [string, string] => {
    const operand = /^IC_IALLU|^TLBI_VMALL/.test(name) ? '' : ', x0';
    return [name, `${name.replace('_', ' ')}${operand}`];
  }),
];

const EXTENSIONS = '.arch armv9.3-a+sve2+sme+memtag+rng+pauth+ls64+profile';

/** Assembles the accesses and takes the encodings from the words; a register too new for the assembler is left out. */
const readEncodings = () => {
  const version = /\d+\.\d+/.exec(
    execFileSync('aarch64-linux-gnu-as', ['--version'], { encoding: 'utf8' }),
  )?.[0];
  const directory = mkdtempSync(join(tmpdir(), 'vkvm-encodings-'));
  try {
    const [object, binary] = [join(directory, 'a.o'), join(directory, 'a.bin')];
    // --no-warn: reading a write-only register is only a warning, and its encoding is what we are after.
    const assemble = (rows: [name: string, text: string][]) =>
      spawnSync('aarch64-linux-gnu-as', ['--no-warn', '-o', object, '-'], {
        input: [EXTENSIONS, ...rows.map(([, text]) => text), ''].join('\n'),
        encoding: 'utf8',
      });
    const all = accesses();
    const unknown = new Set(
      Array.from(
        assemble(all).stderr.matchAll(/unknown or missing system register name.*,(\w+)'/g),
        ([, name]) => name,
      ),
    );
    const known = all.filter(([name]) => !unknown.has(name));
    const { status, stderr } = assemble(known);
    if (status !== 0) throw new Error(`the assembler refuses an access:\n${stderr}`);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    const text = readFileSync(binary);
    const encodings = Object.fromEntries(
      known.map(([name], index) => [name, hex(BigInt(keyOf(text.readUInt32LE(4 * index))))]),
    );
    return { binutils: version ?? '', encodings };
  } finally {
    rmSync(directory, { recursive: true });
  }
};

/** One line an entry, so that a difference between releases reads well. */
const format = (sections: Readonly<Record<string, unknown>>): string => {
  const isTable = (value: unknown): value is object => typeof value === 'object' && value !== null;
  const entries = Object.entries(sections).map(([name, value]) => {
    if (!isTable(value)) return `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    const rows = Object.entries(value).map(
      ([key, row]) => `    ${JSON.stringify(key)}: ${JSON.stringify(row)}`,
    );
    return `  ${JSON.stringify(name)}: {\n${rows.join(',\n')}\n  }`;
  });
  return `{\n${entries.join(',\n')}\n}\n`;
};

const { linux, numbers, structs } = readHeaders();
const { binutils, encodings } = readEncodings();
const output = format({ linux, binutils, numbers, structs, encodings });
if (process.argv.includes('--print')) process.stdout.write(output);
else writeFileSync(OUTPUT, output);
