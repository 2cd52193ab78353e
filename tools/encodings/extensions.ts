/**
 * Extensions of Armv8.0-A that have encodings of their own: the field of an ID register that announces each, the
 * architecture that binutils needs for it, and what it would take of the space. Source: Arm DDI 0487, A2 "Armv8-A
 * Architecture Extensions", D19.2, C4.1.
 */
import { SYSREGS } from '../../packages/uapi/src/index.ts';
import { bareVm } from '../../packages/kernel/test/bare-vm.ts';
import { idRegister } from '../../packages/kernel/src/state/vm-control.ts';
import { initIdRegisters } from '../../packages/kernel/src/sysreg/id.ts';

export interface Extension {
  readonly name: string;
  /** Register, lowest bit of the field, and the least value that announces it. */
  readonly field: readonly [register: keyof typeof SYSREGS, shift: number, value: number];
  /** What `-march` needs: an option (`+sha3`) or an architecture (`armv8.5-a`). Absent: it is never announced. */
  readonly march?: string;
  /** Name → diagram, as rows have them: what is UNDEF as long as the extension is not announced. */
  readonly encodings: Readonly<Record<string, string>>;
}

const ISAR0 = 'ID_AA64ISAR0_EL1';
const ISAR1 = 'ID_AA64ISAR1_EL1';
const ISAR2 = 'ID_AA64ISAR2_EL1';
const PFR0 = 'ID_AA64PFR0_EL1';
const PFR1 = 'ID_AA64PFR1_EL1';
const MMFR1 = 'ID_AA64MMFR1_EL1';
const MMFR2 = 'ID_AA64MMFR2_EL1';

/** Announced by the field, with rows in the table; here for what `-march` needs. */
const IMPLEMENTED: readonly Extension[] = [
  { name: 'FEAT_AES', field: [ISAR0, 4, 1], march: '+aes', encodings: {} },
  { name: 'FEAT_SHA1', field: [ISAR0, 8, 1], march: '+sha2', encodings: {} },
  { name: 'FEAT_SHA256', field: [ISAR0, 12, 1], march: '+sha2', encodings: {} },
  { name: 'FEAT_SHA512', field: [ISAR0, 12, 2], march: '+sha3', encodings: {} },
  { name: 'FEAT_CRC32', field: [ISAR0, 16, 1], march: '+crc', encodings: {} },
  { name: 'FEAT_LSE', field: [ISAR0, 20, 2], march: '+lse', encodings: {} },
  { name: 'FEAT_RDM', field: [ISAR0, 28, 1], march: '+rdma', encodings: {} },
  { name: 'FEAT_SHA3', field: [ISAR0, 32, 1], march: '+sha3', encodings: {} },
  { name: 'FEAT_DotProd', field: [ISAR0, 44, 1], march: '+dotprod', encodings: {} },
  { name: 'FEAT_FlagM', field: [ISAR0, 52, 1], march: '+flagm', encodings: {} },
  { name: 'FEAT_FlagM2', field: [ISAR0, 52, 2], march: 'armv8.5-a', encodings: {} },
  { name: 'FEAT_DPB', field: [ISAR1, 0, 1], march: 'armv8.2-a', encodings: {} },
  { name: 'FEAT_JSCVT', field: [ISAR1, 12, 1], march: 'armv8.3-a', encodings: {} },
  { name: 'FEAT_FCMA', field: [ISAR1, 16, 1], march: 'armv8.3-a', encodings: {} },
  { name: 'FEAT_LRCPC', field: [ISAR1, 20, 1], march: '+rcpc', encodings: {} },
  { name: 'FEAT_LRCPC2', field: [ISAR1, 20, 2], march: 'armv8.4-a', encodings: {} },
  { name: 'FEAT_FRINTTS', field: [ISAR1, 32, 1], march: 'armv8.5-a', encodings: {} },
  { name: 'FEAT_SB', field: [ISAR1, 36, 1], march: '+sb', encodings: {} },
  { name: 'FEAT_FP16', field: [PFR0, 16, 1], march: '+fp16', encodings: {} },
];

