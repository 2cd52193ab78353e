/**
 * PSCI 0.1 to 1.3 in user space, for the calls that are not the kernel's. A guest cannot tell the two apart.
 * Source: Arm DEN 0022, chapter 5; where it leaves a choice, what KVM does.
 */
import {
  ARM_SMCCC_VERSION_FUNC_ID,
  PSCI_0_1,
  PSCI_AFFINITY_OFF,
  PSCI_AFFINITY_ON,
  PSCI_ALREADY_ON,
  PSCI_DENIED,
  PSCI_INTERNAL_FAILURE,
  PSCI_INVALID_PARAMETERS,
  PSCI_NOT_SUPPORTED,
  PSCI_OFF2_HIBERNATE,
  PSCI_RESET2_VENDOR_START,
  PSCI_RESET2_WARM,
  PSCI_SUCCESS,
  PSCI_TOS_MP,
  xRegId,
} from '@vkvm/uapi';
import type { PsciFunctionName, PsciVersion } from '@vkvm/uapi';
import type { ExitAction } from '../exits/handler.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { CpuPower } from './cpu-power.ts';
import { findId } from './psci-ids.ts';

/** A call: function id, and x1 and after. */
export interface PsciCall {
  readonly functionId: number;
  readonly args: readonly bigint[];
}

/** What becomes of a call. */
export interface PsciAnswer {
  /** x0 to x3. */
  readonly results: readonly bigint[];
  readonly action: ExitAction;
}

export interface UserPsciOptions {
  readonly version: PsciVersion;
  readonly power: CpuPower;
  /** Whether a vCPU can be SUSPENDED and woken by interrupts: Linux 5.19. */
  readonly canSuspend: boolean;
}

type Args = readonly [bigint, bigint, bigint];
/** @returns what goes into x0, with zeros in x1 to x3; or the whole answer */
type Handler = (args: Args, caller: Vcpu, functionId: number) => number | PsciAnswer;

/** An affinity: Aff3 in bits 39–32, Aff2 to Aff0 in bits 23–0. Other bits are reserved. */
const AFFINITY = 0xff_00ff_ffffn;
const LEVELS = 4;
const WORD = 0xffff_ffffn;

const numbers = (x0: number, x1 = 0n, x2 = 0n, x3 = 0n): bigint[] => [
  BigInt.asUintN(64, BigInt(x0)),
  x1,
  x2,
  x3,
];

/** One PSCI for one machine. Its state is the power state of the vCPUs, which is the kernel's. */
export class UserPsci {
  readonly version: PsciVersion;
  readonly #power: CpuPower;
  readonly #canSuspend: boolean;
  readonly #handlers: Readonly<Partial<Record<PsciFunctionName, Handler>>>;

