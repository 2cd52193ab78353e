/** The rows of the machine's table against a difference. */
import {
  KVM_CAP_ARM_VM_IPA_SIZE,
  KVM_CREATE_DEVICE_TEST,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_REG_ELR_EL1,
  KVM_REG_PSTATE,
  KVM_VM_TYPE_ARM_IPA_SIZE_MASK,
  SYSREGS,
  sysregId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import type { Doubt, Rule } from './doubt.ts';
import { parseBytes, parseWord } from './json.ts';
import type { Json } from './json.ts';
import {
  AARCH32_EL0,
  BIG_ENDIAN,
  DEVICE_ALIGNMENT,
  FEATURES,
  GIC_INTERFACE,
  GUEST_PMU_REGISTERS,
  INSTRUCTIONS,
  MACHINE_CAPABILITIES,
  MACHINE_DEVICES,
  MACHINE_GIC_REGISTERS,
  MACHINE_REGISTERS,
  MITIGATIONS,
} from './machine.ts';
import type { InstructionRow } from './machine.ts';
import { getRegister } from './one-reg.ts';
import { RECORDED_ID_REGISTERS } from './recorded-cpu.ts';
import { registerId } from './registers.ts';

const isCount = (value: Json | undefined): boolean => typeof value === 'number' && value > 0;

/** The number in a place of a trace that holds a register: hex, or bytes of guest memory. */
function registerIn(value: Json | undefined): bigint | undefined {
  if (typeof value !== 'string') return undefined;
  if (value.startsWith('0x')) return parseWord(value);
  return parseBytes(value)?.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** A register of the vCPU that the step is about, as it is now. */
function vcpuRegister({ session, step }: Doubt, id: RegId): bigint | undefined {
  const { fd } = step.inputs;
  if (typeof fd !== 'string') return undefined;
  const { result, value } = getRegister(session, fd, id);
  return result < 0 ? undefined : value.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** A thread of this host has no signals. */
const signals: Rule = ({ step }) =>
  step.operation.name === 'SIGNAL'
    ? { reason: 'blocked signals of a Linux thread', onward: true }
    : undefined;

const capabilities: Rule = ({ step, difference: { path, expected, got }, capability }) => {
  const { name } = step.operation;
  if (name !== 'CHECK_EXTENSION' && name !== 'CHECK_EXTENSION_RANGE') return undefined;
  const number = name === 'CHECK_EXTENSION' ? Number(step.inputs['cap']) : Number(path.at(-1));
  const feature = FEATURES.find((row) => row.capability === number);
  if (feature && capability(number) === 0) return { reason: `no ${feature.name} (capability ${number})` };
  const counted = MACHINE_CAPABILITIES.get(number);
  if (counted === undefined || !isCount(expected) || !isCount(got)) return undefined;
  return { reason: `${counted} (capability ${number})` };
};

/** KVM_ARM_VCPU_INIT with a feature that the CPU lacks is refused, and the vCPU stays as it was. */
const missingFeature: Rule = ({ step, expected, got, capability }) => {
  const [word = 0n] = (step.inputs['features'] ?? []) as readonly bigint[];
  if (step.operation.name !== 'VCPU_INIT' || got['errno'] !== 'EINVAL' || expected['ret'] !== 0)
    return undefined;
  const missing = FEATURES.filter(
    (row) =>
      row.vcpuFeature !== undefined &&
      ((word >> BigInt(row.vcpuFeature)) & 1n) === 1n &&
      capability(row.capability) === 0,
  );
  if (missing.length === 0) return undefined;
  const named = missing.map((row) => `${row.name} (capability ${row.capability})`).join(', ');
  return { reason: `no ${named}`, onward: true };
};

const ipaSize: Rule = ({ step, expected, got, capability }) => {
  if (step.operation.name !== 'CREATE_VM' || expected['ret'] !== 0 || got['errno'] !== 'EINVAL')
    return undefined;
  const bits = Number(step.inputs['type']) & KVM_VM_TYPE_ARM_IPA_SIZE_MASK;
  if (bits <= capability(KVM_CAP_ARM_VM_IPA_SIZE)) return undefined;
  return { reason: `IPA bits (capability ${KVM_CAP_ARM_VM_IPA_SIZE})`, onward: true };
};

/** CREATE_DEVICE that only asks. */
const isTest = ({ step }: Doubt): boolean => step.inputs['flags'] === BigInt(KVM_CREATE_DEVICE_TEST);

/** A host has one kind of GIC; a kernel that emulates both has no such limit. */
const otherGic: Rule = (doubt) => {
  const { scenario, step, expected, got } = doubt;
  const { name } = step.operation;
  if (expected['errno'] !== 'ENODEV' || (name !== 'CREATE_DEVICE' && name !== 'CREATE_IRQCHIP'))
    return undefined;
  const type = name === 'CREATE_IRQCHIP' ? KVM_DEV_TYPE_ARM_VGIC_V2 : Number(step.inputs['type']);
  const other = scenario.host === 'gicv3' ? KVM_DEV_TYPE_ARM_VGIC_V2 : KVM_DEV_TYPE_ARM_VGIC_V3;
  if (type !== other) return undefined;
  return { reason: `a ${scenario.host} host`, onward: got['ret'] === 0 && !isTest(doubt) };
};

const devices: Rule = (doubt) => {
  const { step } = doubt;
  if (step.operation.name !== 'CREATE_DEVICE') return undefined;
  const reason = MACHINE_DEVICES.get(Number(step.inputs['type']));
  return reason === undefined ? undefined : { reason, onward: !isTest(doubt) };
};

/** The register that a difference is about. */
function namedRegister({ step, difference: { path } }: Doubt): RegId | undefined {
  const { inputs } = step;
  switch (step.operation.name) {
    case 'GET_ONE_REG':
    case 'SET_ONE_REG':
      return registerId(String(inputs['reg']));
    case 'GET_REGS':
    case 'GET_ALL_REGS':
    case 'PROBE_WRITE':
      return registerId(path.at(-1) ?? '');
    case 'WRITABLE_MASKS':
      return featureRegister(Number(path.at(-1)));
    default:
      return undefined;
  }
}

/** The register of a word of KVM_ARM_GET_REG_WRITABLE_MASKS: op1 (3 counts as 2), CRm, op2. Source: asm/kvm.h. */
function featureRegister(index: number): RegId | undefined {
  if (!Number.isInteger(index)) return undefined;
  const op1 = index >> 6;
  return sysregId((3 << 14) | ((op1 === 2 ? 3 : op1) << 11) | (index & 0x3f));
}

/** What comes of a write to one is the machine's too; a value must be there on both sides. */
const registers: Rule = (doubt) => {
  const id = namedRegister(doubt);
  const name = id === undefined ? undefined : MACHINE_REGISTERS.get(id);
  if (name === undefined) return undefined;
  const { expected, got } = doubt.difference;
  const reads = doubt.step.operation.name.startsWith('GET_');
  // Only registers that are not 0 may have been asked for.
  const isValue = (value: Json | undefined): boolean =>
    value === undefined || registerIn(value) !== undefined;
  return !reads || (isValue(expected) && isValue(got)) ? { reason: name } : undefined;
};

/** The guest has read an ID register: the trace has the recorded CPU's value where this kernel's own was seen. */
const guestReads: Rule = (doubt) => {
  const { name } = doubt.step.operation;
  if (!['RUN', 'GUEST_CALL', 'JOIN', 'GET_REGS', 'GET_ONE_REG', 'MEM_READ'].includes(name)) return undefined;
  const expected = registerIn(doubt.difference.expected);
  const got = registerIn(doubt.difference.got);
  if (expected === undefined || got === undefined) return undefined;
  for (const [register, recorded] of Object.entries(RECORDED_ID_REGISTERS)) {
    const own = vcpuRegister(doubt, sysregId(SYSREGS[register as keyof typeof SYSREGS]));
    const cut = (value: bigint): bigint => (isMemory(doubt) ? BigInt.asUintN(32, value) : value);
    if (own !== undefined && cut(own) === got && recorded.some((value) => cut(value) === expected)) {
      return { reason: register };
    }
  }
  return undefined;
};

/** MRS x0: all but the encoding of the register. */
const MRS_MASK = 0xffe0_001f;
const MRS_X0 = 0xd520_0000;
const keyOf = (word: number): number => (word >>> 5) & 0xffff;

/** The system register that the code of a call has read last, by its encoding; -1 = none. */
function lastRead({ session, step, got }: Doubt): number {
  const { code } = step.inputs;
  const end = registerIn(got['pc'] as Json | undefined);
  if (typeof code !== 'bigint' || end === undefined) return -1;
  for (let at = end - 4n; at >= code; at -= 4n) {
    const word = session.guestWord(at) ?? 0;
    if ((word & MRS_MASK) >>> 0 === MRS_X0) return keyOf(word);
  }
  return -1;
}

const guestPmuReads: Rule = (doubt) => {
  const { path, expected, got } = doubt.difference;
  if (doubt.step.operation.name !== 'GUEST_CALL' || (path.join('.') !== 'x.0' && !isMemory(doubt)))
    return undefined;
  const key = lastRead(doubt);
  const row = GUEST_PMU_REGISTERS.find(({ name }) => SYSREGS[name] === key);
  const a = registerIn(expected);
  const b = registerIn(got);
  if (!row || a === undefined || b === undefined) return undefined;
  return ((a ^ b) & ~row.mask) === 0n ? { reason: row.name } : undefined;
};

/** Guests store 32 bits of a register for user space to see. */
const isMemory = ({ difference: { path } }: Doubt): boolean => path.at(-1) === 'data';

/** Classes of exceptions. Source: Arm DDI 0487, ESR_ELx.EC. */
const CLASS_UNKNOWN = 0n;
const CLASS_SHIFT = 26n;
const EL_MASK = 0xcn;

const isOneOf = ({ encodings }: InstructionRow, word: number): boolean =>
  encodings.some(({ mask, value }) => (word & mask) >>> 0 === value);

/** The code of a call reaches a CPU interface that the recorded host did not have. */
const otherInterface: Rule = ({ session, scenario, step, got }) => {
  const { code } = step.inputs;
  const end = registerIn(got['pc'] as Json | undefined);
  if (scenario.host !== 'gicv2' || typeof code !== 'bigint' || end === undefined) return undefined;
  for (let at = code; at < end; at += 4n) {
    if (isOneOf(GIC_INTERFACE, session.guestWord(at) ?? 0)) return { reason: `a ${scenario.host} host` };
  }
  return undefined;
};

/** The guest stopped at an instruction of a feature that the CPU does not announce. */
const instructions: Rule = (doubt) => {
  const syndrome = vcpuRegister(doubt, sysregId(SYSREGS.ESR_EL1));
  const at = vcpuRegister(doubt, KVM_REG_ELR_EL1);
  const pstate = vcpuRegister(doubt, KVM_REG_PSTATE);
  if (syndrome === undefined || at === undefined || pstate === undefined) return undefined;
  if (syndrome >> CLASS_SHIFT !== CLASS_UNKNOWN || (pstate & EL_MASK) === 0n) return undefined;
  const word = doubt.session.guestWord(at);
  if (word === undefined) return undefined;
  const row = INSTRUCTIONS.find((each) => isOneOf(each, word));
  if (!row) return undefined;
  const announced = vcpuRegister(doubt, sysregId(SYSREGS[row.register]));
  if (announced === undefined) return undefined;
  const { fields, least = 1 } = row;
  if (fields.some((field) => ((announced >> BigInt(field)) & 0xfn) >= BigInt(least))) return undefined;
  return { reason: `no ${row.name} (${row.register})`, onward: doubt.step.operation.name !== 'GUEST_CALL' };
};

/** SCTLR_EL1.M: the MMU is on. */
const M = 1n;

/** The guest stopped at an access that the recorded CPU makes. */
const deviceAlignment: Rule = (doubt) => {
  const { name, classes, status } = DEVICE_ALIGNMENT;
  const syndrome = vcpuRegister(doubt, sysregId(SYSREGS.ESR_EL1));
  const control = vcpuRegister(doubt, sysregId(SYSREGS.SCTLR_EL1));
  if (syndrome === undefined || control === undefined || (control & M) !== 0n) return undefined;
  const isAbort = classes.some((each) => each === syndrome >> CLASS_SHIFT);
  if (!isAbort || (syndrome & status.mask) !== status.value) return undefined;
  return { reason: name, onward: doubt.step.operation.name !== 'GUEST_CALL' };
};

/** SCTLR_EL1.EE: data accesses at EL1 are big-endian. */
const EE = 1n << 25n;

/** A vCPU is told to be big-endian, by its guest or by the CPU_ON of one that is; only some CPUs can. */
const bigEndian: Rule = (doubt) => {
  const announced = vcpuRegister(doubt, sysregId(SYSREGS[BIG_ENDIAN.register]));
  const control = vcpuRegister(doubt, sysregId(SYSREGS.SCTLR_EL1));
  if (announced === undefined || control === undefined || (control & EE) === 0n) return undefined;
  if (((announced >> BigInt(BIG_ENDIAN.field)) & 0xfn) !== 0n) return undefined;
  return { reason: `no ${BIG_ENDIAN.name} (${BIG_ENDIAN.register})`, onward: true };
};

/** What a step writes to a register, or would have if an earlier one had not been refused. */
function writtenTo({ step: { operation, inputs } }: Doubt, id: RegId): bigint | undefined {
  const { reg, val, set } = inputs;
  const writes = (
    operation.name === 'SET_ONE_REG' ? [[reg, val]] : operation.name === 'SET_REGS' ? set : []
  ) as readonly (readonly [string, unknown])[];
  const value = writes.find(([name]) => registerId(name) === id)?.[1];
  return typeof value === 'bigint' ? value : undefined;
}

/** PSTATE is set to a mode of AArch32; only some CPUs have it at EL0. What the vCPU runs from then on is another set. */
const aarch32: Rule = (doubt) => {
  const { name, register, field, least, modes } = AARCH32_EL0;
  const { expected, got } = doubt;
  const pstate = writtenTo(doubt, KVM_REG_PSTATE);
  if (pstate === undefined || (pstate & modes.mask) !== modes.value) return undefined;
  if (expected['ret'] !== 0 || got['errno'] !== 'EINVAL') return undefined;
  const announced = vcpuRegister(doubt, sysregId(SYSREGS[register]));
  if (announced === undefined || ((announced >> BigInt(field)) & 0xfn) >= least) return undefined;
  return { reason: `no ${name} (${register})`, onward: true };
};

/** The level of a fault follows from how large the host's mappings are. */
const faultLevel: Rule = ({ difference: { path, expected, got } }) => {
  const a = registerIn(expected);
  const b = registerIn(got);
  if (path.at(-1) !== 'esr_iss' || a === undefined || b === undefined) return undefined;
  return (a ^ b) >> 2n === 0n ? { reason: 'the fault level in esr_iss' } : undefined;
};

const SMCCC_ARCH_FEATURES = 0x8000_0001n;

const mitigations: Rule = ({ step, difference: { path } }) => {
  const [call, about] = (step.inputs['x'] ?? []) as readonly bigint[];
  if (step.operation.name !== 'GUEST_CALL' || call !== SMCCC_ARCH_FEATURES) return undefined;
  if (about === undefined || !MITIGATIONS.includes(BigInt.asUintN(32, about))) return undefined;
  const isAnswer = path.join('.') === 'x.0' || path.join('.') === 'data';
  return isAnswer ? { reason: 'the mitigation state of the CPU' } : undefined;
};

const gicRegisters: Rule = ({ step, difference: { path, expected, got } }) => {
  if (step.operation.name !== 'GET_DEVICE_ATTR' || path[0] !== 'data') return undefined;
  const { group, attr } = step.inputs;
  if (typeof group !== 'bigint' || typeof attr !== 'bigint') return undefined;
  const row = MACHINE_GIC_REGISTERS.find(
    (each) => BigInt(each.group) === group && BigInt(each.attribute) === BigInt.asUintN(32, attr),
  );
  const a = registerIn(expected);
  const b = registerIn(got);
  if (!row || a === undefined || b === undefined) return undefined;
  return ((a ^ b) & ~row.mask) === 0n ? { reason: row.name } : undefined;
};

/** In the order they are asked. */
export const RULES: readonly Rule[] = [
  signals,
  capabilities,
  missingFeature,
  ipaSize,
  otherGic,
  devices,
  registers,
  guestReads,
  guestPmuReads,
  otherInterface,
  instructions,
  deviceAlignment,
  bigEndian,
  aarch32,
  faultLevel,
  mitigations,
  gicRegisters,
];
