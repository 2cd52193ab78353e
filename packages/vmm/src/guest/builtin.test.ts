import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { parseImage } from '../loader/image.ts';
import { builtinGuest } from './builtin.ts';

const directory = mkdtempSync(join(tmpdir(), 'vkvm-'));
afterAll(() => rmSync(directory, { recursive: true }));

const has = (tool: string): boolean => spawnSync(tool, ['--version']).status === 0;
const hasAssembler = has('aarch64-linux-gnu-as');
const hasQemu = has('qemu-system-aarch64');
if (!hasAssembler)
  console.warn('aarch64-linux-gnu-as is not installed; builtin.s is not compared with its words');
if (!hasQemu) console.warn('qemu-system-aarch64 is not installed; the built-in guest does not run there');

describe('the built-in guest', () => {
  test('is an Image that the loader takes', () => {
    expect(parseImage(builtinGuest())).toEqual({ textOffset: 0, imageSize: 0x4_0000 });
  });

  test.skipIf(!hasAssembler)('is what its source assembles to', () => {
    const source = fileURLToPath(new URL('builtin.s', import.meta.url));
    const [object, binary] = [join(directory, 'builtin.o'), join(directory, 'builtin.bin')];
    execFileSync('aarch64-linux-gnu-as', ['-o', object, source]);
    execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', object, binary]);
    expect(Buffer.from(builtinGuest()).equals(readFileSync(binary))).toBe(true);
  });

  test.skipIf(!hasQemu)(
    'finds CPUs, timer and GIC on another machine of the same layout',
    { timeout: 20_000 },
    () => {
      const image = join(directory, 'Image');
      writeFileSync(image, builtinGuest());
      const machine = ['-M', 'virt,gic-version=3', '-cpu', 'cortex-a57', '-smp', '2', '-m', '64'];
      const output = execFileSync(
        'qemu-system-aarch64',
        [...machine, '-nographic', '-net', 'none', '-kernel', image],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      expect(output.toString().replaceAll('\r', '').split('\n')).toEqual([
        'Hello from the built-in guest of vkvm.',
        expect.stringMatching(/^PSCI \d\.\d$/),
        'CPU 0: MIDR_EL1 0x411fd070, MPIDR_EL1 0x80000000',
        'CPU 1: MIDR_EL1 0x411fd070, MPIDR_EL1 0x80000001',
        '2 CPU(s) came up through PSCI',
        'timer at 62500000 Hz',
        'GICv3',
        expect.stringMatching(/^5 timer interrupts in \d+ ms$/),
        'powering off',
        '',
      ]);
    },
  );
});
