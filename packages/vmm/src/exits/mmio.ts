import type { ExitHandler } from './handler.ts';
import { crash } from './stop.ts';

/** `KVM_EXIT_MMIO`: the guest touched an address that no memslot backs. */
export const handleMmio: ExitHandler<'mmio'> = (exit, machine) => {
  // A load is answered in place: `data` is kvm_run itself, and the next KVM_RUN completes the instruction.
  if (exit.isWrite) machine.bus.write(exit.address, exit.data);
  else machine.bus.read(exit.address, exit.data);
  return 'resume';
};

/** `KVM_EXIT_ARM_NISV`: an access to a device by an instruction that its syndrome does not describe. */
export const handleArmNisv: ExitHandler<'arm_nisv'> = ({ address }, _, vcpu) =>
  crash(
    vcpu,
    `an access to the device address 0x${address.toString(16)} by an instruction that cannot be emulated; ` +
      `the guest must use a plain load or store of one register there`,
  );

/** `KVM_EXIT_MEMORY_FAULT`: memory of the guest that the VMM would have to provide. It provides all at the start. */
export const handleMemoryFault: ExitHandler<'memory_fault'> = ({ address, size }, _, vcpu) =>
  crash(vcpu, `a fault on guest memory at 0x${address.toString(16)}, ${size} bytes`);
