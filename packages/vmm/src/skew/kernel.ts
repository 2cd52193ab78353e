/** What a kernel answers, for comparison with another one. Everything here is asked through its system calls. */
import {
  CAPS,
  KVM_ARM_VCPU_PMU_V3,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_CAP_ARM_PMU_V3,
  KVM_CAP_ARM_PSCI_0_2,
  KVM_CAP_SYSTEM_EVENT_DATA,
  KVM_REG_ARM_PSCI_VERSION,
  PSCI_0_1,
  PSCI_VERSIONS,
} from '@vkvm/uapi';
import type { Process, PsciVersion, RegId, Syscalls } from '@vkvm/uapi';
import { identifyKernel } from '../kvm/abi-check.ts';
import { openKvm } from '../kvm/kvm.ts';
import type { Kvm } from '../kvm/kvm.ts';
import { attempt } from '../snapshot/vcpu.ts';
import { BEHAVIOURS } from './behaviours.ts';

/** A kernel with a process of its own. Each use gets a fresh one: some answers end a VM. */
export type FreshKernel = () => Promise<{ readonly syscalls: Syscalls; readonly process: Process }>;

/** What a kernel is like. */
export interface KernelFacts {
  /** As people say it. */
  readonly name: string;
  /** Answers of `KVM_CHECK_EXTENSION` on a VM, by name of the capability. */
  readonly capabilities: ReadonlyMap<string, string>;
  /** Registers of a new vCPU with the features that this VMM asks for; empty: it has none of them. */
  readonly registers: readonly RegId[];
  readonly psci: {
    /** What a new VM gets; undefined: the kernel does not say. */
    readonly byDefault: PsciVersion | undefined;
    /** What it can be given. */
    readonly versions: readonly PsciVersion[];
  };
  /** Member of `kvm_run` beside the type of a system event. */
  readonly systemEvent: 'ndata and data' | 'flags';
  /** What it does where kernels differ, by the name of the case: `ok`, or an errno. */
  readonly behaviours: ReadonlyMap<string, string>;
}

/** Asks a kernel everything. */
export async function probeKernel(create: FreshKernel): Promise<KernelFacts> {
  const { syscalls, process } = await create();
  using kvm = openKvm(syscalls, process);
  using vm = kvm.createVm();
  const capabilities = new Map(
    CAPS.map(({ name, number }) => {
      let value = 0;
      const errno = attempt(() => (value = vm.checkExtension(number)));
      return [name, errno ?? String(value)];
    }),
  );
  const { registers, psci } = probeVcpu(kvm);
  return {
    name: identifyKernel(kvm).name,
    capabilities,
    registers,
    psci,
    systemEvent: vm.checkExtension(KVM_CAP_SYSTEM_EVENT_DATA) === 0 ? 'flags' : 'ndata and data',
    behaviours: new Map(BEHAVIOURS.map(({ name, observe }) => [name, observe(kvm) ?? 'ok'])),
  };
}

function probeVcpu(kvm: Kvm): Pick<KernelFacts, 'registers' | 'psci'> {
  const hasNew = kvm.checkExtension(KVM_CAP_ARM_PSCI_0_2) !== 0;
  using vm = kvm.createVm();
  using vcpu = vm.createVcpu(0);
  const hasPmu = kvm.checkExtension(KVM_CAP_ARM_PMU_V3) !== 0;
  vcpu.init(vm.preferredTarget(), [
    ...(hasNew ? [KVM_ARM_VCPU_PSCI_0_2] : []),
    ...(hasPmu ? [KVM_ARM_VCPU_PMU_V3] : []),
  ]);
  let registers: readonly RegId[] = [];
  let found: bigint | undefined;
  attempt(() => (registers = vcpu.regList()));
  attempt(() => (found = vcpu.getReg(KVM_REG_ARM_PSCI_VERSION)));
  const accepted = PSCI_VERSIONS.filter(
    (version) =>
      version !== PSCI_0_1 &&
      attempt(() => vcpu.setReg(KVM_REG_ARM_PSCI_VERSION, BigInt(version))) === undefined,
  );
  return {
    registers,
    psci: {
      byDefault: PSCI_VERSIONS.find((version) => BigInt(version) === found),
      // Without the feature a vCPU has 0.1, in every kernel.
      versions: [PSCI_0_1, ...accepted],
    },
  };
}
