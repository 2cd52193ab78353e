/**
 * System registers, system instructions, hints and barriers. Source: Arm DDI 0487, C4.1.93 "Hints", "Barriers",
 * "PSTATE", "System instructions", "System register move"; C5.2, C5.3; C6.2, MRS, MSR, SYS.
 *
 * What vkvm does not announce is not allocated: UAO, PAN, DIT, SSBS, TCO, WFET, WFIT. Hints of such
 * features are NOPs, as the architecture has it.
 */
import { sysregKey, SYSREGS } from '@vkvm/uapi';
import { EC, type Emitter, type I32 } from '../emitter.ts';
import { insn, source, target, type DecodeSite, type Operands } from '../pattern.ts';
import { trapIss } from '../shared/system-encoding.ts';
import {
  DAIF,
  EL,
  EXCLUSIVE_HOST,
  FPCR,
  FPSR,
  INTERRUPT_LINES,
  SCTLR_EL1,
  SP_EL0,
  SP_EL1,
  SP_SEL,
  SP_SLOT,
} from '../../state/vcpu-state.ts';

/** Bits of SCTLR_EL1 that let EL0 do something: else it traps to EL1. Source: Arm DDI 0487, SCTLR_EL1. */
const UMA = 9;
const DZE = 14;
const nTWI = 16;
const nTWE = 18;

/** Traps at EL0 unless the bit of SCTLR_EL1 is set. */
function requireAtEl0(c: Emitter, bit: number, exceptionClass: number, iss: () => I32): void {
  const { i32 } = c;
  const allowed = i32.and(c.state32(SCTLR_EL1), i32.const(1 << bit));
  c.if(i32.and(i32.eqz(allowed), i32.eqz(c.state32(EL))), () => c.raise(exceptionClass, iss(), false));
}

/** Makes the stack pointer of `PSTATE.SP` = `to` the current one. Operand `a` is the current stack pointer. */
function selectStackPointer(c: Emitter, to: I32): void {
  const { i32 } = c;
  const selected = c.letI32(to);
  const exchange = (save: number, load: number): void => {
    c.setState64(save, c.reg('a'));
    c.setReg('a', c.state64(load));
  };
  c.if(i32.ne(selected.get(), c.state32(SP_SEL)), () => {
    c.if(
      selected.get(),
      () => exchange(SP_EL0, SP_EL1),
      () => exchange(SP_EL1, SP_EL0),
    );
    c.setState32(SP_SEL, selected.get());
  });
}

/** SP_EL0 has a name where it is not SP: at EL1 with PSTATE.SP set. At EL0 that bit is clear. */
const requireOtherStack = (c: Emitter): void => c.if(c.i32.eqz(c.state32(SP_SEL)), () => c.undefined());

/** MSR (immediate) by `op1:op2`. */
const PSTATE_FIELDS = new Map([
  [0o05, 'SPSel'],
  [0o36, 'DAIFSet'],
  [0o37, 'DAIFClr'],
] as const);

const MSR_imm = insn('MSR_imm', '1101010100 0 00 op1:3 0100 CRm:4 op2:3 11111', {
  statics: { field: ['SPSel', 'DAIFSet', 'DAIFClr'] },
  select: ({ op1, op2 }) => {
    const field = PSTATE_FIELDS.get(((op1 << 3) | op2) as 0o05);
    return field ? { field } : null;
  },
  operands: ({ op1, CRm, op2 }) =>
    op1 === 0
      ? { a: SP_SLOT, imm: CRm & 1 }
      : { c: CRm << 6, imm: trapIss('write', { op0: 0, op1, CRn: 4, CRm, op2 }, 31) },
  emit: (c, { field }) => {
    const { i32 } = c;
    if (field === 'SPSel') {
      c.requireEl1();
      selectStackPointer(c, c.imm32());
      return;
    }
    requireAtEl0(c, UMA, EC.SYS64, () => c.imm32());
    if (field === 'DAIFSet') {
      c.setState32(DAIF, i32.or(c.state32(DAIF), c.field('c')));
    } else {
      c.setState32(DAIF, i32.and(c.state32(DAIF), i32.xor(c.field('c'), i32.const(-1))));
      c.checkInterrupts();
    }
  },
  hot: ({ field }) => field !== 'SPSel',
  stack: { at: ({ field }) => field === 'SPSel', moved: ({ op1 }) => op1 === 0 },
});

/** Hints with an effect, by `CRm:op2`. SEV and SEVL need none: WFE may end early at any time. */
const HINTS = new Map([
  [0o02, 'wfe'],
  [0o03, 'wfi'],
] as const);
const WFX = {
  wfe: { bit: nTWE, TI: 1 },
  wfi: { bit: nTWI, TI: 0 },
} as const;
/** ISS of a trapped WFI: CV, COND = always. */
const WFX_ISS = (1 << 24) | (0xe << 20);

