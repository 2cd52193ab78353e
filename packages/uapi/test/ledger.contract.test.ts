import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as uapi from '@vkvm/uapi';
import { brokenBy, createLedger, diffLedgers } from '@vkvm/uapi/ledger';
import type { Ledger } from '@vkvm/uapi/ledger';

const folder = new URL('../abi/', import.meta.url);

const readLedger = (file: string): Ledger =>
  JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Ledger;

const files = readdirSync(folder).filter((file) => /^r\d+\.json$/.test(file));

describe('the frozen ledgers', () => {
  test('there is one of each revision, up to today’s', () => {
    const revisions = Array.from({ length: uapi.ABI_REVISION }, (_, index) => `r${index + 1}.json`);
    expect(files.toSorted()).toEqual(revisions.toSorted());
    for (const file of files) expect(`r${readLedger(file).revision}.json`).toBe(file);
  });

  test.each(files)('today’s tables contain %s unchanged', (file) => {
    expect(brokenBy(readLedger(file), createLedger())).toEqual([]);
  });

  test('today’s tables have nothing that is not frozen', () => {
    expect(diffLedgers(readLedger(`r${uapi.ABI_REVISION}.json`), createLedger())).toEqual([]);
  });
});

describe('a ledger', () => {
  const ledger = createLedger();

  test('survives JSON', () => {
    expect(JSON.parse(JSON.stringify(ledger))).toEqual(ledger);
  });

  test('has the members of Syscalls with the signatures of the source', () => {
    const source = readFileSync(new URL('../src/syscalls.ts', import.meta.url), 'utf8');
    const members = Array.from(
      source.matchAll(/^  (\w+)\((.*)\): (\w+);$/gm),
      ([, name, parameters, result]) => [name, `(${parameters}) => ${result}`],
    );
    expect(ledger.syscalls).toEqual(Object.fromEntries(members));
  });

  test('tells what was changed, removed and added', () => {
    const { KVM_API_VERSION, KVMIO, ...rest } = ledger.numbers;
    const newer: Ledger = { ...ledger, numbers: { ...rest, KVMIO: 1, KVM_NEW: 2 } };
    expect({ KVM_API_VERSION, KVMIO }).toEqual({ KVM_API_VERSION: 12, KVMIO: 0xae });
    const changed = { path: 'numbers.KVMIO', older: '174', newer: '1' };
    const removed = { path: 'numbers.KVM_API_VERSION', older: '12' };
    const added = { path: 'numbers.KVM_NEW', newer: '2' };
    const byPath = (left: { path: string }, right: { path: string }) => left.path.localeCompare(right.path);
    expect(diffLedgers(ledger, newer).toSorted(byPath)).toEqual([removed, added, changed].toSorted(byPath));
    expect(brokenBy(ledger, newer).toSorted(byPath)).toEqual([removed, changed].toSorted(byPath));
  });

  test('does not count a field that takes the place of a pad as a change', () => {
    const { kvm_run: run } = ledger.structs;
    expect(Object.keys(run?.fields ?? {})).not.toContain('padding1');
    expect(run?.fields['exit_reason']).toBe('8 u32');
  });
});

describe('the tables', () => {
  const exported: Readonly<Record<string, unknown>> = { ...uapi };
  const rows = [...uapi.IOCTLS, ...uapi.CAPS, ...uapi.EXITS];

  test('name every number as its export is named', () => {
    expect(rows.filter(({ name, number }) => exported[name] !== number)).toEqual([]);
  });

  test('hold every request, capability and exit reason that is exported', () => {
    const names = new Set<string>(rows.map(({ name }) => name));
    const codes = /^KVM_EXIT_(?:FAIL_ENTRY_|ARM_SEA_FLAG_)/; // codes within an exit, not exits
    const exits = Object.keys(uapi).filter((name) => /^V?KVM_(?:CAP|EXIT)_/.test(name) && !codes.test(name));
    const requests = Object.entries(exported).flatMap(([name, value]) =>
      typeof value === 'number' && isRequest(value) ? [name] : [],
    );
    expect(requests.length).toBeGreaterThan(50);
    expect([...exits, ...requests].filter((name) => !names.has(name))).toEqual([]);
  });

  test('hold no number twice', () => {
    const lists: unknown[][] = [
      uapi.IOCTLS.flatMap(({ number, files: kinds }) => kinds.map((kind) => `${kind} ${number}`)),
      uapi.CAPS.map(({ number }) => number),
      uapi.EXITS.map(({ number }) => number),
      uapi.PSCI_FUNCTIONS.flatMap(({ smc32, smc64 }) => [smc32, smc64]).filter((id) => id !== undefined),
      [...Object.values(uapi.SYSREGS), ...Object.values(uapi.SYSOPS)],
    ];
    for (const list of lists) expect(list.filter((item, index) => list.indexOf(item) !== index)).toEqual([]);
  });

  test('give each request an argument as long as its number says', () => {
    const length = ({ argument }: uapi.IoctlRow): number =>
      typeof argument === 'string' ? 0 : argument.size;
    const served = uapi.IOCTLS.filter(({ files: kinds }) => kinds.length > 0);
    expect(served.filter((row) => length(row) !== uapi.iocSize(row.number))).toEqual([]);
  });

  test('number the exits densely from 0 to 43', () => {
    expect(uapi.EXITS.slice(0, 44).map(({ number }) => number)).toEqual(
      Array.from({ length: 44 }, (_, n) => n),
    );
  });

  test('keep vkvm’s own numbers in vkvm’s ranges', () => {
    const isOurs = ({ name }: { name: string }): boolean => name.startsWith('VKVM_');
    const inRange = (number: number): boolean => number >>> 16 === 0x564b;
    const requestInRange = (number: number): boolean =>
      uapi.iocType(number) === uapi.VKVMIO && uapi.iocNr(number) < 0x80;
    expect([...uapi.CAPS, ...uapi.EXITS].filter((row) => isOurs(row) !== inRange(row.number))).toEqual([]);
    expect(uapi.IOCTLS.filter((row) => isOurs(row) !== requestInRange(row.number))).toEqual([]);
  });

  test('lay out every struct without overlap, within its size', () => {
    const structs = Object.values(exported).filter(
      (value): value is uapi.Struct => typeof value === 'object' && value !== null && 'offsets' in value,
    );
    expect(structs.length).toBeGreaterThan(40);
    const broken = structs.flatMap(({ name, size, fields }) => {
      const entries = Object.entries(fields);
      return entries
        .filter(
          ([, { offset, size: length }], index) => offset + length > (entries[index + 1]?.[1].offset ?? size),
        )
        .map(([field]) => `${name}.${field}`);
    });
    expect(broken).toEqual([]);
  });
});

function isRequest(value: number): boolean {
  const type = uapi.iocType(value);
  return value > 0xff && (type === uapi.KVMIO || type === uapi.VKVMIO);
}
