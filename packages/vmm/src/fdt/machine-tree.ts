/**
 * This machine as a device tree. Sources: Linux Documentation/devicetree/bindings (arm/psci.yaml, arm/cpus.yaml,
 * interrupt-controller/arm,gic-v3.yaml and arm,gic.yaml, timer/arm,arch_timer.yaml, arm/pmu.yaml, serial/pl011.yaml,
 * rtc/arm,pl031.yaml, gpio/pl061-gpio.yaml, input/gpio-keys.yaml, power/reset/syscon-poweroff.yaml); dt-schema chosen.yaml.
 */
import { PSCI_0_1, PSCI_0_1_FUNCTIONS, PSCI_0_2 } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { POWER_CONTROL, POWER_CONTROL_OFF, POWER_CONTROL_RESET } from '../devices/power-control.ts';
import {
  APB_CLOCK_HZ,
  GICC,
  GICD,
  GICR,
  PL011,
  PL031,
  PL061,
  PMU_PPI,
  POWER,
  POWER_KEY_PIN,
  TIMER_PPIS,
} from '../machine/layout.ts';
import type { PsciConduit } from '../smccc/psci-tree.ts';
import { cells, cells64, flag, node, text } from './tree.ts';
import type { FdtNode } from './tree.ts';

/** What turns the machine off: PSCI, or a register and no PSCI at all. */
export type PowerMeans = 'psci' | 'syscon';

/** What differs between one machine and another. */
export interface MachineTreeOptions {
  readonly ram: { readonly base: number; readonly size: number };
  /** MPIDR_EL1 affinity fields of each vCPU, Aff2 to Aff0. */
  readonly affinities: readonly number[];
  readonly gicVersion: 2 | 3;
  readonly pmu: boolean;
  /** The version that the guest will really find. */
  readonly psci: PsciVersion;
  readonly conduit: PsciConduit;
  readonly power: PowerMeans;
  readonly chosen: ChosenOptions;
}

/** What the boot loader tells the kernel. */
export interface ChosenOptions {
  /** Kernel command line. */
  readonly bootargs: string;
  /** Guest-physical range of the initial ramdisk, end exclusive. */
  readonly initrd?: { readonly start: number; readonly end: number };
  /** Random bytes for the kernel's generator. */
  readonly rngSeed: Uint8Array;
  /** 8 random bytes for address space layout randomisation. */
  readonly kaslrSeed: Uint8Array;
}

const GIC_PHANDLE = 1;
const CLOCK_PHANDLE = 2;
const POWER_PHANDLE = 3;
const GPIO_PHANDLE = 4;

/** Linux input event code of the power key. Source: include/uapi/linux/input-event-codes.h. */
const KEY_POWER = 116;

/** First cell of an interrupt specifier. Source: dt-bindings/interrupt-controller/arm-gic.h. */
const GIC_SPI = 0;
const GIC_PPI = 1;
const IRQ_TYPE_LEVEL_HIGH = 4;

const SERIAL_NAME = `pl011@${PL011.base.toString(16)}`;

/** Whether the machine needs a power control: PSCI is not there, or is older than SYSTEM_OFF. */
export const hasPowerControl = (power: PowerMeans, psci: PsciVersion): boolean =>
  power === 'syscon' || psci === PSCI_0_1;