/** ESB as a word: the port knows it by its encoding. */
const ESB_WORD = 0xd503_221f | 0;

/** Defers an SError that is pending and masked; one that is not masked is taken. */
const ESB = insn('ESB', '1101010100 0 00 011 0010 0010 000 11111', {
  operands: () => ({ imm: ESB_WORD }),
  emit: (c) => {
    c.if(c.state32(INTERRUPT_LINES), () => c.systemRegister());
    c.checkInterrupts();
  },
});

const HINT = insn('HINT', '1101010100 0 00 011 0010 CRm:4 op2:3 11111', {
  statics: { hint: ['nop', 'wfe', 'wfi'] },
  select: ({ CRm, op2 }) => ({ hint: HINTS.get(((CRm << 3) | op2) as 0o02) ?? 'nop' }),
  emit: (c, { hint }) => {
    if (hint === 'nop') return;
    const { bit, TI } = WFX[hint];
    requireAtEl0(c, bit, EC.WFX, () => c.i32.const(WFX_ISS | TI));
    c.wait(hint);
  },
  hot: ({ hint }) => hint === 'nop',
});

/** By `op2`. Nothing is speculated, so that SB is no more than an ISB. */
const BARRIERS = [null, null, 'clrex', null, 'fence', 'fence', 'isb', 'isb'] as const;

const SB = 7;

const BARRIER = insn('BARRIER', '1101010100 0 00 011 0011 CRm:4 op2:3 11111', {
  statics: { barrier: ['clrex', 'fence', 'isb'] },
  select: ({ CRm, op2 }) => {
    const barrier = BARRIERS[op2];
    return barrier && (op2 !== SB || CRm === 0) ? { barrier } : null;
  },
  emit: (c, { barrier }) => {
    if (barrier === 'clrex') c.setState32(EXCLUSIVE_HOST, c.i32.const(0));
    else if (barrier === 'fence') c.fence();
    else c.refetch();
  },
});

/** DC ZVA writes; everything else is the port's. */
const SYS = insn('SYS', '1101010100 L:1 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5', {
  operands: (_fields, _site, word) => ({ imm: word }),
  emit: (c) => c.systemInstruction(),
});
const DC_ZVA = insn('DC_ZVA', '1101010100 0 01 011 0111 0100 001 Rt:5', {
  operands: ({ Rt }) => ({
    a: source(Rt),
    imm: trapIss('write', { op0: 1, op1: 3, CRn: 7, CRm: 4, op2: 1 }, Rt),
  }),
  emit: (c) => {
    requireAtEl0(c, DZE, EC.SYS64, () => c.imm32());
    c.zeroBlock(c.reg('a'));
  },
});

interface RegisterFields {
  readonly o0: number;
  readonly op1: number;
  readonly CRn: number;
  readonly CRm: number;
  readonly op2: number;
  readonly Rt: number;
}
const keyOf = ({ o0, op1, CRn, CRm, op2 }: RegisterFields): number => sysregKey(2 + o0, op1, CRn, CRm, op2);

/** Registers that are fields of PSTATE or words of their own: in line. CurrentEL cannot be written. */
const IN_LINE = new Map<number, 'NZCV' | 'DAIF' | 'FPCR' | 'FPSR' | 'SPSel' | 'SP_EL0'>([
  [SYSREGS.NZCV, 'NZCV'],
  [SYSREGS.DAIF, 'DAIF'],
  [SYSREGS.FPCR, 'FPCR'],
  [SYSREGS.FPSR, 'FPSR'],
  [SYSREGS.SPSel, 'SPSel'],
  [SYSREGS.SP_EL0, 'SP_EL0'],
]);

/**
 * The immediate of an access: the state offset of plain storage, the syndrome of a trap for DAIF, else the instruction
 * word, for the port.
 */
function accessImmediate(
  direction: 'read' | 'write',
  fields: RegisterFields,
  site: DecodeSite,
  word: number,
): Operands {
  const { o0, op1, CRn, CRm, op2, Rt } = fields;
  const key = keyOf(fields);
  if (key === SYSREGS.DAIF) return { imm: trapIss(direction, { op0: 2 + o0, op1, CRn, CRm, op2 }, Rt) };
  const offset = site.plainSysreg(key, direction);
  return { imm: offset < 0 ? word : offset };
}

const HOT_FORMS: ReadonlySet<string> = new Set(['plain', 'plain_el1', 'SP_EL0', 'DAIF']);

