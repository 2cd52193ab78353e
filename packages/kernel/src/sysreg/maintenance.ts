/**
 * System instructions: TLBI, IC, DC by address or set, AT. Source: Arm DDI 0487, C5.3 to C5.5. DC ZVA, which writes
 * memory, is an instruction of a64/.
 */
import { SYSOPS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { REQUEST_FLUSH_CODE, REQUEST_FLUSH_TLB } from '../state/requests.ts';
import { EL, FAULT_VA, MAIR_EL1, PAR_EL1, SCTLR_EL1, SYNDROME } from '../state/vcpu-state.ts';
import { broadcast } from './broadcast.ts';
import { SYSREG_DONE, SYSREG_EXCEPTION, SYSREG_TRAP, untrapped } from './row.ts';
import type { SysregEngine, SysregEnv, SysregOutcome, SysregRow } from './row.ts';

type Op = keyof typeof SYSOPS;

/** SCTLR_EL1.M: the MMU is on. */
const M = 1;
/** SCTLR_EL1.UCI: EL0 may maintain caches. */
const UCI = 1 << 26;
/** Syndrome of an abort: by cache maintenance, which counts as a write. */
const CM_WNR = (1n << 8n) | (1n << 6n);
const LINE = 64;

// ---- TLBI

/** What the instruction drops. Entries carry no ASID, so one ASID is every non-global entry. */
const TLBI_SCOPES: Readonly<Record<string, (engine: SysregEngine, operand: bigint) => void>> = {
  VMALLE1: (engine) => engine.flushTlb(),
  ASIDE1: (engine) => engine.flushTlbNonGlobal(),
  VAE1: flushPage,
  VAAE1: flushPage,
  VALE1: flushPage,
  VAALE1: flushPage,
};

/** @param operand - VA[55:12] in bits 43:0 */
function flushPage(engine: SysregEngine, operand: bigint): void {
  engine.flushTlbVa(operand << 12n);
}

const tlbiRows = Object.entries(TLBI_SCOPES).flatMap(([scope, apply]): SysregRow[] => [
  {
    name: `TLBI ${scope}`,
    key: SYSOPS[`TLBI_${scope}` as Op],
    writeEl: 1,
    write(vcpu, from, { engine }) {
      apply(engine, vcpu.get64(from));
      return SYSREG_DONE;
    },
  },
  {
    name: `TLBI ${scope}IS`,
    key: SYSOPS[`TLBI_${scope}IS` as Op],
    writeEl: 1,
    write(vcpu, from, env) {
      apply(env.engine, vcpu.get64(from));
      broadcast(vcpu, REQUEST_FLUSH_TLB, env);
      return SYSREG_DONE;
    },
  },
]);

// ---- IC and DC by address

/** @returns where the address leads, or the outcome of an access that may not be */
function translateFor(
  vcpu: Block,
  from: number,
  access: 'read' | 'write',
  engine: SysregEngine,
): { readonly user: number | undefined } | SysregOutcome {
  const el0 = vcpu.get32(EL) === 0;
  if (el0 && (vcpu.get32(SCTLR_EL1) & UCI) === 0) return SYSREG_TRAP;
  const va = vcpu.get64(from);
  const result = engine.translate(va, access, el0);
  if (!('syndrome' in result)) return result;
  vcpu.set64(SYNDROME, result.syndrome | CM_WNR);
  vcpu.set64(FAULT_VA, va);
  return SYSREG_EXCEPTION;
}

/** Caches hold nothing that memory does not: the instruction is its checks. */
const dcByAddress = (name: Op, access: 'read' | 'write', writeEl: 0 | 1): SysregRow => ({
  name,
  key: SYSOPS[name],
  writeEl,
  write: (vcpu, from, { engine }) => {
    // Without translation nothing can fault, wherever the address is.
    if (vcpu.get32(EL) === 1 && (vcpu.get32(SCTLR_EL1) & M) === 0) return SYSREG_DONE;
    const result = translateFor(vcpu, from, access, engine);
    return typeof result === 'number' ? result : SYSREG_DONE;
  },
});

const bySet = (name: Op): SysregRow => ({
  name,
  key: SYSOPS[name],
  writeEl: 1,
  write: () => SYSREG_DONE,
});

function invalidateCode(vcpu: Block, from: number, env: SysregEnv): SysregOutcome {
  const result = translateFor(vcpu, from, 'read', env.engine);
  if (typeof result === 'number') return result;
  const { user } = result;
  if (user === undefined) return SYSREG_DONE;
  env.engine.flushCodeRange(user - (user % LINE), LINE);
  broadcast(vcpu, REQUEST_FLUSH_CODE, env);
  return SYSREG_DONE;
}

const icRows: readonly SysregRow[] = [
  {
    name: 'IC IALLU',
    key: SYSOPS.IC_IALLU,
    writeEl: 1,
    write(_vcpu, _from, { engine }) {
      engine.flushCode();
      return SYSREG_DONE;
    },
  },
  {
    name: 'IC IALLUIS',
    key: SYSOPS.IC_IALLUIS,
    writeEl: 1,
    write(vcpu, _from, env) {
      env.engine.flushCode();
      broadcast(vcpu, REQUEST_FLUSH_CODE, env);
      return SYSREG_DONE;
    },
  },
  { name: 'IC IVAU', key: SYSOPS.IC_IVAU, writeEl: 0, write: invalidateCode },
];

// ---- AT

const PAR_RES1 = 1n << 11n;
const PAR_ADDRESS = 0xffff_ffff_f000n;
const PAR_SH_SHIFT = 7n;
const PAR_ATTR_SHIFT = 56n;
const OUTER_SHAREABLE = 2n;
/** Device-nGnRnE, which is also what there is without translation. */
const DEVICE = 0n;
/** Attributes of Normal memory that no cache holds; Device memory has no bits above its low four. */
const NON_CACHEABLE = 0x44n;
const DEVICE_MASK = 0xf0n;

/** Attributes as PAR_EL1 has them. @param descriptor - of the leaf: AttrIndx in bits 4:2, SH in 9:8 */
function attributesOf(vcpu: Block, descriptor: bigint): bigint {
  const isOn = (vcpu.get32(SCTLR_EL1) & M) !== 0;
  const attr = isOn ? (vcpu.get64(MAIR_EL1) >> (8n * ((descriptor >> 2n) & 7n))) & 0xffn : DEVICE;
  const isShared = attr === NON_CACHEABLE || (attr & DEVICE_MASK) === 0n;
  return (attr << PAR_ATTR_SHIFT) | ((isShared ? OUTER_SHAREABLE : (descriptor >> 8n) & 3n) << PAR_SH_SHIFT);
}

const at = (name: Op, access: 'read' | 'write', unprivileged: boolean): SysregRow => ({
  name,
  key: SYSOPS[name],
  writeEl: 1,
  write(vcpu, from, { engine }) {
    const result = engine.translate(vcpu.get64(from), access, unprivileged);
    vcpu.set64(
      PAR_EL1,
      'syndrome' in result
        ? ((result.syndrome & 0x3fn) << 1n) | PAR_RES1 | 1n
        : (BigInt(result.gpa) & PAR_ADDRESS) | attributesOf(vcpu, result.descriptor) | PAR_RES1,
    );
    return SYSREG_DONE;
  },
});

/** KVM wants to know of maintenance by set, which it cannot do for one CPU alone. */
export const maintenanceSysregs: readonly SysregRow[] = [
  ...[
    ...tlbiRows,
    ...icRows,
    dcByAddress('DC_IVAC', 'write', 1),
    dcByAddress('DC_CVAC', 'read', 0),
    dcByAddress('DC_CVAU', 'read', 0),
    dcByAddress('DC_CVAP', 'read', 0),
    dcByAddress('DC_CVADP', 'read', 0),
    dcByAddress('DC_CIVAC', 'read', 0),
    at('AT_S1E1R', 'read', false),
    at('AT_S1E1W', 'write', false),
    at('AT_S1E0R', 'read', true),
    at('AT_S1E0W', 'write', true),
  ].map(untrapped),
  bySet('DC_ISW'),
  bySet('DC_CSW'),
  bySet('DC_CISW'),
];