  constructor({ version, power, canSuspend }: UserPsciOptions) {
    this.version = version;
    this.#power = power;
    this.#canSuspend = canSuspend;
    const cpuFunctions = {
      CPU_OFF: this.#cpuOff,
      CPU_ON: this.#cpuOn,
    } as const satisfies Partial<Record<PsciFunctionName, Handler>>;
    this.#handlers =
      version === PSCI_0_1
        ? cpuFunctions
        : {
            ...cpuFunctions,
            PSCI_VERSION: () => this.version,
            CPU_SUSPEND: this.#cpuSuspend,
            AFFINITY_INFO: this.#affinityInfo,
            MIGRATE_INFO_TYPE: () => PSCI_TOS_MP,
            SYSTEM_OFF: () => this.#stop('shutdown'),
            SYSTEM_RESET: () => this.#stop('reset'),
            PSCI_FEATURES: ([id]) => this.#features(Number(id & WORD)),
            SYSTEM_RESET2: this.#systemReset2,
            SYSTEM_OFF2: this.#systemOff2,
            ...(canSuspend && { SYSTEM_SUSPEND: this.#systemSuspend }),
          };
  }

  /** Serves a call. Ids that the version does not have are not supported. */
  call({ functionId, args }: PsciCall, caller: Vcpu): PsciAnswer {
    const row = findId(functionId, this.version);
    const handler = row && this.#handlers[row.name];
    if (!handler) return answer(PSCI_NOT_SUPPORTED);
    const mask = row.isNarrow ? WORD : ~0n;
    const [x1 = 0n, x2 = 0n, x3 = 0n] = args.map((value) => value & mask);
    const result = handler([x1, x2, x3], caller, functionId);
    return typeof result === 'number' ? answer(result) : result;
  }

  /**
   * An interrupt is pending for a vCPU that is SUSPENDED, and stays so until told otherwise. One that made SYSTEM_SUSPEND
   * starts from reset where the call says; one that made CPU_SUSPEND goes on.
   */
  wake(vcpu: Vcpu): void {
    const [x0, pc, context] = [0, 1, 2].map((n) => vcpu.getReg(xRegId(n))) as [bigint, bigint, bigint];
    if (findId(Number(x0 & WORD), this.version)?.name === 'SYSTEM_SUSPEND') {
      this.#power.turnOn(vcpu, { pc, context }, vcpu);
    } else {
      this.#power.wake(vcpu);
    }
  }

  /** PSCI_FEATURES reads the rows that calls are served by. */
  #features(id: number): number {
    if (id === ARM_SMCCC_VERSION_FUNC_ID) return PSCI_SUCCESS;
    const row = findId(id, this.version);
    return row && this.#handlers[row.name] ? row.features : PSCI_NOT_SUPPORTED;
  }

  /** A standby, whatever state is asked for: the registers stay, and the call returns when woken. */
  readonly #cpuSuspend: Handler = (_args, caller) => {
    // Where a vCPU cannot wait, a wake-up that came at once is a legal answer.
    if (this.#canSuspend) this.#power.suspend(caller);
    return PSCI_SUCCESS;
  };

  readonly #cpuOff: Handler = (_args, caller) => {
    this.#power.turnOff(caller);
    return PSCI_SUCCESS;
  };

  readonly #cpuOn: Handler = ([affinity, pc, context], caller) => {
    const [target] = (affinity & ~AFFINITY) === 0n ? this.#power.matching(affinity, AFFINITY) : [];
    if (target === undefined) return PSCI_INVALID_PARAMETERS;
    if (!this.#power.isOff(target)) {
      return this.version === PSCI_0_1 ? PSCI_INVALID_PARAMETERS : PSCI_ALREADY_ON;
    }
    this.#power.turnOn(target, { pc, context }, caller);
    return PSCI_SUCCESS;
  };

  readonly #affinityInfo: Handler = ([affinity, level]) => {
    if ((affinity & ~AFFINITY) !== 0n || level >= LEVELS) return PSCI_INVALID_PARAMETERS;
    const mask = level === 3n ? AFFINITY & ~WORD : AFFINITY & (~0n << (8n * level));
    const found = this.#power.matching(affinity, mask);
    if (found.length === 0) return PSCI_INVALID_PARAMETERS;
    return found.every((vcpu) => this.#power.isOff(vcpu)) ? PSCI_AFFINITY_OFF : PSCI_AFFINITY_ON;
  };

  /** The call stays in the registers: it is what {@link wake} goes by, and what a snapshot keeps. */
  readonly #systemSuspend: Handler = ([pc, context, x3], caller, functionId) => {
    if (!this.#power.isLast(caller)) return PSCI_DENIED;
    this.#power.suspend(caller);
    return { results: [BigInt(functionId), pc, context, x3], action: 'resume' };
  };

  /** Who resumes the guest now gives it a failure to read. */
  #stop(kind: 'shutdown' | 'reset', results = numbers(PSCI_INTERNAL_FAILURE)): PsciAnswer {
    this.#power.turnOffAll();
    return { results, action: { kind } };
  }

  readonly #systemReset2: Handler = ([type, cookie, x3]) => {
    if (type !== BigInt(PSCI_RESET2_WARM) && type < BigInt(PSCI_RESET2_VENDOR_START))
      return PSCI_INVALID_PARAMETERS;
    return this.#stop('reset', numbers(PSCI_INTERNAL_FAILURE, type, cookie, x3));
  };

  readonly #systemOff2: Handler = ([type, cookie]) => {
    const hibernates = type === 0n || type === BigInt(PSCI_OFF2_HIBERNATE);
    return hibernates && cookie === 0n ? this.#stop('shutdown') : PSCI_INVALID_PARAMETERS;
  };
}

const answer = (x0: number): PsciAnswer => ({ results: numbers(x0), action: 'resume' });
