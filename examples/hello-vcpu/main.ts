// A vCPU in sixty lines: a few instructions, MMIO exits for what they print, and a PSCI SYSTEM_OFF.
import { createKernel } from '@vkvm/kernel';
import { KVM_ARM_VCPU_PSCI_0_2, KVM_REG_PC, KVM_SYSTEM_EVENT_SHUTDOWN, PAGE_SIZE } from '@vkvm/uapi';
import { createProcess, openKvm } from '@vkvm/vmm';

/** Guest-physical addresses: the program, and a device that the program writes characters to. */
const PROGRAM = 0x4000_0000;
const CONSOLE = 0x1000_0000;

// Device memory is where no memslot is; a store there comes out of KVM_RUN as an exit.
const program = Uint32Array.of(
  0xd2a2_0001, // movz x1, #0x1000, lsl #16      x1 = CONSOLE
  0x5280_0900, // mov  w0, #'H'
  0x3900_0020, // strb w0, [x1]                  exit: mmio
  0x5280_0d20, // mov  w0, #'i'
  0x3900_0020, // strb w0, [x1]
  0x5280_0140, // mov  w0, #'\n'
  0x3900_0020, // strb w0, [x1]
  0x52b0_8000, // movz w0, #0x8400, lsl #16
  0x7280_0100, // movk w0, #8                    w0 = PSCI SYSTEM_OFF
  0xd400_0002, // hvc  #0                        exit: system_event
);

// The process memory holds the kernel's state as well: about 70 MiB for one vCPU.
const process = createProcess({ size: 128 * 1024 * 1024, shared: false });
using kvm = openKvm(createKernel().attach(process), process);
using vm = kvm.createVm();
using vcpu = vm.createVcpu(0);

const userAddress = kvm.mapMemory(PAGE_SIZE);
new Uint8Array(process.memory.buffer, userAddress).set(new Uint8Array(program.buffer));
vm.setMemslot({ slot: 0, base: PROGRAM, size: PAGE_SIZE, userAddress });

vcpu.init(vm.preferredTarget(), [KVM_ARM_VCPU_PSCI_0_2]);
vcpu.setReg(KVM_REG_PC, BigInt(PROGRAM));

for (let running = true; running;) {
  const exit = vcpu.run();
  switch (exit.reason) {
    case 'mmio':
      if (exit.isWrite && exit.address === CONSOLE) globalThis.process.stdout.write(exit.data);
      break;
    case 'system_event':
      running = exit.type !== KVM_SYSTEM_EVENT_SHUTDOWN;
      break;
    default:
      throw new Error(`unexpected exit: ${exit.reason}`);
  }
}
console.log('The guest powered off.');
