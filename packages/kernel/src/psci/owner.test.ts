import {
  PSCI_0_1_FUNCTIONS,
  PSCI_FUNCTIONS,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import type { Block } from '../state/block.ts';
import { X } from '../state/vcpu-state.ts';
import { arePsci, isPsci } from './ids.ts';
import { isUserPsci, setPsciOwner } from './owner.ts';

const ids = [
  ...PSCI_FUNCTIONS.flatMap(({ name, smc32, smc64 }) => [
    ...(smc32 === undefined ? [] : [[name, smc32] as const]),
    ...(smc64 === undefined ? [] : [[`${name} 64`, smc64] as const]),
  ]),
  ...PSCI_0_1_FUNCTIONS.map(({ name, id }) => [`0.1 ${name}`, id] as const),
];

function ownedBy(user: boolean, owner: number): string[] {
  const { vm, vcpus, host } = bareVm([0]);
  const [vcpu] = vcpus as [Block];
  setPsciOwner(vm, BigInt(owner), host);
  const isOwned = (id: number): boolean => {
    vcpu.set64(X, BigInt(id));
    return isUserPsci(vcpu) === user;
  };
  return ids.filter(([, id]) => isOwned(id)).map(([name]) => name);
}

test('a function id is PSCI’s by its range', () => {
  const edges = [0x8400_0000, 0xc400_0000, 0x95c1_ba5e].flatMap((first) => [first - 1, first, first + 1]);
  const ends = [0x8400_001f, 0xc400_001f, 0x95c1_ba61].flatMap((last) => [last, last + 1]);
  const others = [0, 0x0400_0003, 0x4400_0003, 0x84ff_0003, 0x8000_0000, 0xffff_ffff];
  for (const id of [...edges, ...ends, ...others]) expect(isPsci(id), id.toString(16)).toBe(arePsci(id, id));
  expect([0x8400_0000, 0xc400_001f, 0x95c1_ba60].map(isPsci)).toEqual([true, true, true]);
});

describe('the owner of PSCI', () => {
  test('kernel: leaves nothing to user space', () => {
    expect(ownedBy(true, VKVM_PSCI_OWNER_KERNEL)).toEqual([]);
  });

  test('exit: leaves to the kernel what is about one CPU', () => {
    expect(ownedBy(false, VKVM_PSCI_OWNER_EXIT)).toEqual([
      'CPU_SUSPEND',
      'CPU_SUSPEND 64',
      'CPU_OFF',
      'CPU_ON',
      'CPU_ON 64',
      'AFFINITY_INFO',
      'AFFINITY_INFO 64',
      '0.1 CPU_SUSPEND',
      '0.1 CPU_OFF',
      '0.1 CPU_ON',
    ]);
  });

  test('user: leaves nothing to the kernel', () => {
    expect(ownedBy(false, VKVM_PSCI_OWNER_USER)).toEqual([]);
  });
});
