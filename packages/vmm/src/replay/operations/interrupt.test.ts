import { KVM_IRQFD, kvmIrqfd } from '@vkvm/uapi';
import type { Syscalls } from '@vkvm/uapi';
import { expect, test } from 'vitest';
import { createProcess } from '../../kvm/process.ts';
import { ReplayClock } from '../clock.ts';
import { parseScenario } from '../scenario.ts';
import { Session } from '../session.ts';

const DEV_KVM = 3;
const ARGUMENTS = 0x10_0000;

test('an IRQFD without a resampler names a descriptor that is open, and no eventfd', () => {
  const process = createProcess({ size: 0x20_0000, shared: false });
  const resamplers: number[] = [];
  const syscalls = {
    open: () => DEV_KVM,
    mmap: () => ARGUMENTS,
    ioctl(_fd: number, request: number, address: number) {
      if (request === KVM_IRQFD) resamplers.push(kvmIrqfd.read(process.memory, address).resamplefd);
      return 0;
    },
  } as unknown as Syscalls;
  const session = new Session(syscalls, process, new ReplayClock());
  session.define('resampler', { fd: 9 });
  const steps = [
    { op: 'IRQFD', fd: 'vm', gsi: 1, flags: 2 },
    { op: 'IRQFD', fd: 'vm', gsi: 1, flags: 2, resample: 'resampler' },
  ];
  for (const { operation, inputs } of parseScenario(JSON.stringify({ name: 'a', steps }), 'a').steps) {
    operation.perform(session, inputs);
  }
  expect(resamplers).toEqual([DEV_KVM, 9]);
});