const MRS = insn('MRS', '1101010100 1 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', {
  statics: {
    form: ['plain', 'plain_el1', 'port', 'NZCV', 'DAIF', 'FPCR', 'FPSR', 'SPSel', 'SP_EL0', 'CurrentEL'],
  },
  select: (fields, site) => {
    const key = keyOf(fields);
    const inLine = key === SYSREGS.CurrentEL ? 'CurrentEL' : IN_LINE.get(key);
    if (inLine) return { form: inLine };
    if (site.plainSysreg(key, 'read') < 0) return { form: 'port' };
    return { form: fields.op1 === 3 ? 'plain' : 'plain_el1' };
  },
  operands: (fields, site, word) => ({
    a: target(fields.Rt),
    ...accessImmediate('read', fields, site, word),
  }),
  emit: (c, { form }) => {
    const { i32 } = c;
    switch (form) {
      case 'plain':
        return c.setReg('a', c.stateAtImm());
      case 'plain_el1':
        c.requireEl1();
        return c.setReg('a', c.stateAtImm());
      case 'port':
        return c.systemRegister();
      case 'NZCV':
        return c.setReg32('a', i32.shl(c.nzcv(), i32.const(28)));
      case 'DAIF':
        requireAtEl0(c, UMA, EC.SYS64, () => c.imm32());
        return c.setReg32('a', c.state32(DAIF));
      case 'FPCR':
        c.requireFp();
        return c.setReg32('a', c.state32(FPCR));
      case 'FPSR':
        c.requireFp();
        return c.setReg32('a', c.state32(FPSR));
      case 'SPSel':
        c.requireEl1();
        return c.setReg32('a', c.state32(SP_SEL));
      case 'SP_EL0':
        requireOtherStack(c);
        return c.setReg('a', c.state64(SP_EL0));
      case 'CurrentEL':
        c.requireEl1();
        return c.setReg32('a', i32.shl(c.state32(EL), i32.const(2)));
    }
  },
  hot: ({ form }) => HOT_FORMS.has(form),
});

/** D, A, I, F. */
const DAIF_BITS = 0x3c0;
/** AHP, DN, FZ, RMode, FZ16: trapped exceptions are not implemented, so the rest is RES0. */
const FPCR_BITS = 0x07c8_0000;
/** QC, IDC, IXC, UFC, OFC, DZC, IOC: without AArch32 the flags in bits 31:28 are RES0. */
const FPSR_BITS = 0x0800_009f;

const MSR = insn('MSR', '1101010100 0 1 o0:1 op1:3 CRn:4 CRm:4 op2:3 Rt:5', {
  statics: { form: ['plain', 'plain_el1', 'port', 'NZCV', 'DAIF', 'FPCR', 'FPSR', 'SPSel', 'SP_EL0'] },
  select: (fields, site) => {
    const key = keyOf(fields);
    const inLine = IN_LINE.get(key);
    if (inLine) return { form: inLine };
    if (site.plainSysreg(key, 'write') < 0) return { form: 'port' };
    return { form: fields.op1 === 3 && key !== SYSREGS.TPIDRRO_EL0 ? 'plain' : 'plain_el1' };
  },
  operands: (fields, site, word) =>
    keyOf(fields) === SYSREGS.SPSel
      ? { a: SP_SLOT, b: source(fields.Rt) }
      : { a: source(fields.Rt), ...accessImmediate('write', fields, site, word) },
  emit: (c, { form }) => {
    const { i32 } = c;
    switch (form) {
      case 'plain':
        return c.setStateAtImm(c.reg('a'));
      case 'plain_el1':
        c.requireEl1();
        return c.setStateAtImm(c.reg('a'));
      case 'port':
        return c.systemRegister();
      case 'NZCV':
        return c.setNzcv(i32.shr_u(c.reg32('a'), i32.const(28)));
      case 'DAIF':
        requireAtEl0(c, UMA, EC.SYS64, () => c.imm32());
        c.setState32(DAIF, i32.and(c.reg32('a'), i32.const(DAIF_BITS)));
        return c.checkInterrupts();
      case 'FPCR':
        c.requireFp();
        return c.setState32(FPCR, i32.and(c.reg32('a'), i32.const(FPCR_BITS)));
      case 'FPSR':
        c.requireFp();
        return c.setState32(FPSR, i32.and(c.reg32('a'), i32.const(FPSR_BITS)));
      case 'SPSel':
        c.requireEl1();
        return selectStackPointer(c, i32.and(c.reg32('b'), i32.const(1)));
      case 'SP_EL0':
        requireOtherStack(c);
        return c.setState64(SP_EL0, c.reg('a'));
    }
  },
  stack: { at: ({ form }) => form === 'SPSel', moved: (fields) => keyOf(fields) === SYSREGS.SPSel },
  hot: ({ form }) => HOT_FORMS.has(form),
});

export const SYSTEM = [MSR_imm, ESB, HINT, BARRIER, SYS, DC_ZVA, MRS, MSR] as const;
