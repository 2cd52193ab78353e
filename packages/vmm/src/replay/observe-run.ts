/** What a trace has of a KVM_RUN: the answer, and the members of kvm_run that belong to the exit. */
import {
  EFAULT,
  EXITS,
  kvmRun,
  kvmRunArmNisv,
  kvmRunArmSea,
  kvmRunDebug,
  kvmRunFailEntry,
  kvmRunHypercall,
  kvmRunInternal,
  kvmRunMemoryFault,
  kvmRunMmio,
  kvmRunSyncRegs,
  kvmRunSystemEvent,
} from '@vkvm/uapi';
import type { UserAddress } from '@vkvm/uapi';
import { formatBytes, formatWord } from './json.ts';
import { answer } from './session.ts';
import type { Observations } from './session.ts';
import type { RunResult } from './vcpu-run.ts';

type Member = (memory: WebAssembly.Memory, page: UserAddress) => Observations;

/** An address of the union, all 64 bits of it. */
const rawWord = (memory: WebAssembly.Memory, address: UserAddress): string =>
  formatWord(new DataView(memory.buffer).getBigUint64(address, true));

/** Members of the union by the name of the exit. */
const MEMBERS: Readonly<Record<string, Member>> = {
  MMIO: (memory, page) => {
    const { len, is_write, data } = kvmRunMmio.read(memory, page);
    return {
      phys_addr: rawWord(memory, page + kvmRunMmio.offsets.phys_addr),
      len,
      is_write,
      ...(is_write === 0 ? {} : { data: formatBytes(data.subarray(0, len)) }),
    };
  },
  SYSTEM_EVENT: (memory, page) => {
    const { type, ndata, data } = kvmRunSystemEvent.read(memory, page);
    return { type, ndata, data: data.slice(0, Math.max(ndata, 1)).map(formatWord) };
  },
  ARM_NISV: (memory, page) => ({
    esr_iss: formatWord(kvmRunArmNisv.view(memory, page).esr_iss),
    fault_ipa: rawWord(memory, page + kvmRunArmNisv.offsets.fault_ipa),
  }),
  DEBUG: (memory, page) => {
    const { hsr, hsr_high, far } = kvmRunDebug.read(memory, page);
    return { hsr: formatWord(hsr), hsr_high: formatWord(hsr_high), far: formatWord(far) };
  },
  HYPERCALL: (memory, page) => {
    const { nr, flags } = kvmRunHypercall.read(memory, page);
    return { nr: formatWord(nr), hc_flags: formatWord(flags) };
  },
  MEMORY_FAULT: (memory, page) => ({
    mf_flags: formatWord(kvmRunMemoryFault.view(memory, page).flags),
    gpa: rawWord(memory, page + kvmRunMemoryFault.offsets.gpa),
    size: rawWord(memory, page + kvmRunMemoryFault.offsets.size),
  }),
  ARM_SEA: (memory, page) => {
    const { flags, esr, gva, gpa } = kvmRunArmSea.read(memory, page);
    return {
      sea_flags: formatWord(flags),
      esr: formatWord(esr),
      gva: formatWord(gva),
      gpa: formatWord(gpa),
    };
  },
  INTERNAL_ERROR: (memory, page) => {
    const { suberror, ndata } = kvmRunInternal.read(memory, page);
    return { suberror, ndata };
  },
  FAIL_ENTRY: (memory, page) => ({
    reason: formatWord(kvmRunFailEntry.view(memory, page).hardware_entry_failure_reason),
  }),
};

const exitNames = new Map(EXITS.map(({ number, name }) => [number, name.replace(/^KVM_EXIT_/, '')]));

/** @param page - user address of kvm_run; undefined where the descriptor is no vCPU's */
export function observeRun(
  memory: WebAssembly.Memory,
  page: UserAddress | undefined,
  { ret, kicked }: RunResult,
): Observations {
  if (page === undefined) return answer(ret);
  const { exit_reason, flags } = kvmRun.view(memory, page);
  const exit = exitNames.get(exit_reason) ?? `${exit_reason}`;
  const hasMembers = ret >= 0 || ret === -EFAULT;
  return {
    ...answer(ret),
    ...(kicked ? { kicked } : {}),
    exit,
    exit_reason,
    ...(flags === 0 ? {} : { flags: formatWord(flags) }),
    device_irq_level: formatWord(kvmRunSyncRegs.view(memory, page).device_irq_level),
    ...(hasMembers ? MEMBERS[exit]?.(memory, page) : {}),
  };
}
