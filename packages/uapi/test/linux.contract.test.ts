/**
 * Every number, size and offset against what Debian's Linux headers say, and every system register's encoding against
 * the assembler. `tools/linux-headers` prints both into `linux-headers.json`.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as uapi from '@vkvm/uapi';
import { KNOWN_DIFFERENCES, NEWER_REGISTERS, NOT_EXPORTED, SINCE } from './linux-exceptions.ts';

/** What `tools/linux-headers` prints. */
interface Headers {
  readonly linux: string;
  readonly binutils: string;
  readonly numbers: Readonly<Record<string, string>>;
  readonly structs: Readonly<
    Record<
      string,
      { readonly size: number; readonly fields: Readonly<Record<string, readonly [number, number]>> }
    >
  >;
  readonly encodings: Readonly<Record<string, string>>;
}

const committed = readFileSync(new URL('linux-headers.json', import.meta.url), 'utf8');
const headers = JSON.parse(committed) as Headers;

const exported: Readonly<Record<string, unknown>> = { ...uapi };

const numbers = new Map<string, bigint>();
for (const [name, value] of Object.entries(exported)) {
  if (typeof value === 'number' || typeof value === 'bigint') numbers.set(name, BigInt(value));
}
for (const [name, index] of Object.entries(uapi.CORE_REGS)) numbers.set(`CORE_REGS.${name}`, BigInt(index));
for (const { name, smc32, smc64 } of uapi.PSCI_FUNCTIONS) {
  if (smc32 !== undefined) numbers.set(`PSCI_FUNCTIONS.${name}.smc32`, BigInt(smc32));
  if (smc64 !== undefined) numbers.set(`PSCI_FUNCTIONS.${name}.smc64`, BigInt(smc64));
}
for (const { name, id } of uapi.PSCI_0_1_FUNCTIONS) numbers.set(`PSCI_0_1_FUNCTIONS.${name}`, BigInt(id));

const structs = new Map(
  Object.values(exported)
    .filter(
      (value): value is uapi.Struct => typeof value === 'object' && value !== null && 'offsets' in value,
    )
    .map((struct) => [struct.name, struct]),
);

const theirNumbers = new Map(Object.entries(headers.numbers).map(([name, value]) => [name, BigInt(value)]));
const theirStructs = new Map(Object.entries(headers.structs));

/** vkvm's own, and what describes this package instead of Linux. */
const isOurs = (name: string): boolean => name.startsWith('VKVM') || name === 'ABI_REVISION';

describe(`the headers of Linux ${headers.linux}`, () => {
  test('agree on every number', () => {
    const differences = [...theirNumbers].filter(([name, theirs]) => {
      const ours = numbers.get(name);
      return ours === undefined || BigInt.asUintN(64, ours) !== theirs;
    });
    expect(differences.map(([name]) => name).toSorted()).toEqual(Object.keys(KNOWN_DIFFERENCES).toSorted());
    const ours = Object.keys(KNOWN_DIFFERENCES).map((name) => [name, Number(numbers.get(name))]);
    expect(Object.fromEntries(ours)).toEqual(KNOWN_DIFFERENCES);
  });

  test('agree on the size of every struct, and on the offset and size of every field', () => {
    const ours = [...theirStructs].map(([name, theirs]) => {
      const struct = structs.get(name);
      const places = Object.keys(theirs.fields).map((field) => {
        const { offset, size } = struct?.fields[field] ?? {};
        return [field, [offset, size]];
      });
      return [name, { size: struct?.size, fields: Object.fromEntries(places) as unknown }];
    });
    expect(Object.fromEntries(ours)).toEqual(headers.structs);
  });

  test('were asked about everything but the reviewed exceptions', () => {
    const unknown = [...numbers.keys()].filter((name) => !theirNumbers.has(name) && !isOurs(name));
    for (const [name, { fields }] of structs) {
      if (/vkvm|^int$/.test(name)) continue;
      const theirs = theirStructs.get(name);
      if (theirs === undefined) unknown.push(name);
      else
        unknown.push(
          ...Object.keys(fields)
            .filter((field) => !(field in theirs.fields))
            .map((field) => `${name}.${field}`),
        );
    }
    expect(unknown.toSorted()).toEqual([...Object.keys(SINCE), ...NOT_EXPORTED].toSorted());
  });

  test('are older than every number that they do not know', () => {
    const order = (version: string): number => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      return major * 1000 + minor;
    };
    const older = Object.entries(SINCE).filter(([, since]) => order(since) <= order(headers.linux));
    expect(older).toEqual([]);
  });
});

describe(`the assembler (binutils ${headers.binutils})`, () => {
  const ours: Readonly<Record<string, number>> = { ...uapi.SYSREGS, ...uapi.SYSOPS };

  test('agrees on every encoding', () => {
    const encodings = Object.entries(headers.encodings).map(([name, key]) => [name, Number(key)]);
    expect(ours).toMatchObject(Object.fromEntries(encodings));
  });

  test('was asked about every register but those newer than it', () => {
    const unknown = Object.keys(ours).filter((name) => !(name in headers.encodings));
    expect(unknown.toSorted()).toEqual(NEWER_REGISTERS.toSorted());
  });
});

describe('linux-headers.json', () => {
  test('is what the script prints', (context) => {
    const compiler = 'aarch64-linux-gnu-gcc';
    if (spawnSync(compiler, ['--version']).status !== 0) context.skip(`not checked: there is no ${compiler}`);
    const script = new URL('../../../tools/linux-headers/generate.ts', import.meta.url).pathname;
    const printed = execFileSync(process.execPath, [script, '--print'], { encoding: 'utf8' });
    const { linux, binutils } = JSON.parse(printed) as Headers;
    if (linux !== headers.linux || binutils !== headers.binutils) {
      context.skip(`not checked: the headers here are of Linux ${linux}, binutils ${binutils}`);
    }
    expect(printed).toBe(committed);
  });
});
