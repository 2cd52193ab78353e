import {
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  VKVM_CAP_ABI_REVISION,
  VKVM_CAP_DETERMINISTIC,
  KVM_CAP_ONE_REG,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeHost } from '../../test/fake-host.ts';
import { idle, print, sliceEnd, systemEvent } from '../../test/fake-kernel.ts';
import type { RunStep } from '../../test/fake-kernel.ts';
import { decodeFdt } from '../fdt/reader.ts';
import { builtinGuest } from '../guest/builtin.ts';
import type { CliHost } from './host.ts';
import { main } from './main.ts';

const off = systemEvent(KVM_SYSTEM_EVENT_SHUTDOWN);
const reset = systemEvent(KVM_SYSTEM_EVENT_RESET);

function hostWith(...script: RunStep[]) {
  const host = new FakeHost();
  host.files.set('Image', builtinGuest());
  host.files.set('initrd', new Uint8Array(100));
  host.script.push(...script);
  return host;
}

const run = (host: FakeHost, line: string) => main(line.split(' ').filter(Boolean), host);

describe('vkvm run', () => {
  test('shows the guest on stdout and ends with 0 when it powers off', async () => {
    const host = hostWith(...print('hello\n'), off);
    expect(await run(host, 'run --kernel Image --initrd initrd --append quiet --memory 64M')).toBe(0);
    expect(host.out).toBe('hello\n');
    expect(host.err).toBe('');
    expect(host.kernel?.openFiles).toBe(0);
  });

  test('makes the kernel while it reads the files', async () => {
    const host = hostWith(off);
    const { createSyscalls, readFile } = host;
    const made = Promise.withResolvers<void>();
    const slow: Partial<CliHost> = {
      createSyscalls: (...args) => {
        made.resolve();
        return createSyscalls(...args);
      },
      readFile: async (path) => {
        await made.promise;
        return readFile(path);
      },
    };
    expect(await run(Object.assign(host, slow), 'run --kernel Image --initrd initrd --memory 64')).toBe(0);
  });

  test('names one file where it can read none', async () => {
    const host = hostWith();
    expect(await run(host, 'run --kernel a --initrd b --dtb c --memory 64')).toBe(2);
    expect(host.err).toBe('a: there is no such file\n');
  });

  test('goes on after a reset, or ends with 3 under --no-reboot', async () => {
    const goesOn = hostWith(reset, ...print('again'), off);
    expect(await run(goesOn, 'run --kernel Image --memory 64')).toBe(0);
    expect(goesOn.out).toBe('again');
    const ends = hostWith(reset);
    expect(await run(ends, 'run --kernel Image --memory 64 --no-reboot')).toBe(3);
    expect(ends.err).toBe('the guest asked for a reset (--no-reboot)\n');
  });

  test('ends with 124 when its time is over', async () => {
    const host = hostWith();
    host.rest = (vcpu) => {
      host.timeouts[0]?.action();
      return sliceEnd(vcpu);
    };
    expect(await run(host, 'run --kernel Image --memory 64 --timeout 0.5')).toBe(124);
    expect(host.err).toBe('the guest was still running after 0.5 s (--timeout)\n');
    expect(host.timeouts).toEqual([]);
  });

  test('ends with 5 and one line when the guest halts', async () => {
    const host = hostWith((vcpu) => {
      host.keyboard?.end();
      return idle()(vcpu);
    });
    expect(await run(host, 'run --kernel Image --memory 64')).toBe(5);
    expect(host.err).toMatch(/^the guest has halted without powering off.*\n$/);
  });

  test('gives the terminal back and ends when the user types Ctrl-A x', async () => {
    const host = hostWith((vcpu) => {
      host.keyboard?.receive(new Uint8Array([0x6c, 0x01]));
      host.keyboard?.receive(new Uint8Array([0x78]));
      return sliceEnd(vcpu);
    });
    host.isTerminalInput = true;
    expect(await run(host, 'run --kernel Image --memory 64')).toBe(0);
    expect(host.keyboard).toBeUndefined();
    expect(host.err).toBe('quit\n');
  });

  test('ends with the status of a signal', async () => {
    const host = hostWith((vcpu) => {
      host.interrupt?.(143);
      return sliceEnd(vcpu);
    });
    expect(await run(host, 'run --kernel Image --memory 64')).toBe(143);
  });

  test('ends with 4 when kernel and VMM do not fit', async () => {
    const host = hostWith();
    const { createSyscalls } = host;
    const misfit = Object.assign(host, {
      createSyscalls: async (...args: Parameters<typeof createSyscalls>) => {
        const kernel = await createSyscalls(...args);
        host.kernel?.caps.set(KVM_CAP_ONE_REG, 0).set(VKVM_CAP_ABI_REVISION, 0);
        return kernel;
      },
    });
    expect(await run(misfit, 'run --kernel Image --memory 64')).toBe(4);
    expect(host.err).toContain('a kernel other than vkvm lacks KVM_CAP_ONE_REG');
  });

  test('types a file on the console, and has a keyboard besides', async () => {
    const host = hostWith((vcpu) => {
      backlog = host.keyboard?.backlog();
      return off(vcpu);
    });
    let backlog: number | undefined;
    host.files.set('typed', new TextEncoder().encode('ls\n'));
    expect(await run(host, 'run --kernel Image --memory 64 --input typed')).toBe(0);
    expect(backlog).toBe(3);
  });

  test('has no keyboard with --deterministic, and says so to whoever sits at one', async () => {
    const host = hostWith();
    host.isTerminalInput = true;
    expect(await run(host, 'run --kernel Image --deterministic')).toBe(2);
    expect(host.err).toMatch(/^--deterministic: what you type .*; give --input FILE/);
    const waitsForNobody = hostWith(off);
    waitsForNobody.isTerminalInput = true;
    expect(await run(waitsForNobody, 'start --guest builtin --smp 1 --memory 64 --deterministic')).toBe(0);
    expect(waitsForNobody.keyboard).toBeUndefined();
  });

  test('ends with 4 where the kernel cannot be deterministic', async () => {
    const host = hostWith(off);
    const { createSyscalls } = host;
    const older = Object.assign(host, {
      createSyscalls: async (...args: Parameters<typeof createSyscalls>) => {
        const kernel = await createSyscalls(...args);
        host.kernel?.caps.set(VKVM_CAP_DETERMINISTIC, 0);
        return kernel;
      },
    });
    expect(await run(older, 'run --kernel Image --memory 64 --deterministic')).toBe(4);
    expect(host.err).toContain('lacks VKVM_CAP_DETERMINISTIC');
  });

  test('says what the machine did with --stats', async () => {
    const host = hostWith(...print('x'), off);
    await run(host, 'run --kernel Image --memory 64 --stats');
    expect(host.err).toMatch(
      /^ran \d+\.\d\d s, of it idle 0\.00 s; exits: mmio 1, system_event 1\n0 instructions: 0 interpreted, 0 compiled; /,
    );
  });
});

