/** The vCPUs of a VM. */
import { Block } from '../state/block.ts';
import { VCPU_ID } from '../state/control.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';

export const vmOf = (vcpu: Block): Block => new Block(vcpu.words, vcpu.get32(VM_BLOCK));

/** In the order of creation. */
export function vcpusOf(vm: Block): Block[] {
  return Array.from(
    { length: vm.get32(VCPU_COUNT) },
    (_, index) => new Block(vm.words, vm.get32(VCPU_TABLE + 4 * index)),
  );
}

export function findVcpu(vm: Block, id: number): Block | undefined {
  return vcpusOf(vm).find((vcpu) => vcpu.get32(VCPU_ID) === id);
}
