import { EINVAL, KVM_REG_ARM_PSCI_VERSION, KVM_SYSTEM_EVENT_SHUTDOWN } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeHost } from '../../test/fake-host.ts';
import { print, sliceEnd, systemEvent } from '../../test/fake-kernel.ts';
import type { FakeKernel, RunStep } from '../../test/fake-kernel.ts';
import { builtinGuest } from '../guest/builtin.ts';
import { main } from './main.ts';

const off = systemEvent(KVM_SYSTEM_EVENT_SHUTDOWN);

function hostWith(...script: RunStep[]): FakeHost {
  const host = new FakeHost();
  host.files.set('Image', builtinGuest());
  host.script.push(...script);
  return host;
}

const run = (host: FakeHost, line: string) => main(line.split(' '), host);
const SAVE = 'save guest.vkvm --kernel Image --memory 8M';

/** A file that a guest has been saved in. */
async function saved(): Promise<Uint8Array> {
  const host = hostWith(...print('ready\n'), sliceEnd);
  expect(await run(host, `${SAVE} --at ready`)).toBe(0);
  return host.files.get('guest.vkvm')!;
}

/** A host with the file, and a kernel that `prepare` has changed. */
async function restoring(prepare: (kernel: FakeKernel) => void = () => {}, ...script: RunStep[]) {
  const host = hostWith(...script);
  host.files.set('guest.vkvm', await saved());
  const { createSyscalls } = host;
  return Object.assign(host, {
    createSyscalls: async (...args: Parameters<typeof createSyscalls>) => {
      const kernel = await createSyscalls(...args);
      prepare(host.kernel!);
      return kernel;
    },
  });
}

describe('vkvm save', () => {
  test('writes the guest once it has printed a text, however the text comes, and says where', async () => {
    const host = hostWith(...print('it is re'), sliceEnd, ...print('ady, more'), sliceEnd);
    expect(await run(host, `${SAVE} --at ready`)).toBe(0);
    expect(host.out).toContain('it is ready');
    expect(host.err).toMatch(
      /^saved the guest in guest\.vkvm \(\d+\.\d MiB\); vkvm restore goes on with it\n$/,
    );
    expect([...host.files.get('guest.vkvm')!.subarray(0, 4)]).toEqual([0x89, 0x56, 0x4b, 0x4d]);
    expect(host.kernel?.openFiles).toBe(0);
  });

  test('writes it after a time', async () => {
    const host = hostWith((vcpu) => {
      host.timeouts[0]?.action();
      return sliceEnd(vcpu);
    });
    expect(await run(host, `${SAVE} --after 2.5`)).toBe(0);
    expect(host.files.has('guest.vkvm')).toBe(true);
    expect(host.timeouts).toEqual([]);
  });

  test('writes it when the user types Ctrl-A s', async () => {
    const host = hostWith((vcpu) => {
      host.keyboard?.receive(Uint8Array.of(0x01, 0x73));
      return sliceEnd(vcpu);
    });
    host.isTerminalInput = true;
    expect(await run(host, SAVE)).toBe(0);
    expect(host.files.has('guest.vkvm')).toBe(true);
  });

  test('ends with 1 and no file when the guest powers off before', async () => {
    const host = hostWith(off);
    expect(await run(host, `${SAVE} --at ready`)).toBe(1);
    expect(host.err).toBe('the guest powered off before it was saved\n');
    expect(host.files.has('guest.vkvm')).toBe(false);
  });

  test.each([
    ['save --at x --kernel Image', 'vkvm save needs one file to write'],
    [SAVE, 'when to save? give --at TEXT or --after SECONDS'],
    [`${SAVE} --at=`, '--at needs a text'],
    [`${SAVE} --after soon`, '--after soon: not a time'],
  ])('refuses %s', async (line, message) => {
    const host = hostWith();
    expect(await run(host, line)).toBe(2);
    expect(host.err).toContain(message);
  });
});

describe('vkvm restore', () => {
  test('goes on with the guest', async () => {
    const host = await restoring(() => {}, ...print('here I am\n'), off);
    expect(await run(host, 'restore guest.vkvm')).toBe(0);
    expect(host.out).toBe('here I am\n');
    expect(host.err).toBe('');
    expect(host.kernel?.openFiles).toBe(0);
  });

  test('ends with 4 and the names when the kernel does not take a register', async () => {
    const host = await restoring((kernel) => {
      kernel.missingRegs.add(KVM_REG_ARM_PSCI_VERSION);
      kernel.refusedRegs.set(KVM_REG_ARM_PSCI_VERSION, -EINVAL);
    });
    expect(await run(host, 'restore guest.vkvm')).toBe(4);
    expect(host.err).toContain(
      'PSCI_VERSION = 1.3 (there is no such register), which the guest cannot do without',
    );
    expect(host.kernel?.openFiles).toBe(0);
  });

  test('ends with 2 when the file is damaged, missing, or of another machine', async () => {
    const damaged = await restoring();
    damaged.files.get('guest.vkvm')![100]! ^= 1;
    expect(await run(damaged, 'restore guest.vkvm')).toBe(2);
    expect(damaged.err).toMatch(
      /^guest\.vkvm: the snapshot is damaged: section 0 \(CONF\); save the guest again/,
    );
    const missing = hostWith();
    expect(await run(missing, 'restore guest.vkvm')).toBe(2);
    expect(missing.err).toBe('guest.vkvm: there is no such file\n');
    const other = await restoring();
    expect(await run(other, 'restore guest.vkvm --memory 16M')).toBe(2);
    expect(other.err).toContain('guest.vkvm: the guest was saved with 8 MiB of memory, not 16 MiB');
    const none = hostWith();
    expect(await run(none, 'restore')).toBe(2);
    expect(none.err).toContain('vkvm restore needs one file');
  });
});