describe('wrong usage', () => {
  test.each([
    ['', 'no command; try vkvm start, or vkvm --help'],
    ['rnu', 'unknown command rnu; did you mean run?'],
    ['run', 'no kernel to boot; give --kernel FILE, or use vkvm start for a ready-made guest'],
    ['run --kernle Image', 'unknown option --kernle; did you mean --kernel?'],
    ['run -k Image', 'unknown option -k; see --help'],
    ['run Image', 'what is Image? options start with --; see --help'],
    ['run --kernel', '--kernel needs a value: --kernel FILE'],
    ['run --kernel Image --kernel Image', '--kernel is given twice; give it once'],
    ['run --stats=yes', '--stats takes no value'],
    ['run --kernel nothing', 'nothing: there is no such file'],
    ['run --kernel Image --memory 0', /^0 MiB of memory: a machine with 1 vCPU has 8 to 39\d\d MiB/],
    ['run --kernel Image --memory 10000', /^10000 MiB of memory: a machine with 1 vCPU has 8 to 39\d\d MiB/],
    ['run --kernel Image --memory lots', '--memory lots: not a size; write 512M or 1G'],
    ['run --kernel Image --smp 0', 'a machine has 1 to 123 vCPUs, not 0'],
    ['run --kernel Image --smp two', '--smp two: not a whole number; write 1, 2, …'],
    ['run --kernel=', '--kernel needs a value: --kernel FILE'],
    [
      'run --kernel Image --psci none --smp 2',
      /^without PSCI a machine has one vCPU, not 2: .*; use --smp 1/,
    ],
    [
      'run --kernel Image --psci none --psci-owner user',
      /^with --psci none nobody serves PSCI; leave --psci-owner/,
    ],
    ['run --kernel Image --services', '--services needs a value: --services LIST'],
    ['run --kernel Image --services trng,x', /^--services trng,x: no service x; there are none, or trng, /],
    ['start --guest builtin --kernel Image', /^--guest and --kernel both say what to boot/],
    ['start --guest builtin --script ls', /^--script is for Debian, the built-in guest has no shell/],
    [
      'replay x.json --profile rfc-2013',
      /^--profile rfc-2013: nothing is recorded of it; there are linux-5.10/,
    ],
    ['skew linux-7.3', 'vkvm skew compares two kernels: vkvm skew linux-7.3 linux-6.1'],
    ['skew a linux-7.3', /^skew a: no such profile; there are rfc-2013, /],
    [
      'run --kernel Image --psci none --smp 2',
      'without PSCI a machine has one vCPU, not 2: nothing could turn on the others',
    ],
    ['run --kernel Image --psci-owner me', '--psci-owner me: no such owner; there are kernel, exit, user'],
    ['run --kernel Image --psci 2.0', '--psci 2.0: no such version; there are 0.1, 0.2, 1.0, 1.1, 1.2, 1.3'],
    ['run --kernel Image --timeout 0', '--timeout 0: not a time; write seconds, such as 60 or 0.5'],
    ['run --kernel empty', 'empty: the file is empty; give an arm64 Linux Image'],
    ['run --kernel initrd', /^initrd: not an arm64 kernel: the magic .* is missing/],
    [
      'run --kernel Image --dtb initrd',
      /^initrd: the device tree is broken: not a device tree blob.*; give a blob as dtc writes it/,
    ],
    ['run --kernel Image --initrd empty', /^--initrd empty: the file is empty; give a ramdisk/],
    [
      'run --kernel Image --initrd big --memory 16M',
      /^kernel, device tree and initrd \(20 MiB\) take 24 MiB/,
    ],
    ['guest', 'guest: there is one guest to get: vkvm guest debian'],
    ['guest fedora', 'guest fedora: there is one guest to get: vkvm guest debian'],
    ['start --guest beos', '--guest beos: there are debian and builtin'],
    ['run --kernel Image --input nothing', 'nothing: there is no such file'],
    ['save f --kernel Image --deterministic --after 1', /^--deterministic: seconds and keys come at another/],
  ])('vkvm %s: one line, status 2', async (line, message) => {
    const host = hostWith();
    host.files.set('empty', new Uint8Array());
    host.files.set('big', new Uint8Array(20 << 20));
    expect(await run(host, line)).toBe(2);
    expect(host.out).toBe('');
    expect(host.err.trimEnd().split('\n')).toHaveLength(1);
    if (typeof message === 'string') expect(host.err).toContain(message);
    else expect(host.err).toMatch(message);
  });

  test.each(['', 'run ', 'start ', 'guest ', 'caps ', 'dump-dtb '])(
    'vkvm %s--help: on stdout, status 0',
    async (line) => {
      const host = hostWith();
      expect(await run(host, `${line}--help`)).toBe(0);
      expect(host.out).toMatch(/^Usage: vkvm /);
    },
  );
});

