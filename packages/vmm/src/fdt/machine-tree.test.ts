import { spawnSync } from 'node:child_process';
import { PSCI_0_1, PSCI_0_2, PSCI_1_1 } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { applyMemory, machineTree } from './machine-tree.ts';
import type { PowerMeans } from './machine-tree.ts';
import { cells, node } from './tree.ts';
import type { FdtNode } from './tree.ts';
import { encodeFdt } from './writer.ts';

const hasDtc = spawnSync('dtc', ['--version']).status === 0;
if (!hasDtc)
  console.warn('dtc is not installed (Debian: device-tree-compiler); its check of the tree is skipped');

const options = (psci: PsciVersion = PSCI_1_1, gicVersion: 2 | 3 = 3, vcpus = 2) => ({
  ram: { base: 0x4000_0000, size: 0x1_2000_0000 },
  affinities: Array.from({ length: vcpus }, (_, id) => ((id >> 4) << 8) | (id & 15)),
  gicVersion,
  pmu: true,
  psci,
  conduit: 'hvc' as const,
  power: 'psci' as PowerMeans,
  chosen: { bootargs: 'console=ttyAMA0', rngSeed: new Uint8Array(64), kaslrSeed: new Uint8Array(8) },
});

const find = (root: FdtNode, path: string): FdtNode | undefined =>
  path
    .split('/')
    .reduce<FdtNode | undefined>(
      (parent, name) => parent?.children.find((child) => child.name === name),
      root,
    );
const strings = (value: Uint8Array | undefined) => new TextDecoder().decode(value).split('\0').slice(0, -1);

describe('machineTree', () => {
  test.skipIf(!hasDtc).each([
    [3, 2, PSCI_1_1],
    [3, 20, PSCI_0_1],
    [2, 8, PSCI_0_2],
  ] as const)(
    'is a tree that dtc has nothing to say about: GICv%i, %i vCPUs, PSCI %i',
    (gicVersion, vcpus, psci) => {
      const blob = encodeFdt(machineTree(options(psci, gicVersion, vcpus)));
      const { status, stderr } = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts', '-'], { input: blob });
      expect(stderr.toString()).toBe('');
      expect(status).toBe(0);
    },
  );

  test.each([
    [PSCI_0_1, ['arm,psci']],
    [PSCI_0_2, ['arm,psci-0.2']],
    [PSCI_1_1, ['arm,psci-1.0', 'arm,psci-0.2']],
  ] as const)('announces the PSCI that answers: %i', (version, compatible) => {
    const psci = find(machineTree(options(version)), 'psci');
    expect(strings(psci?.properties.get('compatible'))).toEqual(compatible);
    expect(psci?.properties.has('cpu_on')).toBe(version === PSCI_0_1);
  });

  test('names the PMU and its interrupt, where there is one', () => {
    expect(find(machineTree(options()), 'pmu')?.properties).toEqual(
      new Map([
        ['compatible', new TextEncoder().encode('arm,armv8-pmuv3\0')],
        ['interrupts', cells(1, 7, 4)],
      ]),
    );
    expect(find(machineTree(options(PSCI_1_1, 2, 3)), 'pmu')?.properties.get('interrupts')).toEqual(
      cells(1, 7, 0x704),
    );
    expect(find(machineTree({ ...options(), pmu: false }), 'pmu')).toBeUndefined();
  });

  test('has a power control only where PSCI cannot turn the machine off', () => {
    const names = (psci: PsciVersion) => machineTree(options(psci)).children.map(({ name }) => name);
    expect(names(PSCI_0_1)).toEqual(expect.arrayContaining(['power-control@90f0000', 'poweroff', 'reboot']));
    expect(names(PSCI_0_2)).not.toContain('poweroff');
  });

  test('without PSCI, has a power control, and one CPU that nobody turns on', () => {
    const root = machineTree({ ...options(PSCI_1_1, 3, 1), power: 'syscon' });
    const names = root.children.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['power-control@90f0000', 'poweroff', 'reboot']));
    expect(names).not.toContain('psci');
    expect(find(root, 'cpus/cpu@0')?.properties.has('enable-method')).toBe(false);
  });

  test('has a power key, wired to the PL061', () => {
    const root = machineTree(options());
    const key = find(root, 'gpio-keys/poweroff')?.properties;
    const phandle = find(root, 'pl061@9030000')?.properties.get('phandle');
    expect(key?.get('gpios')).toEqual(Uint8Array.of(...(phandle ?? []), 0, 0, 0, 3, 0, 0, 0, 0));
    expect(key?.get('linux,code')).toEqual(cells(116));
  });

  test('names CPUs by affinity, which has 16 to a cluster', () => {
    const cpus = find(machineTree(options(PSCI_1_1, 3, 18)), 'cpus');
    expect(cpus?.children.at(-1)?.name).toBe('cpu@101');
    expect(cpus?.children.at(-1)?.properties.get('reg')).toEqual(cells(0x101));
  });
});

describe('applyMemory', () => {
  test('uses as many cells as the tree says', () => {
    const root = node('', { '#address-cells': cells(1), '#size-cells': cells(1) }, [
      node('memory@0'),
      node('cpus'),
    ]);
    applyMemory(root, { base: 0x4000_0000, size: 0x800_0000 });
    expect(root.children.map(({ name }) => name)).toEqual(['cpus', 'memory@40000000']);
    expect(root.children[1]?.properties.get('reg')).toEqual(cells(0x4000_0000, 0x800_0000));
  });
});
