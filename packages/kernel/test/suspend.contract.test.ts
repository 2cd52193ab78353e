/**
 * SUSPEND, the hard case of the 2013 thread: a vCPU that user space puts to sleep is woken by interrupts that the kernel
 * sees, and by nothing else.
 */
import {
  KVM_EXIT_INTR,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_GET_MP_STATE,
  KVM_IRQ_LINE,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_SET_MP_STATE,
  KVM_SYSTEM_EVENT_WAKEUP,
  VKVM_CAP_PSCI_OWNER,
  VKVM_EXIT_IDLE,
  VKVM_EXIT_PSCI,
  VKVM_IDLE_STOPPED,
  VKVM_IDLE_SUSPENDED,
  VKVM_IDLE_WFI,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
  encodeIrq,
  kvmIrqLevel,
  kvmMpState,
  kvmRunSystemEvent,
  vkvmRunIdle,
  vkvmRunPsci,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { TestProcess, TestVcpu, TestVm } from './machine.ts';

/** Calls CPU_SUSPEND for ever, and counts in x19 how often it came back. Interrupts are masked: they wake, no more. */
const SLEEPER = [
  0x5280_0020, // mov  w0, #1
  0x72b0_8000, // movk w0, #0x8400, lsl #16
  0xd400_0002, // hvc  #0
  0x9100_0673, // add  x19, x19, #1
  0x17ff_fffc, // b    .-16
];
const SLICE = 100;
const STEPS = 10_000;

const STATES = [KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, KVM_MP_STATE_SUSPENDED] as const;

/** Numbers below `bound`, the same for each seed. Source: the constants are those of POSIX drand48. */
function random(seed: number): (bound: number) => number {
  let state = BigInt(seed);
  return (bound) => {
    state = (state * 0x5_deec_e66dn + 0xbn) & 0xffff_ffff_ffffn;
    return Number(state >> 17n) % bound;
  };
}

/** A sleeper, and what it has to do: which interrupts are up, who kicked it, in which state it is. */
class Sleeper {
  readonly vcpu: TestVcpu;
  readonly owner: number;
  state: number = KVM_MP_STATE_RUNNABLE;
  line = false;
  kicked = false;
  /** Returns of CPU_SUSPEND that the guest may have seen. */
  least = 0;
  most = 0;
  /** Whether the guest is within a CPU_SUSPEND that may return. */
  mayReturn = false;

  constructor(owner: number) {
    const vm = new TestVm(new TestProcess());
    vm.load(SLEEPER);
    vm.slice(SLICE);
    vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(owner));
    this.owner = owner;
    this.vcpu = new TestVcpu(vm).start();
    this.vcpu.set(xRegId(19), 0n);
  }

  setState(state: number): void {
    this.state = state;
    const { process } = this.vcpu.vm;
    const result = process.call(this.vcpu.fd, KVM_SET_MP_STATE, kvmMpState, { mp_state: state });
    if (result !== 0) throw new Error(`KVM_SET_MP_STATE: ${result}`);
  }

  setLine(up: boolean): void {
    this.line = up;
    const { process, fd } = this.vcpu.vm;
    process.call(fd, KVM_IRQ_LINE, kvmIrqLevel, { irq: encodeIrq(0, 0, 0), level: up ? 1 : 0 });
  }

  kick(): void {
    this.kicked = true;
    this.vcpu.kick();
  }

  /** What the next KVM_RUN has to answer. */
  expected(): string {
    if (this.kicked) return 'EINTR';
    if (this.state === KVM_MP_STATE_STOPPED) return `idle ${VKVM_IDLE_STOPPED}`;
    if (this.state === KVM_MP_STATE_SUSPENDED) return this.line ? 'wakeup' : `idle ${VKVM_IDLE_SUSPENDED}`;
    if (this.owner === VKVM_PSCI_OWNER_USER) return 'psci';
    return this.line ? 'EINTR' : `idle ${VKVM_IDLE_WFI}`;
  }

  /** Calls KVM_RUN. @returns what came back */
  run(): string {
    const { vcpu } = this;
    const result = vcpu.run();
    if (result === 'EINTR' && vcpu.exitReason === KVM_EXIT_INTR) return 'EINTR';
    if (result !== 0) return String(result);
    switch (vcpu.exitReason) {
      case VKVM_EXIT_IDLE:
        return `idle ${vcpu.exit(vkvmRunIdle).why}`;
      case VKVM_EXIT_PSCI:
        return 'psci';
      case KVM_EXIT_SYSTEM_EVENT: {
        const { type, ndata } = vcpu.exit(kvmRunSystemEvent);
        return type === KVM_SYSTEM_EVENT_WAKEUP && ndata === 0 ? 'wakeup' : `event ${type}`;
      }
      default:
        return `exit ${vcpu.exitReason}`;
    }
  }

  /** Takes note of what a KVM_RUN did, as its VMM: user space serves CPU_SUSPEND by the state SUSPENDED. */
  account(outcome: string): void {
    const ran = !this.kicked && this.state === KVM_MP_STATE_RUNNABLE;
    if (ran && this.owner === VKVM_PSCI_OWNER_USER) {
      if (this.mayReturn) this.#returned(1, 1);
      this.mayReturn = true;
      vkvmRunPsci.view(this.vcpu.vm.process.memory, this.vcpu.page).ret = [0n, 0n, 0n, 0n];
      this.setState(KVM_MP_STATE_SUSPENDED);
    } else if (ran && this.line) {
      this.#returned(1, SLICE);
      this.mayReturn = true;
    } else if (ran) {
      if (this.mayReturn) this.#returned(0, 1);
      this.mayReturn = false;
    } else if (outcome === 'EINTR' || outcome === 'wakeup') {
      // A signal ends the WFI that the kernel makes of CPU_SUSPEND, as an interrupt does; user space decides for itself.
      if (this.owner !== VKVM_PSCI_OWNER_USER) this.mayReturn = true;
    }
    this.kicked = false;
  }

  #returned(least: number, most: number): void {
    const now = Number(this.vcpu.get(xRegId(19)));
    this.least = Math.max(now, this.least + least);
    this.most = Math.min(now, this.most + most);
  }

  get mpState(): number {
    const { process } = this.vcpu.vm;
    process.ioctl(this.vcpu.fd, KVM_GET_MP_STATE, process.arg);
    return kvmMpState.read(process.memory, process.arg).mp_state;
  }
}

