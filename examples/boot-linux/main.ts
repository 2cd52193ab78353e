// Boots Debian's arm64 kernel, runs a script in it, and reports how it ended.
import { readFile } from 'node:fs/promises';
import { createVirtualMachine } from 'vkvm';
import { encodeScript } from '@vkvm/vmm';
import { debianGuest } from '@vkvm/vmm/node';

const MIB = 1024 * 1024;

// Fetched through apt at the first run, then cached. A kernel and an initramfs of your own do as well.
const files = await debianGuest(
  { kernel: 'cloud', refresh: false },
  { progress: (line) => console.error(line) },
);

using machine = await createVirtualMachine({
  kernel: await readFile(files.kernel),
  initrd: await readFile(files.initrd),
  bootargs: `console=ttyAMA0 quiet ${encodeScript('uname -a; nproc; free -m')}`,
  memory: 512 * MIB,
  smp: 1,
  output: (bytes) => process.stdout.write(bytes),
});

const stop = await machine.run();
console.error(`The machine ended with: ${stop.kind}.`);
process.exitCode = stop.kind === 'shutdown' ? 0 : 1;