describe('vkvm caps', () => {
  test('lists what a VM answers, as text or JSON', async () => {
    const text = hostWith();
    expect(await run(text, 'caps')).toBe(0);
    expect(text.out).toMatch(/^KVM API version 12, .*\nKVM_CAP_IRQCHIP +1\n/);
    const json = hostWith();
    await run(json, 'caps --json');
    expect(JSON.parse(json.out).caps).toContainEqual({
      name: 'KVM_CAP_ONE_REG',
      number: KVM_CAP_ONE_REG,
      value: 1,
    });
  });
});

describe('vkvm dump-dtb', () => {
  test('writes the blob of the machine that the options describe', async () => {
    const host = hostWith();
    expect(await run(host, 'dump-dtb --smp 3 --append quiet --memory 64M')).toBe(0);
    const { children } = decodeFdt(host.bytes!).root;
    expect(children.find(({ name }) => name === 'cpus')?.children).toHaveLength(3);
  });

  test('writes no bytes to a terminal', async () => {
    const host = hostWith();
    host.isTerminalOutput = true;
    expect(await run(host, 'dump-dtb')).toBe(2);
    expect(await run(host, 'dump-dtb --json --append quiet')).toBe(0);
    expect(JSON.parse(host.out).chosen.bootargs).toBe('quiet');
  });
});

