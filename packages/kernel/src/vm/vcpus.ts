/** The vCPUs of a VM. */
import { Block } from '../state/block.ts';
import { VCPU_ID } from '../state/control.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { SECURE_VCPU, VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';

export const vmOf = (vcpu: Block): Block => new Block(vcpu.words, vcpu.get32(VM_BLOCK));

/** In the order of creation. */
export function vcpusOf(vm: Block): Block[] {
  return Array.from(
    { length: vm.get32(VCPU_COUNT) },
    (_, index) => new Block(vm.words, vm.get32(VCPU_TABLE + 4 * index)),
  );
}

/** All that keep translations or decoded code of the VM's memory: its vCPUs, and that of its secure runtime. */
export function readersOf(vm: Block): Block[] {
  const secure = vm.get32(SECURE_VCPU);
  return secure === 0 ? vcpusOf(vm) : [...vcpusOf(vm), new Block(vm.words, secure)];
}

export function findVcpu(vm: Block, id: number): Block | undefined {
  return vcpusOf(vm).find((vcpu) => vcpu.get32(VCPU_ID) === id);
}
