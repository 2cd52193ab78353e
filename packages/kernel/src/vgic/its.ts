/** The ITSes of a VM: how they come and go, and the messages that arrive at them. */
import { EBUSY, EINVAL, ENODEV, ENOMEM, KVM_MSI_VALID_DEVID, KVM_VGIC_V3_ITS_SIZE } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { PROCESS_LOCK, allocateBlock, freeBlock } from '../state/arena.ts';
import type { Block } from '../state/block.ts';
import { messageOf } from '../state/irq-routing.ts';
import type { Message } from '../state/irq-routing.ts';
import { withLock } from '../state/lock.ts';
import { VGIC_LOCK } from '../state/vm-control.ts';
import { signalAndRequest } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { RAISED_NOTHING, RAISE_DISABLED, advanceAll, itsesOf, raise } from './its-commands.ts';
import { resetRegisters } from './its-registers.ts';
import { ITS_BASE, ITS_BLOCK_SIZE, ITS_NEXT, ITS_PLACED, ITS_VM, MAX_ITSES } from './its-state.ts';
import type { Its } from './its-state.ts';
import { LPI_BLOCK_SIZE } from './lpi-state.ts';
import { lpisOf } from './lpis.ts';
import { ITS_COUNT, ITS_FIRST, LPIS, PROPBASER } from './state.ts';
import { INITIAL_TABLE } from './table-attributes.ts';

const gicOf = (vm: Block, host: Host): Gic => ({ words: vm.words, vm: vm.base, host });

/** A new ITS, which stays as long as the VM. The VM lock is held. @returns its block, or -ENOMEM */
export function createIts(vm: Block, host: Host): number {
  const { words } = vm;
  if (vm.get32(ITS_COUNT) === MAX_ITSES) return -ENOMEM;
  return withLock(words, vm.base + VGIC_LOCK, host, () => {
    const blocks = withLock(words, PROCESS_LOCK, host, () => allocateBlocks(vm));
    if (!blocks) return -ENOMEM;
    const { base, lpis } = blocks;
    words.set32(base + ITS_VM, vm.base);
    resetRegisters({ words, base });
    words.set32(base + ITS_NEXT, vm.get32(ITS_FIRST));
    vm.set32(LPIS, lpis);
    vm.set32(PROPBASER, INITIAL_TABLE);
    vm.set32(PROPBASER + 4, 0);
    vm.set32(ITS_FIRST, base);
    vm.set32(ITS_COUNT, vm.get32(ITS_COUNT) + 1);
    return base;
  });
}

/** Block of an ITS, and that of the LPIs, which the first one brings. @returns `undefined` without room */
function allocateBlocks(vm: Block): { base: number; lpis: number } | undefined {
  const { words } = vm;
  const known = vm.get32(LPIS);
  const lpis = known || allocateBlock(words, blockSize(LPI_BLOCK_SIZE));
  if (lpis === 0) return undefined;
  const base = allocateBlock(words, blockSize(ITS_BLOCK_SIZE));
  if (base !== 0) return { base, lpis };
  if (known === 0) freeBlock(words, lpis, blockSize(LPI_BLOCK_SIZE));
  return undefined;
}

const blockSize = (bytes: number): number => Math.ceil(bytes / 4096) * 4096;

/** Gives all of them back: the VM is gone. The process lock is held. */
export function releaseItses(vm: Block): void {
  const { words } = vm;
  const blocks = [...itsesOf({ words, vm: vm.base })].map(({ base }) => base);
  for (const base of blocks) freeBlock(words, base, blockSize(ITS_BLOCK_SIZE));
  const lpis = vm.get32(LPIS);
  if (lpis !== 0) freeBlock(words, lpis, blockSize(LPI_BLOCK_SIZE));
}

/** The ITS whose frames hold a guest-physical address. */
export function itsAt(gic: Pick<Gic, 'words' | 'vm'>, gpa: number): Its | undefined {
  for (const its of itsesOf(gic)) {
    const { words, base } = its;
    const offset = gpa - words.getNumber(base + ITS_BASE);
    if (words.get32(base + ITS_PLACED) !== 0 && offset >= 0 && offset < KVM_VGIC_V3_ITS_SIZE) return its;
  }
  return undefined;
}

/** The vGIC lock is held. */
function send(gic: Gic, { address, data, device, flags }: Message): number {
  const lpis = lpisOf(gic);
  if (!lpis) return -ENODEV;
  if ((flags & KVM_MSI_VALID_DEVID) === 0) return -EINVAL;
  const its = itsAt(gic, Number(address));
  if (!its) return -EINVAL;
  const vcpu = raise(gic, its, lpis, device, data);
  if (vcpu === RAISE_DISABLED) return -EBUSY;
  if (vcpu === RAISED_NOTHING) return 0;
  signalAndRequest(gic, vcpu);
  return 1;
}

/**
 * KVM_SIGNAL_MSI: a message, from any thread.
 * @returns 1; 0 the guest has no use for it; -ENODEV no ITS; -EINVAL it is not addressed to one; -EBUSY not enabled
 */
export function sendMessage(vm: Block, message: Message, host: Host): number {
  return withLock(vm.words, vm.base + VGIC_LOCK, host, () => send(gicOf(vm, host), message));
}

/** Sends the message that a GSI stands for, if it does, from any thread. */
export function sendGsi(vm: Block, gsi: number, host: Host): void {
  withLock(vm.words, vm.base + VGIC_LOCK, host, () => {
    const message = messageOf(vm, gsi);
    if (message) send(gicOf(vm, host), message);
  });
}

/** Goes on with commands that one step did not come to. Memslots do not change: guest-memory.ts. */
export function advanceItses(vm: Block, host: Host): void {
  withLock(vm.words, vm.base + VGIC_LOCK, host, () => advanceAll(gicOf(vm, host)));
}