/** Not announced. */
const LATER: readonly Extension[] = [
  {
    name: 'FEAT_SVE',
    field: [PFR0, 32, 1],
    encodings: { SVE: 'x:3 0010 y:25' },
  },
  {
    name: 'FEAT_SME',
    field: [PFR1, 24, 1],
    encodings: { SME: '1 x:2 0000 y:25', MSR_SVCR: '1101010100 0 00 011 0100 CRm:4 011 11111' },
  },
  {
    name: 'FEAT_PAuth',
    field: [ISAR1, 4, 1],
    encodings: {
      PAC_AUT_XPAC: '1 1 0 11010110 00001 opcode:6 Rn:5 Rd:5',
      PACGA: '1 0 0 11010110 Rm:5 001100 Rn:5 Rd:5',
      BRA_BLRA_RETA_ERETA: '1101011 opc:4 11111 00001 M:1 Rn:5 op4:5',
      LDRAA_LDRAB: '11 111 0 00 M:1 S:1 1 imm9:9 W:1 1 Rn:5 Rt:5',
    },
  },
  {
    name: 'FEAT_MTE',
    field: [PFR1, 8, 1],
    encodings: {
      ADDG_SUBG: '1 op:1 0 100011 0 uimm6:6 op3:2 uimm4:4 Rn:5 Rd:5',
      SUBP: '1 0 S:1 11010110 Rm:5 000000 Rn:5 Rd:5',
      IRG: '1 0 0 11010110 Rm:5 000100 Rn:5 Rd:5',
      GMI: '1 0 0 11010110 Rm:5 000101 Rn:5 Rd:5',
      LDG_STG: '11011001 opc:2 1 imm9:9 op2:2 Rn:5 Rt:5',
      STGP: '01 101 0 0 op2:2 0 simm7:7 Rt2:5 Rn:5 Rt:5',
      MSR_TCO: '1101010100 0 00 011 0100 CRm:4 100 11111',
    },
  },
  {
    name: 'FEAT_LOR',
    field: [MMFR1, 16, 1],
    encodings: { LDLAR_STLLR: 'size:2 001000 1 L:1 0 Rs:5 0 Rt2:5 Rn:5 Rt:5' },
  },
  {
    name: 'FEAT_PAN',
    field: [MMFR1, 20, 1],
    encodings: { MSR_PAN: '1101010100 0 00 000 0100 CRm:4 100 11111' },
  },
  {
    name: 'FEAT_UAO',
    field: [MMFR2, 4, 1],
    encodings: { MSR_UAO: '1101010100 0 00 000 0100 CRm:4 011 11111' },
  },
  {
    name: 'FEAT_DIT',
    field: [PFR0, 48, 1],
    encodings: { MSR_DIT: '1101010100 0 00 011 0100 CRm:4 010 11111' },
  },
  {
    name: 'FEAT_SSBS2',
    field: [PFR1, 4, 2],
    encodings: { MSR_SSBS: '1101010100 0 00 011 0100 CRm:4 001 11111' },
  },
  {
    name: 'FEAT_NMI',
    field: [PFR1, 36, 1],
    encodings: { MSR_ALLINT: '1101010100 0 00 001 0100 CRm:4 000 11111' },
  },
  {
    name: 'FEAT_SM3',
    field: [ISAR0, 36, 1],
    encodings: {
      SM3SS1: '11001110 010 Rm:5 0 Ra:5 Rn:5 Rd:5',
      SM3TT: '11001110 010 Rm:5 10 imm2:2 opcode:2 Rn:5 Rd:5',
      SM3PARTW: '11001110 011 Rm:5 11000 o:1 Rn:5 Rd:5',
    },
  },
  {
    name: 'FEAT_SM4',
    field: [ISAR0, 40, 1],
    encodings: {
      SM4E: '11001110 110 00000 100001 Rn:5 Rd:5',
      SM4EKEY: '11001110 011 Rm:5 110010 Rn:5 Rd:5',
    },
  },
  {
    name: 'FEAT_FHM',
    field: [ISAR0, 48, 1],
    encodings: {
      FMLAL_FMLSL: '0 Q:1 0 01110 S:1 0 1 Rm:5 111011 Rn:5 Rd:5',
      FMLAL2_FMLSL2: '0 Q:1 1 01110 S:1 0 1 Rm:5 110011 Rn:5 Rd:5',
      FMLAL_FMLSL_elt: '0 Q:1 0 01111 10 L:1 M:1 Rm:4 0 S:1 00 H:1 0 Rn:5 Rd:5',
      FMLAL2_FMLSL2_elt: '0 Q:1 1 01111 10 L:1 M:1 Rm:4 1 S:1 00 H:1 0 Rn:5 Rd:5',
    },
  },
  {
    name: 'FEAT_TME',
    field: [ISAR0, 24, 1],
    encodings: {
      TSTART: '1101010100 1 00 011 0011 0000 011 Rt:5',
      TTEST: '1101010100 1 00 011 0011 0001 011 Rt:5',
      TCOMMIT: '1101010100 0 00 011 0011 0000 011 11111',
      TCANCEL: '11010100 011 imm16:16 00000',
    },
  },
  {
    name: 'FEAT_BF16',
    field: [ISAR1, 44, 1],
    encodings: {
      BFCVT: '00011110 01 1 000110 10000 Rn:5 Rd:5',
      BFCVTN: '0 Q:1 0 01110 10 10000 10110 10 Rn:5 Rd:5',
      BFDOT: '0 Q:1 1 01110 01 0 Rm:5 111111 Rn:5 Rd:5',
      BFMLAL: '0 Q:1 1 01110 11 0 Rm:5 111111 Rn:5 Rd:5',
      BFMMLA: '0 1 1 01110 01 0 Rm:5 111011 Rn:5 Rd:5',
      BFDOT_elt: '0 Q:1 0 01111 01 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5',
      BFMLAL_elt: '0 Q:1 0 01111 11 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5',
    },
  },
  {
    name: 'FEAT_I8MM',
    field: [ISAR1, 52, 1],
    encodings: {
      SMMLA_UMMLA: '0 1 U:1 01110 10 0 Rm:5 101001 Rn:5 Rd:5',
      USMMLA: '0 1 0 01110 10 0 Rm:5 101011 Rn:5 Rd:5',
      USDOT: '0 Q:1 0 01110 10 0 Rm:5 100111 Rn:5 Rd:5',
      USDOT_elt: '0 Q:1 0 01111 10 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5',
      SUDOT_elt: '0 Q:1 0 01111 00 L:1 M:1 Rm:4 1111 H:1 0 Rn:5 Rd:5',
    },
  },
  {
    name: 'FEAT_XS',
    field: [ISAR1, 56, 1],
    encodings: { DSB_nXS: '1101010100 0 00 011 0011 imm2:2 10 001 11111' },
  },
  {
    name: 'FEAT_LS64',
    field: [ISAR1, 60, 1],
    encodings: {
      LD64B_ST64B: '11 111 0 00 0 0 1 11111 1 L:1 01 00 Rn:5 Rt:5',
      ST64BV: '11 111 0 00 0 0 1 Rs:5 1 01 o:1 00 Rn:5 Rt:5',
    },
  },
  {
    name: 'FEAT_WFxT',
    field: [ISAR2, 0, 2],
    encodings: { WFET_WFIT: '1101010100 0 00 011 0001 0000 00 op2:1 Rd:5' },
  },
  {
    name: 'FEAT_MOPS',
    field: [ISAR2, 16, 1],
    encodings: { CPY_SET: 'size:2 011 o0:1 01 op1:2 0 Rs:5 op2:4 01 Rn:5 Rd:5' },
  },
  {
    name: 'FEAT_HBC',
    field: [ISAR2, 20, 1],
    encodings: { BC_cond: '01010100 imm19:19 1 cond:4' },
  },
  {
    name: 'FEAT_CSSC',
    field: [ISAR2, 52, 1],
    encodings: {
      ABS: 'sf:1 1 0 11010110 00000 001000 Rn:5 Rd:5',
      CNT_CTZ: 'sf:1 1 0 11010110 00000 00011 op:1 Rn:5 Rd:5',
      MAX_MIN_reg: 'sf:1 0 0 11010110 Rm:5 0110 op:2 Rn:5 Rd:5',
      MAX_MIN_imm: 'sf:1 0 0 1000111 00 op:2 imm8:8 Rn:5 Rd:5',
    },
  },
];

