/** Operations that run the guest. */
import { KVM_EXIT_MMIO, KVM_REG_PC, kvmRun, xRegId } from '@vkvm/uapi';
import { bytes, count, flag, name, optional, word, words } from '../input.ts';
import type { InputValues } from '../input.ts';
import { formatBytes, formatWord } from '../json.ts';
import { setRegister, showRegister } from '../one-reg.ts';
import { observeRun } from '../observe-run.ts';
import { operation } from '../operation.ts';
import { ScenarioError, answer } from '../session.ts';
import type { Observations, Session } from '../session.ts';
import type { RunInputs } from '../vcpu-run.ts';

/** Milliseconds after which a run that nothing ends is kicked. */
const KICK_MS = 2000;
/** Milliseconds that other threads get before a step looks at one of them. */
const LOOK_MS = 1;
/** What GUEST_CALL puts in x0–x17, with the register's number, where it has no value of its own. */
const MARK = 0x5a5a_0000_0000_0000n;
const MARKED = 18;
/** x0–x3 are reported as they are. */
const RESULTS = 4;
const NOT_COMPARED = '~';

const runInputs = {
  fd: name,
  immediate_exit: optional(count, 0),
  mmio_data: optional(bytes, undefined),
  kick_ms: optional(count, KICK_MS),
  signal_ms: optional(count, undefined),
};

type RunStep = InputValues<typeof runInputs>;

const beforeRun = ({ immediate_exit, mmio_data }: RunStep): RunInputs => ({
  immediateExit: immediate_exit,
  mmioData: mmio_data,
});

function run(session: Session, step: RunStep): Observations {
  const thread = session.startRun(step.fd, beforeRun(step));
  const result = session.finishRun(thread, step.signal_ms ?? step.kick_ms);
  return observeRun(session.user.memory, session.role(step.fd).page, result);
}

/** An MMIO exit that is still open is completed before registers are written. */
function completeMmio(session: Session, fd: string): void {
  const { page } = session.role(fd);
  if (page === undefined || kvmRun.view(session.user.memory, page).exit_reason !== KVM_EXIT_MMIO) return;
  session.finishRun(session.startRun(fd, { immediateExit: 1, mmioData: undefined }), 0);
}

function runPage(session: Session, fd: string): number {
  const { page } = session.role(fd);
  if (page === undefined) throw new ScenarioError(`${fd} has no kvm_run`);
  return page;
}

export const runOperations = [
  operation('RUN', runInputs, run),

  operation(
    'GUEST_CALL',
    { ...runInputs, code: word, x: optional(words, []), volatile_x: optional(flag, false) },
    (session, { code, x, volatile_x, ...step }) => {
      const { fd } = step;
      completeMmio(session, fd);
      const given = Array.from(
        { length: MARKED },
        (_, n) => x[n] ?? MARK | BigInt(`0x${n.toString(16).padStart(2, '0')}`),
      );
      for (const [n, value] of given.entries()) setRegister(session, fd, xRegId(n), value);
      setRegister(session, fd, KVM_REG_PC, code);
      const seen = run(session, step);
      const after = given.map((_, n) => showRegister(session, fd, xRegId(n)));
      const changed = after
        .map((value, n) => [`x${n}`, value] as const)
        .slice(RESULTS)
        .filter(([, value], index) => value !== formatWord(given[index + RESULTS] as bigint));
      const results = after.slice(0, RESULTS);
      return {
        ...seen,
        x: volatile_x ? results.map((value, n) => (n === 0 ? value : NOT_COMPARED)) : results,
        ...(changed.length > 0 ? { changed: Object.fromEntries(changed) } : {}),
        pc: showRegister(session, fd, KVM_REG_PC),
      };
    },
  ),

  operation(
    'SPAWN_RUN',
    { ...runInputs, settle_ms: optional(count, LOOK_MS) },
    (session, { settle_ms, ...step }) => {
      session.threads.set(step.fd, session.startRun(step.fd, beforeRun(step)));
      session.runThreads(settle_ms);
      return { ret: 0 };
    },
  ),

  operation('JOIN', { fd: name, kick_ms: optional(count, KICK_MS) }, (session, { fd, kick_ms }) => {
    const thread = session.threads.get(fd);
    if (!thread) throw new ScenarioError(`${fd} does not run`);
    const result = session.finishRun(thread, kick_ms);
    session.threads.delete(fd);
    return observeRun(session.user.memory, session.role(fd).page, result);
  }),

  operation('IS_RUNNING', { fd: name }, (session, { fd }) => {
    session.runThreads(LOOK_MS);
    const thread = session.threads.get(fd);
    return { running: thread !== undefined && thread.result === undefined };
  }),

  operation('RUN_PAGE_READ', { fd: name, off: count, len: count }, (session, { fd, off, len }) => ({
    hex: formatBytes(session.read(runPage(session, fd) + off, len)),
  })),

  operation('RUN_PAGE_WRITE', { fd: name, off: count, hex: bytes }, (session, { fd, off, hex }) => {
    session.user.bytes(runPage(session, fd) + off, hex.length).set(hex);
    return answer(0);
  }),
];