describe('does a vCPU in SUSPEND ever come out of KVM_RUN without a reason?', () => {
  test.each([
    ['kernel', VKVM_PSCI_OWNER_KERNEL],
    ['exit', VKVM_PSCI_OWNER_EXIT],
    ['user', VKVM_PSCI_OWNER_USER],
  ])('not in 10 000 kicks, interrupts and MP_STATE writes, with the owner %s', (_, owner) => {
    const sleeper = new Sleeper(owner);
    const next = random(0x2013);
    const seen = new Map<string, number>();
    for (let step = 0; step < STEPS; step++) {
      switch (next(8)) {
        case 0:
          sleeper.kick();
          break;
        case 1:
          sleeper.setLine(true);
          break;
        case 2:
          sleeper.setLine(false);
          break;
        case 3:
          sleeper.setState(STATES[next(STATES.length)]!);
          break;
        default: {
          const expected = sleeper.expected();
          const outcome = sleeper.run();
          expect(outcome, `step ${step}`).toBe(expected);
          sleeper.account(outcome);
          seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
        }
      }
      // It stays what user space made it, and the guest has seen no more than that.
      expect(sleeper.mpState, `step ${step}`).toBe(sleeper.state);
      const returns = Number(sleeper.vcpu.get(xRegId(19)));
      expect(returns >= sleeper.least && returns <= sleeper.most, `step ${step}: ${returns} returns`).toBe(
        true,
      );
    }
    const outcomes = [
      'EINTR',
      'idle 2',
      'idle 3',
      'wakeup',
      owner === VKVM_PSCI_OWNER_USER ? 'psci' : 'idle 1',
    ];
    expect([...seen.keys()].toSorted()).toEqual(outcomes.toSorted());
    expect(Math.min(...seen.values())).toBeGreaterThan(100);
  });
});
