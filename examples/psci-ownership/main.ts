// One guest, five set-ups: the four positions of the debate, and mainline's own way to the third. For each: which calls
// leave KVM_RUN, in what form, and who answers.
import { createKernel } from '@vkvm/kernel';
import {
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_REG_PC,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  PAGE_SIZE,
  PSCI_1_3,
  PSCI_FUNCTIONS,
  PSCI_NOT_SUPPORTED,
  VKVM_CAP_PSCI_OWNER,
  VKVM_CAP_SLICE,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_USER,
  VKVM_PSCI_ROUTE_TO_KERNEL,
  xRegId,
} from '@vkvm/uapi';
import { builtinGuest, createMachine, createProcess, openKvm, processSize } from '@vkvm/vmm';

const PROGRAM = 0x4000_0000;

const program = Uint32Array.of(
  0x52b8_4000, // movz w0, #0xc200, lsl #16      vCPU 0 starts here
  0xd400_0002, // hvc  #0                        a call of the SiP range: nobody's, as a rule
  0xaa00_03f4, // mov  x20, x0                   what it answered
  0x52b0_8000, // movz w0, #0x8400, lsl #16
  0xd400_0002, // hvc  #0                        PSCI_VERSION
  0x52b8_8000, // movz w0, #0xc400, lsl #16
  0x7280_0060, // movk w0, #3
  0xd280_0021, // mov  x1, #1                    who: vCPU 1
  0x1000_0122, // adr  x2, second                where it starts
  0xd280_00e3, // mov  x3, #7                    what it finds in x0
  0xd400_0002, // hvc  #0                        CPU_ON
  0x1000_0165, // adr  x5, flag
  0xb940_00a4, // ldr  w4, [x5]                  wait for it
  0x34ff_ffe4, // cbz  w4, .-4
  0x52b0_8000, // movz w0, #0x8400, lsl #16
  0x7280_0100, // movk w0, #8
  0xd400_0002, // hvc  #0                        SYSTEM_OFF
  0x1000_00a5, // adr  x5, flag                  second: vCPU 1 starts here
  0xb900_00a0, // str  w0, [x5]
  0x52b0_8000, // movz w0, #0x8400, lsl #16
  0x7280_0040, // movk w0, #2
  0xd400_0002, // hvc  #0                        CPU_OFF
  0x0000_0000, // flag
);

/** Two instructions are a secure runtime, too. */
const runtime = Uint32Array.of(
  0xd280_0540, // movz x0, #42
  0xd400_0003, // smc  #0                        back to the guest
);
const RUNTIME = 0x0e00_0000;

const nameOf = (id: number): string =>
  PSCI_FUNCTIONS.find(({ smc32, smc64 }) => id === smc32 || id === smc64)?.name ?? `0x${id.toString(16)}`;

type Kvm = ReturnType<typeof openKvm>;
type Vm = ReturnType<Kvm['createVm']>;
type Vcpu = ReturnType<Vm['createVcpu']>;

/** PSCI in user space, as far as this guest needs it. Power states are set in the kernel, so both sides see them. */
function answer(
  id: number,
  [target = 0n, pc = 0n, context = 0n]: readonly bigint[],
  caller: Vcpu,
  all: Vcpu[],
) {
  switch (nameOf(id)) {
    case 'PSCI_VERSION':
      return PSCI_1_3;
    case 'CPU_ON': {
      const vcpu = all[Number(target)] as Vcpu;
      vcpu.setReg(KVM_REG_PC, pc);
      vcpu.setReg(xRegId(0), context);
      vcpu.mpState = KVM_MP_STATE_RUNNABLE;
      return 0;
    }
    case 'CPU_OFF':
      caller.mpState = KVM_MP_STATE_STOPPED;
      return 0;
    default:
      return PSCI_NOT_SUPPORTED;
  }
}

