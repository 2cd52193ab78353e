/** A VM without the control plane: blocks laid out by hand, a clock that a test sets, and a few pages of user memory. */
import { KVM_MP_STATE_RUNNABLE } from '@vkvm/uapi';

import type { Host } from '../src/host.ts';
import { initPsciVersion } from '../src/psci/versions.ts';
import { PROTECTION_MAP, formatArena } from '../src/state/arena.ts';
import { Block } from '../src/state/block.ts';
import { INITIALISED, MP_STATE, REQUESTS, VCPU_ID, VCPU_INDEX } from '../src/state/control.ts';
import { RUN_PAGE, STATE_SIZE, VM_BLOCK } from '../src/state/vcpu-state.ts';
import { IPA_BITS } from '../src/state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE, VM_BLOCK_SIZE } from '../src/state/vm-state.ts';
import { Words } from '../src/state/words.ts';

const WASM_PAGE = 0x1_0000;
const PAGE = 0x1000;
const VM_ADDRESS = 0x20_0000;
const VCPUS_ADDRESS = VM_ADDRESS + VM_BLOCK_SIZE;
const READ_WRITE = 3;

/** A user address with {@link USER_SIZE} mapped bytes behind it. */
export const USER = 0x10_0000 * 12;
export const USER_SIZE = 4 * PAGE;

export interface BareVm {
  readonly words: Words;
  readonly vm: Block;
  readonly vcpus: readonly Block[];
  readonly host: Host;
  /** Monotonic time in ns. */
  now: number;
  /** Takes the request bits of a vCPU. */
  takeRequests(vcpu: Block): number;
}

/** @param ids - arguments of KVM_CREATE_VCPU */
export function bareVm(ids: readonly number[] = [0]): BareVm {
  const words = new Words(new WebAssembly.Memory({ initial: (16 * 0x10_0000) / WASM_PAGE }));
  formatArena(words);
  const map = words.get32(PROTECTION_MAP);
  words.u8.fill(READ_WRITE, map + USER / PAGE, map + (USER + USER_SIZE) / PAGE);

  const vm = new Block(words, VM_ADDRESS);
  vm.set32(IPA_BITS, 40);
  vm.set32(VCPU_COUNT, ids.length);
  initPsciVersion(vm);
  const vcpus = ids.map((id, index) => {
    const vcpu = new Block(words, VCPUS_ADDRESS + index * (STATE_SIZE + PAGE));
    vm.set32(VCPU_TABLE + 4 * index, vcpu.base);
    vcpu.set32(VM_BLOCK, vm.base);
    vcpu.set32(RUN_PAGE, vcpu.base + STATE_SIZE);
    vcpu.set32(VCPU_ID, id);
    vcpu.set32(VCPU_INDEX, index);
    vcpu.set32(INITIALISED, 1);
    vcpu.set32(MP_STATE, KVM_MP_STATE_RUNNABLE);
    return vcpu;
  });

  const bare: BareVm = {
    words,
    vm,
    vcpus,
    now: 0,
    host: {
      now: () => bare.now,
      realTime: () => 0n,
      wait: () => false,
      wake: () => undefined,
      random: (bytes) => void bytes.fill(0xa5),
      report: () => undefined,
    },
    takeRequests(vcpu) {
      const bits = vcpu.get32(REQUESTS);
      vcpu.set32(REQUESTS, 0);
      return bits;
    },
  };
  return bare;
}