/** The whole tree. */
export function machineTree({
  ram,
  affinities,
  gicVersion,
  pmu,
  psci,
  conduit,
  power,
  chosen,
}: MachineTreeOptions): FdtNode {
  // On GICv2 a PPI's flags also hold the mask of CPUs it goes to.
  const ppiFlags =
    gicVersion === 2 ? IRQ_TYPE_LEVEL_HIGH | (((1 << affinities.length) - 1) << 8) : IRQ_TYPE_LEVEL_HIGH;
  const root = node(
    '',
    {
      '#address-cells': cells(2),
      '#size-cells': cells(2),
      compatible: text('linux,dummy-virt'),
      model: text('vkvm'),
      'interrupt-parent': cells(GIC_PHANDLE),
    },
    [
      node('aliases', { serial0: text(`/${SERIAL_NAME}`) }),
      node('chosen', { 'stdout-path': text(`/${SERIAL_NAME}`) }),
      memoryNode(ram),
      ...(power === 'psci' ? [psciNode(psci, conduit)] : []),
      cpusNode(affinities, power),
      node('timer', {
        compatible: text('arm,armv8-timer'),
        interrupts: cells(...TIMER_PPIS.flatMap((ppi) => [GIC_PPI, ppi, ppiFlags])),
        'always-on': flag,
      }),
      ...(pmu ? [pmuNode(ppiFlags)] : []),
      gicVersion === 3 ? gicV3Node(affinities.length) : gicV2Node(),
      node('apb-pclk', {
        compatible: text('fixed-clock'),
        '#clock-cells': cells(0),
        'clock-frequency': cells(APB_CLOCK_HZ),
        'clock-output-names': text('clk24mhz'),
        phandle: cells(CLOCK_PHANDLE),
      }),
      primeCell(SERIAL_NAME, 'arm,pl011', PL011, ['uartclk', 'apb_pclk']),
      primeCell(`pl031@${PL031.base.toString(16)}`, 'arm,pl031', PL031, ['apb_pclk']),
      ...powerKeyNodes(),
      ...(hasPowerControl(power, psci) ? powerNodes() : []),
    ],
  );
  applyChosen(root, chosen);
  return root;
}

/** Sets in `/chosen` what the boot loader has to say, in a tree of ours or a user's. */
export function applyChosen(root: FdtNode, { bootargs, initrd, rngSeed, kaslrSeed }: ChosenOptions): void {
  const chosen = root.children.find(({ name }) => name === 'chosen') ?? node('chosen');
  if (!root.children.includes(chosen)) root.children.push(chosen);
  const { properties } = chosen;
  if (bootargs !== '') properties.set('bootargs', text(bootargs));
  properties.delete('linux,initrd-start');
  properties.delete('linux,initrd-end');
  if (initrd) {
    properties.set('linux,initrd-start', cells64(initrd.start));
    properties.set('linux,initrd-end', cells64(initrd.end));
  }
  properties.set('rng-seed', rngSeed);
  properties.set('kaslr-seed', kaslrSeed);
}

/** Makes the memory nodes of a user's tree say what RAM there is. */
export function applyMemory(root: FdtNode, ram: { readonly base: number; readonly size: number }): void {
  root.children = root.children.filter(({ name }) => name !== 'memory' && !name.startsWith('memory@'));
  const cellCount = (name: string, otherwise: number): number => {
    const value = root.properties.get(name);
    return value ? new DataView(value.buffer, value.byteOffset).getUint32(0) : otherwise;
  };
  const memory = memoryNode(ram);
  memory.properties.set(
    'reg',
    cells(
      ...toCells(ram.base, cellCount('#address-cells', 2)),
      ...toCells(ram.size, cellCount('#size-cells', 1)),
    ),
  );
  root.children.push(memory);
}

/** `value` as `count` cells, 1 or 2. */
const toCells = (value: number, count: number): number[] =>
  count === 1 ? [value] : [Math.floor(value / 2 ** 32), value >>> 0];

const memoryNode = ({ base, size }: { readonly base: number; readonly size: number }): FdtNode =>
  node(`memory@${base.toString(16)}`, { device_type: text('memory'), reg: cells64(base, size) });

function psciNode(version: PsciVersion, conduit: PsciConduit): FdtNode {
  if (version === PSCI_0_1) {
    const functions = PSCI_0_1_FUNCTIONS.map(({ name, id }) => [name.toLowerCase(), cells(id)] as const);
    return node('psci', {
      compatible: text('arm,psci'),
      method: text(conduit),
      ...Object.fromEntries(functions),
    });
  }
  const compatible = version === PSCI_0_2 ? text('arm,psci-0.2') : text('arm,psci-1.0', 'arm,psci-0.2');
  return node('psci', { compatible, method: text(conduit) });
}