/** The values of the ID registers of a new VM. */
function idRegisters(): (name: keyof typeof SYSREGS) => bigint {
  const { vm } = bareVm();
  initIdRegisters(vm);
  return (name) => vm.get64(idRegister(SYSREGS[name]));
}

const valueOf = idRegisters();

/** Whether vkvm's CPU says that it has the extension. In ID_AA64PFR0_EL1 a field of ones says that it has not. */
export const isAnnounced = ({ field: [register, shift, least] }: Extension): boolean =>
  Number((valueOf(register) >> BigInt(shift)) & 15n) % 15 >= least;

/** With rows in the table. */
export const ANNOUNCED: readonly Extension[] = IMPLEMENTED.filter(isAnnounced);
/** UNDEF. */
export const UNANNOUNCED: readonly Extension[] = [...IMPLEMENTED, ...LATER].filter(
  (extension) => !isAnnounced(extension),
);
/** Announced, but no row is known: a contradiction. */
export const CONTRADICTORY: readonly Extension[] = LATER.filter(isAnnounced);

/** The smallest `-march` that covers what is announced. */
export function smallestMarch(): string {
  const needs = ANNOUNCED.flatMap(({ march }) => march ?? []);
  const levels = needs.filter((need) => !need.startsWith('+')).toSorted();
  const options = new Set(needs.filter((need) => need.startsWith('+')));
  return [levels.at(-1) ?? 'armv8-a', ...options].join('');
}
