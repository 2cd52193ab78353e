/**
 * Records what QEMU makes of the guest packages/kernel/test/guest/faults.hex: `node tools/faults.ts` writes faults.txt
 * beside it. Needs Debian's qemu-system-arm; recorded with QEMU 7.2, whose Neoverse N1 has no unaligned atomics.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readGuest } from '../packages/kernel/test/guest/guest.ts';

const OUTPUT = join(import.meta.dirname, '../packages/kernel/test/guest/faults.txt');
/** Behind the device tree that QEMU puts at the start of RAM. */
const ADDRESS = 0x4018_0000;

const folder = mkdtempSync(join(tmpdir(), 'vkvm-faults-'));
try {
  const file = join(folder, 'faults.bin');
  writeFileSync(file, Uint32Array.from(readGuest('faults').words));
  const machine = [
    '-M',
    'virt,gic-version=3',
    '-cpu',
    'neoverse-n1',
    '-m',
    '256',
    '-nographic',
    '-net',
    'none',
  ];
  const loader = `loader,file=${file},addr=0x${ADDRESS.toString(16)},cpu-num=0`;
  const { stdout, stderr, status, error } = spawnSync(
    'qemu-system-aarch64',
    [...machine, '-device', loader],
    { encoding: 'utf8', timeout: 60_000 },
  );
  if (error) throw error;
  if (status !== 0) throw new Error(`qemu-system-aarch64: ${stderr}`);
  writeFileSync(OUTPUT, stdout.replaceAll(/ *\r?\n/g, '\n'));
} finally {
  rmSync(folder, { recursive: true });
}