const cpusNode = (affinities: readonly number[], power: PowerMeans): FdtNode =>
  node(
    'cpus',
    { '#address-cells': cells(1), '#size-cells': cells(0) },
    affinities.map((affinity) =>
      node(`cpu@${affinity.toString(16)}`, {
        device_type: text('cpu'),
        compatible: text('arm,armv8'),
        reg: cells(affinity),
        ...(power === 'psci' && { 'enable-method': text('psci') }),
      }),
    ),
  );

const pmuNode = (ppiFlags: number): FdtNode =>
  node('pmu', {
    compatible: text('arm,armv8-pmuv3'),
    interrupts: cells(GIC_PPI, PMU_PPI, ppiFlags),
  });

const gicV3Node = (vcpus: number): FdtNode =>
  node(`intc@${GICD.base.toString(16)}`, {
    compatible: text('arm,gic-v3'),
    '#interrupt-cells': cells(3),
    '#address-cells': cells(0),
    'interrupt-controller': flag,
    '#redistributor-regions': cells(1),
    reg: cells64(GICD.base, GICD.size, GICR.base, vcpus * 0x2_0000),
    phandle: cells(GIC_PHANDLE),
  });

const gicV2Node = (): FdtNode =>
  node(`intc@${GICD.base.toString(16)}`, {
    compatible: text('arm,cortex-a15-gic'),
    '#interrupt-cells': cells(3),
    '#address-cells': cells(0),
    'interrupt-controller': flag,
    reg: cells64(GICD.base, 0x1000, GICC.base, GICC.size),
    phandle: cells(GIC_PHANDLE),
  });

const primeCell = (
  name: string,
  compatible: string,
  { base, size, spi }: { readonly base: number; readonly size: number; readonly spi: number },
  clocks: readonly string[],
): FdtNode =>
  node(name, {
    compatible: text(compatible, 'arm,primecell'),
    reg: cells64(base, size),
    interrupts: cells(GIC_SPI, spi, IRQ_TYPE_LEVEL_HIGH),
    clocks: cells(...clocks.map(() => CLOCK_PHANDLE)),
    'clock-names': text(...clocks),
  });

function powerKeyNodes(): FdtNode[] {
  const gpio = primeCell(`pl061@${PL061.base.toString(16)}`, 'arm,pl061', PL061, ['apb_pclk']);
  gpio.properties.set('gpio-controller', flag);
  gpio.properties.set('#gpio-cells', cells(2));
  gpio.properties.set('interrupt-controller', flag);
  gpio.properties.set('#address-cells', cells(0));
  gpio.properties.set('#interrupt-cells', cells(2));
  gpio.properties.set('phandle', cells(GPIO_PHANDLE));
  const key = node('poweroff', {
    label: text('GPIO Key Poweroff'),
    'linux,code': cells(KEY_POWER),
    gpios: cells(GPIO_PHANDLE, POWER_KEY_PIN, 0),
  });
  return [gpio, node('gpio-keys', { compatible: text('gpio-keys') }, [key])];
}

function powerNodes(): FdtNode[] {
  const syscon = (name: string, value: number): FdtNode =>
    node(name, {
      compatible: text(`syscon-${name}`),
      regmap: cells(POWER_PHANDLE),
      offset: cells(POWER_CONTROL),
      value: cells(value),
    });
  const control = node(`power-control@${POWER.base.toString(16)}`, {
    compatible: text('vkvm,power-control', 'syscon'),
    reg: cells64(POWER.base, POWER.size),
    phandle: cells(POWER_PHANDLE),
  });
  return [control, syscon('poweroff', POWER_CONTROL_OFF), syscon('reboot', POWER_CONTROL_RESET)];
}