describe('vkvm start', () => {
  const debian = { name: 'Debian', kernel: 'Image', initrd: 'initrd', marker: 'up' };
  const bootargs = (host: FakeHost) => {
    const slot = host.kernel!.memslots[0]!;
    const dtb = new Uint8Array(host.kernel!.process.memory.buffer, slot.user + 0x20_0000, 0x1_0000);
    const chosen = decodeFdt(dtb).root.children.find(({ name }) => name === 'chosen');
    return new TextDecoder().decode(chosen?.properties.get('bootargs')).slice(0, -1);
  };

  test('runs a script where nobody is there to type', async () => {
    const host = hostWith(off);
    host.debianGuest = async () => debian;
    expect(await run(host, 'start --memory 64M')).toBe(0);
    expect(bootargs(host)).toMatch(/^console=ttyAMA0 vkvm\.run=uname%20-a%0a/);
  });

  test('gives a shell in a terminal, and says how to leave it', async () => {
    const host = hostWith(off);
    Object.assign(host, { isTerminalInput: true, isTerminalOutput: true, debianGuest: async () => debian });
    expect(await run(host, 'start --memory 64M --append loglevel=3')).toBe(0);
    expect(bootargs(host)).toBe('console=ttyAMA0 loglevel=3');
    expect(host.err).toBe('Debian: type exit to power off, Ctrl-A x to quit\n');
  });

  test('falls back to the built-in guest without apt, and says so', async () => {
    const host = hostWith(...print('hi'), off);
    expect(await run(host, 'start')).toBe(0);
    expect(host.err).toBe('apt is not there; starting the built-in guest instead\n');
    expect(host.out).toBe('hi');
  });
});

describe('vkvm guest debian', () => {
  test('prints where the files are', async () => {
    const host = hostWith();
    host.debianGuest = async ({ kernel }) => ({ name: kernel, kernel: '/k', initrd: '/i', marker: 'up' });
    expect(await run(host, 'guest debian --json --kernel full')).toBe(0);
    expect(JSON.parse(host.out)).toEqual({ name: 'full', kernel: '/k', initrd: '/i', marker: 'up' });
  });

  test('asks for packages by the names between commas', async () => {
    const host = hostWith();
    let asked: readonly string[] | undefined;
    host.debianGuest = async (request) => {
      asked = request.with;
      return { name: 'n', kernel: '/k', initrd: '/i', marker: 'up' };
    };
    expect(await run(host, 'guest debian --with bc,sqlite3')).toBe(0);
    expect(asked).toEqual(['bc', 'sqlite3']);
  });
});