/** Runs the guest on a new VM that `setUp` has prepared, and prints every exit that is about PSCI. */
function demonstrate(title: string, setUp: (vm: Vm, kvm: Kvm, memory: ArrayBufferLike) => void): void {
  console.log(`\n${title}`);
  const memory = createProcess({ size: 256 * 1024 * 1024, shared: false });
  using kvm = openKvm(createKernel().attach(memory), memory);
  using vm = kvm.createVm();
  vm.enableCap(VKVM_CAP_SLICE, 1000n); // both vCPUs take turns on this thread
  setUp(vm, kvm, memory.memory.buffer);
  const vcpus = [vm.createVcpu(0), vm.createVcpu(1)];
  const userAddress = kvm.mapMemory(PAGE_SIZE);
  new Uint32Array(memory.memory.buffer, userAddress).set(program);
  vm.setMemslot({ slot: 0, base: PROGRAM, size: PAGE_SIZE, userAddress });
  const target = vm.preferredTarget();
  vcpus.forEach((vcpu, n) =>
    vcpu.init(target, n === 0 ? [KVM_ARM_VCPU_PSCI_0_2] : [KVM_ARM_VCPU_PSCI_0_2, KVM_ARM_VCPU_POWER_OFF]),
  );
  vcpus[0]?.setReg(KVM_REG_PC, BigInt(PROGRAM));

  for (let isRunning = true; isRunning;) {
    for (const vcpu of vcpus) {
      const exit = vcpu.run();
      const say = (what: string): void => console.log(`  vCPU ${vcpu.id}: ${what}`);
      if (exit.reason === 'psci') {
        // The struct of 2013 has the arguments, and takes the results.
        say(`exit psci, ${nameOf(exit.functionId)} by ${exit.conduit.toUpperCase()}`);
        if (nameOf(exit.functionId) === 'SYSTEM_OFF') isRunning = false;
        else exit.ret = [BigInt(answer(exit.functionId, exit.args, vcpu, vcpus)), 0n, 0n, 0n];
      } else if (exit.reason === 'hypercall') {
        // Mainline's exit has neither: both go through one_reg.
        say(`exit hypercall, ${nameOf(exit.functionId)}; arguments and result by one_reg`);
        const args = [1, 2, 3].map((n) => vcpu.getReg(xRegId(n)));
        if (nameOf(exit.functionId) === 'SYSTEM_OFF') isRunning = false;
        else vcpu.setReg(xRegId(0), BigInt(answer(exit.functionId, args, vcpu, vcpus)));
      } else if (exit.reason === 'system_event') {
        say(`exit system_event ${exit.type}: all that is left is to power off`);
        isRunning = false;
      }
      if (!isRunning) break;
    }
  }
  console.log(`  guest:  its SiP call answered ${BigInt.asIntN(64, (vcpus[0] as Vcpu).getReg(xRegId(20)))}`);
  for (const vcpu of vcpus.toReversed()) vcpu[Symbol.dispose]();
}

demonstrate('kernel: as on Linux. Calls are served where they arrive.', () => {});

demonstrate('exit: the proposal of 2013. The kernel keeps what is about one CPU.', (vm) =>
  vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(VKVM_PSCI_OWNER_EXIT)),
);

demonstrate('user: the reverse, with CPU_ON and AFFINITY_INFO routed back to the kernel.', (vm) => {
  vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(VKVM_PSCI_OWNER_USER));
  vm.routePsci({ base: 0xc400_0003, count: 2 }, VKVM_PSCI_ROUTE_TO_KERNEL);
});

demonstrate("filter: the reverse by mainline's means, since Linux 6.4.", (vm) => {
  for (const base of [0x8400_0000, 0xc400_0000])
    vm.filterCalls({ base, count: 0x20 }, KVM_SMCCC_FILTER_FWD_TO_USER);
});

demonstrate(
  'secure: a runtime that user space injects, and the kernel runs apart from the guest.',
  (vm, kvm, memory) => {
    const userAddress = kvm.mapMemory(PAGE_SIZE);
    new Uint32Array(memory, userAddress).set(runtime);
    const functions = { base: 0x8200_0000, count: 0x1_0000 };
    const place = { userAddress, base: RUNTIME, size: PAGE_SIZE, entry: RUNTIME };
    vm.loadSecure({ ...place, functions, budget: 1000, grants: [] });
  },
);

console.log('\nTwo owners of one function: a machine is refused before its guest runs.');
const config = {
  kernel: builtinGuest(),
  memory: 16 * 1024 * 1024,
  smp: 1,
  psciOwner: 'user',
  psciRoutes: [{ base: 0x8400_0008, count: 1, to: 'kernel' }],
  smcccFilters: [{ base: 0x8400_0000, count: 0x20, action: 'forward' }],
  output: () => {},
} as const;
const memory = createProcess({ size: processSize(config), shared: false });
await createMachine({ syscalls: createKernel().attach(memory), process: memory, config }).catch(
  (error: Error) => console.log(`  ${error.name}: ${error.message}`),
);
