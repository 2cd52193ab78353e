import { PSCI_0_1, PSCI_0_2, PSCI_1_0, PSCI_1_3, PSCI_VERSIONS } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { cells, node, text } from '../fdt/tree.ts';
import type { FdtNode } from '../fdt/tree.ts';
import { machineTree } from '../fdt/machine-tree.ts';
import { checkPsciTree } from './psci-tree.ts';

const cpus = node('cpus', {}, [node('cpu@0', { 'enable-method': text('psci') })]);
const tree = (...children: readonly FdtNode[]): FdtNode => node('', {}, [cpus, ...children]);
const psci = (compatible: readonly string[], rest: Record<string, Uint8Array> = {}): FdtNode =>
  node('psci', { compatible: text(...compatible), method: text('hvc'), ...rest });

const IDS_0_1 = {
  cpu_suspend: cells(0x95c1_ba5e),
  cpu_off: cells(0x95c1_ba5f),
  cpu_on: cells(0x95c1_ba60),
  migrate: cells(0x95c1_ba61),
};
const IDS_0_2 = { cpu_suspend: cells(0xc400_0001), cpu_off: cells(0x8400_0002), cpu_on: cells(0xc400_0003) };

function refusal(root: FdtNode, version: PsciVersion, smc = true): string {
  try {
    checkPsciTree(root, { version, smc });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbiMismatchError') return error.message;
    throw error;
  }
  return '';
}

describe('a device tree fits', () => {
  test.each(PSCI_VERSIONS)('if it is ours for version %#x', (version) => {
    for (const conduit of ['hvc', 'smc'] as const) {
      const root = machineTree({
        ram: { base: 0x4000_0000, size: 0x1000_0000 },
        affinities: [0],
        gicVersion: 3,
        pmu: true,
        psci: version,
        conduit,
        power: 'psci',
        chosen: { bootargs: '', rngSeed: new Uint8Array(64), kaslrSeed: new Uint8Array(8) },
      });
      expect(refusal(root, version)).toBe('');
    }
  });

  test('if it says less than is there', () => {
    expect(refusal(tree(psci(['arm,psci-0.2'])), PSCI_1_3)).toBe('');
    expect(refusal(node(''), PSCI_1_3)).toBe('');
  });

  test('if it is QEMU’s, which speaks to guests of every age', () => {
    const root = tree(psci(['arm,psci-1.0', 'arm,psci-0.2', 'arm,psci'], IDS_0_2));
    expect(refusal(root, PSCI_1_0)).toBe('');
  });
});

describe('a device tree is refused', () => {
  test.each([
    [
      'a version that is not there',
      tree(psci(['arm,psci-1.0', 'arm,psci-0.2'])),
      PSCI_0_2,
      'announces arm,psci-1.0',
    ],
    ['0.2 where there is 0.1', tree(psci(['arm,psci-0.2'])), PSCI_0_1, 'announces arm,psci-0.2'],
    [
      'ids of 0.1 where there is a newer one',
      tree(psci(['arm,psci'], IDS_0_1)),
      PSCI_1_3,
      'says that cpu_suspend is 0x95c1ba5e',
    ],
    [
      'ids of 0.2 where there is 0.1',
      tree(psci(['arm,psci'], IDS_0_2)),
      PSCI_0_1,
      'says that cpu_suspend is 0xc4000001',
    ],
    [
      'ids that are another function’s',
      tree(psci(['arm,psci'], { cpu_on: cells(0x95c1_ba5f) })),
      PSCI_0_1,
      'says that cpu_on is 0x95c1ba5f',
    ],
    ['0.1 without ids', tree(psci(['arm,psci'])), PSCI_0_1, 'has no function ids'],
    [
      'no method',
      tree(node('psci', { compatible: text('arm,psci-0.2') })),
      PSCI_1_3,
      'calls PSCI by nothing',
    ],
    [
      'CPUs that want PSCI, and no node',
      tree(),
      PSCI_1_3,
      'turns CPUs on through PSCI and has no node for it',
    ],
  ] as const)('with %s', (_, root, version, message) => {
    expect(refusal(root, version)).toContain(`the device tree ${message}`);
  });

  test('that calls by SMC, where only HVC is served', () => {
    const root = tree(psci(['arm,psci-1.0'], { method: text('smc') }));
    expect(refusal(root, PSCI_1_3)).toBe('');
    expect(refusal(root, PSCI_1_3, false)).toBe(
      'the device tree calls PSCI by SMC, but the guest finds PSCI 1.3; this kernel serves only HVC; make the method hvc',
    );
  });
});
