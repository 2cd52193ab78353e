/** What a device tree says about PSCI. Source: Linux Documentation/devicetree/bindings/arm/psci.yaml. */
import { PSCI_0_1, PSCI_0_2, PSCI_1_0 } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import type { FdtNode } from '../fdt/tree.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import { findId } from './psci-ids.ts';

/** The instruction that calls PSCI. */
export type PsciConduit = 'hvc' | 'smc';

/** What the guest will really find. */
export interface PsciFacts {
  readonly version: PsciVersion;
  /** Whether calls by SMC are served as those by HVC are. */
  readonly smc: boolean;
}

const format = (version: PsciVersion): string => `${version >>> 16}.${version & 0xffff}`;

const strings = (value: Uint8Array | undefined): string[] =>
  value ? new TextDecoder().decode(value).split('\0').filter(Boolean) : [];

const cell = (value: Uint8Array): number =>
  new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(0);

/** The properties that name the functions of version 0.1, and what older guests call by them. */
const ID_PROPERTIES = ['cpu_suspend', 'cpu_off', 'cpu_on', 'migrate'] as const;

const findNode = (parent: FdtNode | undefined, name: string): FdtNode | undefined =>
  parent?.children.find((child) => child.name === name || child.name.startsWith(`${name}@`));

/** Whether a CPU of the tree is turned on through PSCI. */
const needsPsci = (root: FdtNode): boolean =>
  findNode(root, 'cpus')?.children.some(({ properties }) =>
    strings(properties.get('enable-method')).includes('psci'),
  ) ?? false;

/**
 * Refuses a tree that announces what PSCI does not answer. One that says less than is there is fine.
 *
 * @throws {AbiMismatchError} naming both sides and the remedy
 */
export function checkPsciTree(root: FdtNode, { version, smc }: PsciFacts): void {
  const refuse = (announced: string, remedy: string): never => {
    throw new AbiMismatchError(
      `the device tree ${announced}, but the guest finds PSCI ${format(version)}; ${remedy}`,
    );
  };
  const psci = findNode(root, 'psci');
  if (!psci) {
    if (needsPsci(root)) refuse('turns CPUs on through PSCI and has no node for it', 'add a psci node');
    return;
  }
  const { properties } = psci;
  const compatible = strings(properties.get('compatible'));
  const remedy = `use --psci with the version the tree is for, or a tree for version ${format(version)}`;
  if (compatible.includes('arm,psci-1.0') && version < PSCI_1_0) refuse('announces arm,psci-1.0', remedy);
  if (compatible.includes('arm,psci-0.2') && version < PSCI_0_2) refuse('announces arm,psci-0.2', remedy);
  if (version === PSCI_0_1 && !compatible.includes('arm,psci')) refuse('does not announce arm,psci', remedy);
  // Ids that a guest of 0.2 and newer ignores are read by one of 0.1.
  if (compatible.includes('arm,psci')) {
    for (const property of ID_PROPERTIES) {
      const value = properties.get(property);
      if (value?.length !== 4) continue;
      const id = cell(value);
      const row = findId(id, version);
      if (row?.name.toLowerCase() === property) continue;
      refuse(
        `says that ${property} is 0x${id.toString(16)}`,
        `no function of this version has that id; ${remedy}`,
      );
    }
    if (version === PSCI_0_1 && !properties.has('cpu_on')) refuse('has no function ids', remedy);
  }
  const [method] = strings(properties.get('method'));
  if (method !== 'hvc' && method !== 'smc')
    refuse(`calls PSCI by ${method ?? 'nothing'}`, 'the method is hvc or smc');
  if (method === 'smc' && !smc)
    refuse('calls PSCI by SMC', 'this kernel serves only HVC; make the method hvc');
}
