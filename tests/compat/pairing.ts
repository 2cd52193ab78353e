/** A kernel and a VMM of different releases in one project, each with the `@vkvm/uapi` it was released with. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProfileName } from '@vkvm/uapi';
import { run } from '../pack/pack.ts';

/** The packages of one release, by the folder with its tarballs. */
export interface Release {
  readonly name: string;
  readonly tarballs: string;
  readonly version: string;
}

/** Who is put together. */
export interface Pairing {
  readonly kernel: Release;
  readonly vmm: Release;
  /** What the kernel behaves as; absent: its default, and all that revision 1 has. */
  readonly profile?: ProfileName;
}

/** Unpacks a tarball of npm, whose files are under `package/`. */
function unpack(tarball: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = run('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder], folder);
  if (status !== 0) throw new Error(`${tarball}: ${stderr}`);
}

/** Installs one package with its own copy of uapi, as npm does where versions differ. */
function install(project: string, part: 'kernel' | 'vmm', { tarballs, version }: Release): void {
  const home = join(project, 'node_modules/@vkvm', part);
  unpack(join(tarballs, `vkvm-${part}-${version}.tgz`), home);
  unpack(join(tarballs, `vkvm-uapi-${version}.tgz`), join(home, 'node_modules/@vkvm/uapi'));
}

/**
 * Boots the built-in guest of the VMM's release. What it prints goes to stdout; an AbiMismatchError is said as such,
 * with whether a vCPU had run by then.
 */
const PROGRAM = `
import { createKernel } from '@vkvm/kernel';
import * as vmm from '@vkvm/vmm';

const MIB = 1024 * 1024;
const config = {
  kernel: vmm.builtinGuest(),
  memory: 64 * MIB,
  smp: 2,
  output: (bytes) => process.stdout.write(bytes),
};
const memory = vmm.createProcess({ size: vmm.processSize(config), shared: false });
const syscalls = createKernel(KERNEL_OPTIONS).attach(memory);
const KVM_RUN = 0xae80;
let ran = false;
const watched = {
  ...Object.fromEntries(
    ['open', 'close', 'mmap', 'munmap', 'eventfd', 'read', 'write'].map((name) => [
      name,
      (...operands) => syscalls[name](...operands),
    ]),
  ),
  ioctl(fd, request, argument) {
    ran ||= request === KVM_RUN;
    return syscalls.ioctl(fd, request, argument);
  },
};
try {
  const machine = await vmm.createMachine({ syscalls: watched, process: memory, config });
  const { kind } = await machine.run();
  console.log('ended with ' + kind);
} catch (error) {
  if (error.name !== 'AbiMismatchError') throw error;
  console.log('AbiMismatchError ' + (ran ? 'after' : 'before') + ' the first run: ' + error.message);
}
`;

/** Makes a project of two releases and boots a guest in it. @returns what it printed */
export function bootPairing(project: string, { kernel, vmm, profile }: Pairing): string {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  install(project, 'kernel', kernel);
  install(project, 'vmm', vmm);
  const options = JSON.stringify(profile === undefined ? {} : { profile });
  writeFileSync(join(project, 'main.js'), PROGRAM.replace('KERNEL_OPTIONS', options));
  const { status, stdout, stderr } = run(process.execPath, ['main.js'], project);
  if (status !== 0) throw new Error(`status ${status}: ${stderr}`);
  return stdout;
}
