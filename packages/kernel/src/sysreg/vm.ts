/** Control, translation and exception registers. Source: Arm DDI 0487, D19.2. */
import { sysregKey, SYSREGS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { SERROR_PENDING, SERROR_SYNDROME } from '../state/control.ts';
import {
  CNTKCTL_EL1,
  CONTEXTIDR_EL1,
  CPACR_EL1,
  DAIF,
  DISR_EL1,
  ELR_EL1,
  ESR_EL1,
  FAR_EL1,
  INTERRUPT_LINES,
  MAIR_EL1,
  PAR_EL1,
  SCTLR_EL1,
  SPSR_EL1,
  SP_EL0,
  TCR_EL1,
  TPIDRRO_EL0,
  TPIDR_EL0,
  TPIDR_EL1,
  TTBR0_EL1,
  TTBR1_EL1,
  VBAR_EL1,
} from '../state/vcpu-state.ts';
import { SYSREG_DONE, SYSREG_LEAVE } from './row.ts';
import type { SysregOutcome, SysregRow } from './row.ts';

/** What KVM resets a register to whose reset value is architecturally unknown. */
export const UNKNOWN = 0x1de7_ec7e_dbad_c0den;
/** SCTLR_EL1 at reset: its RES1 bits. */
const SCTLR_RESET = 0x00c5_0078n;

type Name = keyof typeof SYSREGS;

/** A register of EL1 that is only storage. `offset` absent = placed by the table. */
function plain(name: Name, reset?: bigint, offset?: number, user = true): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    readEl: 1,
    writeEl: 1,
    ...(offset === undefined ? { stored: true } : { offset }),
    ...(reset === undefined ? {} : { reset }),
    ...(user ? { user: 'plain' } : {}),
  };
}

/** A register of which the translation regime depends: storing it makes the engine read it again. */
function ofRegime(name: Name, reset: bigint, offset: number): SysregRow {
  return {
    ...plain(name, reset, offset),
    traps: false,
    write(vcpu, from, { engine }) {
      const value = vcpu.get64(from);
      if (vcpu.get64(offset) === value) return SYSREG_DONE;
      vcpu.set64(offset, value);
      engine.regimeChanged();
      return SYSREG_DONE;
    },
  };
}

/** Reads as zero, ignores writes. */
function razWi(name: Name): SysregRow {
  return { ...raz(name), writeEl: 1, write: () => SYSREG_DONE };
}

function raz(name: Name): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    readEl: 1,
    read(vcpu, to) {
      vcpu.set64(to, 0n);
      return SYSREG_DONE;
    },
  };
}

/** State of AArch32 that only a hypervisor or user space can name. */
function userOnly(name: Name, reset: bigint): SysregRow {
  return { name, key: SYSREGS[name], stored: true, reset, user: 'plain' };
}

/** ISR_EL1: A, I and F at their places in PSTATE, whatever is masked. */
function pendingInterrupts(vcpu: Block): bigint {
  const lines = vcpu.get32(INTERRUPT_LINES);
  return BigInt(((lines & 1) << 7) | ((lines & 2) << 5) | ((lines & 4) << 6));
}

/** DISR_EL1.A: an SError was deferred. The syndrome below it is as in ESR_EL1. */
const DISR_A = 1n << 31n;
const SERROR_LINE = 4;
/** PSTATE.A. */
const DAIF_A = 1 << 8;

/** ESB: a masked SError that is pending becomes DISR_EL1. */
function deferSerror(vcpu: Block): SysregOutcome {
  if ((vcpu.get32(INTERRUPT_LINES) & SERROR_LINE) === 0 || (vcpu.get32(DAIF) & DAIF_A) === 0)
    return SYSREG_DONE;
  Atomics.and(vcpu.words.i32, (vcpu.base + INTERRUPT_LINES) >>> 2, ~SERROR_LINE);
  vcpu.set32(SERROR_PENDING, 0);
  vcpu.set64(DISR_EL1, DISR_A | vcpu.get64(SERROR_SYNDROME));
  return SYSREG_DONE;
}

export const vmSysregs: readonly SysregRow[] = [
  ofRegime('SCTLR_EL1', SCTLR_RESET, SCTLR_EL1),
  ofRegime('TTBR0_EL1', UNKNOWN, TTBR0_EL1),
  ofRegime('TTBR1_EL1', UNKNOWN, TTBR1_EL1),
  ofRegime('TCR_EL1', 0n, TCR_EL1),
  ofRegime('MAIR_EL1', UNKNOWN, MAIR_EL1),
  {
    ...plain('CPACR_EL1', 0n, CPACR_EL1),
    traps: false,
    write(vcpu, from, { engine }) {
      vcpu.set64(CPACR_EL1, vcpu.get64(from));
      engine.contextChanged();
      return SYSREG_LEAVE; // compiled code knows for all of a stay whether FP and AdvSIMD trap
    },
  },
  { ...plain('ACTLR_EL1', 0n), write: () => SYSREG_DONE },
  plain('AFSR0_EL1', UNKNOWN),
  plain('AFSR1_EL1', UNKNOWN),
  plain('ESR_EL1', UNKNOWN, ESR_EL1),
  plain('FAR_EL1', UNKNOWN, FAR_EL1),
  plain('PAR_EL1', UNKNOWN, PAR_EL1),
  plain('AMAIR_EL1', 0n),
  plain('VBAR_EL1', 0n, VBAR_EL1),
  plain('DISR_EL1', 0n, DISR_EL1),
  plain('CNTKCTL_EL1', 0n, CNTKCTL_EL1),
  plain('CONTEXTIDR_EL1', 0n, CONTEXTIDR_EL1),
  plain('TPIDR_EL1', UNKNOWN, TPIDR_EL1),
  { ...plain('TPIDR_EL0', UNKNOWN, TPIDR_EL0), readEl: 0, writeEl: 0 },
  { ...plain('TPIDRRO_EL0', UNKNOWN, TPIDRRO_EL0), readEl: 0 },
  // Core registers for user space (vcpu/one-reg.ts), and kept by a reset.
  plain('ELR_EL1', undefined, ELR_EL1, false),
  plain('SPSR_EL1', undefined, SPSR_EL1, false),
  plain('SP_EL0', undefined, SP_EL0, false),
  // CSV2 = 3 comes with them; nothing here speculates, so they are storage.
  plain('SCXTNUM_EL1', 0n, undefined, false),
  { ...plain('SCXTNUM_EL0', 0n, undefined, false), readEl: 0, writeEl: 0 },
  {
    name: 'ISR_EL1',
    traps: false,
    key: SYSREGS.ISR_EL1,
    readEl: 1,
    read(vcpu, to) {
      vcpu.set64(to, pendingInterrupts(vcpu));
      return SYSREG_DONE;
    },
  },
  {
    name: 'ESB',
    traps: false,
    key: sysregKey(0, 3, 2, 2, 0),
    writeEl: 0,
    write: deferSerror,
  },
  // RAS: no error records
  raz('ERRIDR_EL1'),
  razWi('ERRSELR_EL1'),
  raz('ERXFR_EL1'),
  razWi('ERXCTLR_EL1'),
  razWi('ERXSTATUS_EL1'),
  razWi('ERXADDR_EL1'),
  razWi('ERXMISC0_EL1'),
  razWi('ERXMISC1_EL1'),
  userOnly('DACR32_EL2', UNKNOWN),
  userOnly('IFSR32_EL2', UNKNOWN),
  userOnly('FPEXC32_EL2', 0x700n),
];
