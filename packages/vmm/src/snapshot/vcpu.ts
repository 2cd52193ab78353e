/** One vCPU in a snapshot: its registers by one_reg, its power state, its pending events. */
import {
  KVM_REG_ARM_PTIMER_CNT,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_TIMER_CNT,
  KVM_REG_ARM_TIMER_CTL,
  SYSREGS,
  regSize,
  sysregId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import type { KvmError } from '../kvm/error.ts';
import { formatRegId } from '../kvm/register-name.ts';
import type { RegisterFile } from '../kvm/register-file.ts';
import type { PendingSerror, Vcpu } from '../kvm/vcpu.ts';
import { Json, hex } from './json.ts';
import type { Registers } from './droppable.ts';

/** What is saved of a vCPU. */
export interface VcpuState {
  readonly id: number;
  /** `KVM_MP_STATE_*`. */
  readonly mpState: number;
  /** In the order of `KVM_GET_REG_LIST`. */
  readonly registers: Registers;
  readonly serror?: PendingSerror;
}

const fromBytes = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
const toBytes = (value: bigint, length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));

/** Any register, as a number. */
export const readRegister = (vcpu: RegisterFile, id: RegId): bigint =>
  regSize(id) <= 8 ? vcpu.getReg(id) : fromBytes(vcpu.getRegBytes(id));

function writeRegister(vcpu: RegisterFile, id: RegId, value: bigint): void {
  if (regSize(id) <= 8) vcpu.setReg(id, value);
  else vcpu.setRegBytes(id, toBytes(value, regSize(id)));
}

/** All registers. */
export const saveRegisters = (vcpu: RegisterFile): Registers =>
  new Map(vcpu.regList().map((id) => [id, readRegister(vcpu, id)]));

/** Reads a vCPU that is settled. */
export function saveVcpu(vcpu: Vcpu): VcpuState {
  const { id, mpState, serror } = vcpu;
  return { id, mpState, registers: saveRegisters(vcpu), ...(serror && { serror }) };
}

/** An object: values by id, in hexadecimal. */
export const encodeRegisters = (registers: Registers): unknown =>
  Object.fromEntries(Array.from(registers, ([register, value]) => [formatRegId(register), hex(value)]));

/** @throws {SnapshotError} it is not what {@link encodeRegisters} makes */
export function decodeRegisters(json: Json): Registers {
  return new Map(
    json.entries().map(([name, value]) => {
      const id = new Json(name, 'the id of a register').word(64);
      return [id, value.word(8 * Math.min(regSize(id), 32))];
    }),
  );
}

export function encodeVcpu({ id, mpState, registers, serror }: VcpuState): unknown {
  return {
    id,
    mpState,
    ...(serror && {
      serror: serror.syndrome === undefined ? {} : { syndrome: hex(serror.syndrome) },
    }),
    registers: encodeRegisters(registers),
  };
}

const MP_STATE_MAX = 10;

/** @throws {SnapshotError} it is not what {@link encodeVcpu} makes */
export function decodeVcpu(payload: Uint8Array): VcpuState {
  const json = Json.parse(payload, 'a vCPU');
  const serror = json.get('serror');
  const syndrome = serror.isAbsent ? undefined : serror.get('syndrome');
  return {
    id: json.get('id').integer(0xffff),
    mpState: json.get('mpState').integer(MP_STATE_MAX),
    registers: decodeRegisters(json.get('registers')),
    ...(syndrome && { serror: syndrome.isAbsent ? {} : { syndrome: syndrome.word(64) } }),
  };
}

/** Counters go on from where they were; all vCPUs have the same, so one sets them for all. */
export const COUNTERS: readonly RegId[] = [KVM_REG_ARM_TIMER_CNT, KVM_REG_ARM_PTIMER_CNT];

/** Bits that the kernel computes: ISTATUS. */
const COMPUTED: ReadonlyMap<RegId, bigint> = new Map([
  [KVM_REG_ARM_TIMER_CTL, 4n],
  [KVM_REG_ARM_PTIMER_CTL, 4n],
]);

/** A register whose value the kernel did not take. */
export interface Refusal {
  readonly id: RegId;
  readonly value: bigint;
  /** Errno of the write, or `other value`: it succeeded, and the register reads differently. */
  readonly how: string;
  /** What it reads as now; absent where there is no such register. */
  readonly theirs?: bigint;
}

/** Registers that another name clears, not sets, on some kernels: all their bits are cleared before they are set. */
const CLEARS: readonly RegId[] = [SYSREGS.PMCNTENCLR_EL0, SYSREGS.PMINTENCLR_EL1, SYSREGS.PMOVSCLR_EL0].map(
  (key) => sysregId(key),
);
const ALL_COUNTERS = 0xffff_ffffn;

/**
 * Sets all registers but the counters, then looks whether they are what they should be: some writes succeed and change
 * nothing.
 *
 * @returns those that are not
 */
export function restoreRegisters(vcpu: RegisterFile, registers: Registers): Refusal[] {
  const errors = new Map<RegId, string>();
  const wanted = Array.from(registers).filter(([id]) => !COUNTERS.includes(id));
  for (const id of CLEARS.filter((each) => registers.has(each))) {
    attempt(() => writeRegister(vcpu, id, ALL_COUNTERS));
  }
  for (const [id, value] of wanted.filter(([each]) => !CLEARS.includes(each))) {
    const error = attempt(() => writeRegister(vcpu, id, value));
    if (error !== undefined) errors.set(id, error);
  }
  return wanted.flatMap(([id, value]) => {
    let theirs: bigint | undefined;
    attempt(() => (theirs = readRegister(vcpu, id)));
    const ignored = COMPUTED.get(id) ?? 0n;
    const how = errors.get(id);
    if (theirs !== undefined && (theirs & ~ignored) === (value & ~ignored)) return [];
    return [{ id, value, how: how ?? 'other value', ...(theirs !== undefined && { theirs }) }];
  });
}

/** Lets time go on: the last thing before the machine runs. @returns the counters that could not be set */
export function restoreCounters(vcpu: RegisterFile, registers: Registers): Refusal[] {
  return COUNTERS.flatMap((id) => {
    const value = registers.get(id);
    const how = value === undefined ? undefined : attempt(() => writeRegister(vcpu, id, value));
    return value === undefined || how === undefined ? [] : [{ id, value, how }];
  });
}

/** @returns the errno of a refused request */
export function attempt(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'KvmError') throw error;
    return (error as KvmError).errno;
  }
}
