import { encodeScript } from '@vkvm/vmm';
import { beforeAll, describe, expect, test } from 'vitest';
import { debianGuest, vkvm, type Guest, type Outcome } from './command.ts';

const guest = await debianGuest('cloud');
if (typeof guest === 'string') console.warn(`Linux is not booted here: ${guest}`);

const commandLine = ({ kernel, initrd }: Guest, append: string): string[] => {
  const appended = ['--append', `console=ttyAMA0 ${append}`];
  return ['run', '--kernel', kernel, '--initrd', initrd, ...appended, '--timeout', '80'];
};

const boot = (guestFiles: Guest, append: string, ...options: string[]): Promise<Outcome> =>
  vkvm([...commandLine(guestFiles, append), ...options]);

describe.skipIf(typeof guest === 'string')("Debian's cloud kernel", () => {
  const files = guest as Guest;

  describe('on its own', () => {
    let outcome: Outcome;
    beforeAll(async () => {
      const script = [
        'uname -a',
        'cat /proc/cpuinfo',
        'cat /proc/interrupts',
        'for i in 1 2 3; do echo "turn $i"; sleep 0.2; done',
        'printf abc > /tmp/abc; sha256sum /tmp/abc',
        `awk 'BEGIN { OFMT = "%.9g"; print 355 / 113 }'`,
        'dmesg | grep -i psci',
        'poweroff -f',
      ].join('\n');
      outcome = await boot(files, encodeScript(script));
    }, 90_000);

    test('reaches user space and powers off through PSCI', () => {
      expect(outcome.stdout).toContain('vkvm: user space is up');
      expect(outcome.stdout).toContain('reboot: Power down');
      expect(outcome.stderr).toBe('');
      expect(outcome.status).toBe(0);
    });

    test('shows its whole log on the console', () => {
      expect(outcome.stdout).toContain('Booting Linux on physical CPU 0x0000000000');
      expect(outcome.stdout).toContain('Run /init as init process');
    });

    test('knows itself, its CPU and its interrupts', () => {
      expect(outcome.stdout).toMatch(/Linux vkvm 6\.\S+ .* aarch64 GNU\/Linux/);
      expect(outcome.stdout).toMatch(/Features\s*: fp asimd .*aes pmull sha1 sha2 crc32 atomics/);
      expect(outcome.stdout).toMatch(/GICv3\s+27 Level\s+arch_timer/);
      expect(outcome.stdout).toMatch(/GICv3\s+33 Level\s+uart-pl011/);
    });

    test('finds the PMU and its interrupt', () => {
      expect(outcome.stdout).toMatch(/armv8_pmuv3 PMU driver, 7 .*counters available/);
      expect(outcome.stdout).toMatch(/GICv3\s+23 Level\s+arm-pmu/);
    });

    test('runs a shell loop that sleeps', () => {
      expect(outcome.stdout).toMatch(/turn 1\r?\nturn 2\r?\nturn 3/);
    });

    test('computes: SHA-256 of "abc" (FIPS 180-4), and with floating point', () => {
      expect(outcome.stdout).toContain('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
      expect(outcome.stdout).toContain((355 / 113).toPrecision(9));
    });

    test('finds the newest PSCI in the kernel, and SMCCC 1.1', () => {
      expect(outcome.stdout).toContain('psci: PSCIv1.3 detected in firmware.');
      expect(outcome.stdout).toContain('psci: SMC Calling Convention v1.1');
    });
  });

  test('takes what is typed on the console', { timeout: 90_000 }, async () => {
    const input = 'echo sum $((40 + 2))\nexit\n';
    const { status, stdout } = await vkvm(commandLine(files, 'quiet'), { input });
    expect(stdout).toContain('sum 42');
    expect(status).toBe(0);
  });

  test(
    'runs on a kernel of 2013: PSCI 0.1, a GICv2 that is no device, a syscon to power off',
    { timeout: 90_000 },
    async () => {
      const script = 'nproc; cat /proc/interrupts; dmesg | grep -i psci';
      const options = ['--profile', 'rfc-2013', '--psci-owner', 'exit', '--smp', '2'];
      const { status, stdout, stderr } = await boot(files, encodeScript(script), ...options);
      expect(stdout).toContain('psci: Using PSCI v0.1 Function IDs from DT');
      expect(stdout).toMatch(/^2\r?$/m);
      expect(stdout).toMatch(/GIC-0\s+27 Level\s+arch_timer/);
      expect(stdout).toContain('reboot: Power down');
      expect([status, stderr]).toEqual([0, '']);
    },
  );

  test('ends with status 3 when it asks for a reset under --no-reboot', { timeout: 90_000 }, async () => {
    const outcome = await boot(files, `quiet ${encodeScript('reboot -f')}`, '--no-reboot');
    expect(outcome.status).toBe(3);
    expect(outcome.stderr).toContain('reset');
  });

  test('boots again after a reset', { timeout: 90_000 }, async () => {
    const boots = (stdout: string): number => stdout.split('vkvm: user space is up').length - 1;
    const rebooting = commandLine(files, `quiet ${encodeScript('reboot -f')}`);
    const { stdout } = await vkvm(rebooting, { until: (text) => boots(text) === 2 });
    expect(boots(stdout)).toBe(2);
    expect(stdout).toContain('reboot: Restarting system');
  });

  test('brings up four CPUs through PSCI', { timeout: 90_000 }, async () => {
    const { status, stdout } = await boot(files, `quiet ${encodeScript('nproc')}`, '--smp', '4');
    expect(stdout).toMatch(/^4\r?$/m);
    expect(status).toBe(0);
  });

  test('powers off without PSCI, by a register', { timeout: 90_000 }, async () => {
    const script = encodeScript('dmesg | grep -c psci:');
    const { status, stdout } = await boot(files, `quiet ${script}`, '--psci', 'none');
    expect(stdout).toMatch(/^0\r?$/m);
    expect(stdout).toContain('reboot: Power down');
    expect(status).toBe(0);
  });

  describe('with PSCI', () => {
    /** What Linux says about its PSCI, and does with it. */
    const observe = async (owner: string): Promise<string[]> => {
      const script = encodeScript('dmesg | grep psci: | cut -c 16-; nproc');
      const { status, stdout } = await boot(files, `quiet ${script}`, '--smp', '2', '--psci-owner', owner);
      expect(status).toBe(0);
      return stdout
        .split(/\r?\n/)
        .filter((line) => /psci:|^\d+$|Power down/.test(line) && !/command line/.test(line));
    };
    let reference: string[];
    beforeAll(async () => {
      reference = await observe('kernel');
    }, 90_000);

    test.each(['exit', 'user'])(
      'owned by %s, sees what it sees with the kernel’s',
      { timeout: 90_000 },
      async (owner) => {
        expect(reference).toContain('psci: PSCIv1.3 detected in firmware.');
        const withoutTime = (lines: readonly string[]): string[] =>
          lines.map((line) => line.replace(/^\[.*?\] /, ''));
        expect(withoutTime(await observe(owner))).toEqual(withoutTime(reference));
      },
    );
  });
});
