import { execFileSync, spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FdtError } from './format.ts';
import { decodeFdt } from './reader.ts';
import { cells, cells64, flag, node, text } from './tree.ts';
import type { FdtNode } from './tree.ts';
import { encodeFdt } from './writer.ts';

const hasDtc = spawnSync('dtc', ['--version']).status === 0;
if (!hasDtc) console.warn('dtc is not installed (Debian: device-tree-compiler); its comparison is skipped');

const dtc = (input: Uint8Array, ...args: string[]): Buffer =>
  execFileSync('dtc', ['-q', ...args, '-'], { input, stdio: ['pipe', 'pipe', 'ignore'] });

const sample = (): FdtNode =>
  node('', { '#address-cells': cells(2), '#size-cells': cells(2), compatible: text('linux,dummy-virt') }, [
    node('memory@40000000', { device_type: text('memory'), reg: cells64(0x4000_0000, 0x2000_0000) }),
    node('chosen', { bootargs: text('console=ttyAMA0'), 'rng-seed': new Uint8Array([1, 2, 3]) }),
    node('timer', { 'always-on': flag, compatible: text('arm,armv8-timer', 'arm,armv7-timer') }),
  ]);

const nodeName = fc.stringMatching(/^[0-9A-Za-z,._+-]{1,20}(@[0-9a-f]{1,8})?$/);
const propertyName = fc.stringMatching(/^[0-9A-Za-z,._+?#-]{1,31}$/);
const properties = fc
  .uniqueArray(fc.tuple(propertyName, fc.uint8Array({ maxLength: 40 })), {
    selector: ([name]) => name,
    maxLength: 6,
  })
  .map((entries) => new Map(entries));
const tree = fc.memo((depth): fc.Arbitrary<FdtNode> => {
  const children =
    depth > 1
      ? fc.uniqueArray(tree(depth - 1), { selector: ({ name }) => name, maxLength: 3 })
      : fc.constant<FdtNode[]>([]);
  return fc.record({ name: nodeName, properties, children });
});

describe('encodeFdt', () => {
  test('writes a blob that decodes to the same tree', () => {
    fc.assert(
      fc.property(tree(4), (named) => {
        const root = { ...named, name: '' };
        expect(decodeFdt(encodeFdt(root)).root).toEqual(root);
      }),
      { numRuns: 200 },
    );
  });

  test('keeps reservations and the boot CPU', () => {
    const reservations = [{ address: 0x4800_0000, size: 0x1000 }];
    const fdt = decodeFdt(encodeFdt(sample(), { reservations, bootCpu: 3 }));
    expect(fdt.reservations).toEqual(reservations);
    expect(fdt.bootCpu).toBe(3);
  });

  test.skipIf(!hasDtc)('agrees with dtc: source, blob and source again are one tree', () => {
    const blob = encodeFdt(sample(), { reservations: [{ address: 0x4800_0000, size: 0x1000 }] });
    const source = dtc(blob, '-I', 'dtb', '-O', 'dts');
    expect(source.toString()).toContain('compatible = "arm,armv8-timer\\0arm,armv7-timer";');
    const compiled = dtc(source, '-I', 'dts', '-O', 'dtb');
    expect(decodeFdt(compiled)).toEqual(decodeFdt(blob));
  });

  test('takes the names of trees in the wild when told to', () => {
    const wild = node('', {}, [
      node(`${'very-'.repeat(8)}long-name@0`, { [`vendor,${'x'.repeat(40)}`]: flag }),
    ]);
    expect(() => encodeFdt(wild)).toThrow(FdtError);
    expect(decodeFdt(encodeFdt(wild, { names: 'any' })).root).toEqual(wild);
    expect(() => encodeFdt(node('', { 'caf\u00e9': flag }), { names: 'any' })).toThrow(
      "property name 'caf\u00e9' in /",
    );
  });

  test.each([
    ['a name with a space', node('', {}, [node('a b')]), "node name 'a b' in /"],
    ['a name of 32 characters', node('', {}, [node('x'.repeat(32))]), 'node name'],
    ['a nameless child', node('', {}, [node('')]), "node name '' in /"],
    ['a named root', node('root'), "must have no name, not 'root'"],
    ['two children with one name', node('', {}, [node('a'), node('a')]), "two nodes 'a' in /"],
    ['a property name with a slash', node('', {}, [node('n', { 'a/b': flag })]), "property name 'a/b' in /n"],
  ])('refuses %s', (_, root, message) => {
    expect(() => encodeFdt(root)).toThrow(FdtError);
    expect(() => encodeFdt(root)).toThrow(message);
  });
});

describe('decodeFdt', () => {
  test('never fails with anything but an FdtError, whatever the bytes', () => {
    const blob = encodeFdt(sample());
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.nat(255), fc.nat(blob.length), (at, value, length) => {
        const broken = blob.slice(0, length);
        if (at < length) broken[at] = value;
        try {
          decodeFdt(broken);
        } catch (error) {
          expect(error).toBeInstanceOf(FdtError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['an empty file', new Uint8Array(0), '0 bytes are too few'],
    ['another format', new Uint8Array(64), 'it starts with 0x0, not 0xd00dfeed'],
    [
      'source text',
      new TextEncoder().encode('/dts-v1/;\n/ { compatible = "x"; a = <1 2 3>; };'),
      'compile it first: dtc -O dtb',
    ],
    [
      'a cut blob',
      encodeFdt(sample()).subarray(0, 100),
      /truncated: the header says \d+ bytes, the file has 100/,
    ],
  ])('says what is wrong with %s', (_, bytes, message) => {
    expect(() => decodeFdt(bytes)).toThrow(message);
  });
});
