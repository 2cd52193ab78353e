/** The two machines that a benchmark compares, each as a command line. */

import { spawnSync } from 'node:child_process';

/** What a machine is to boot. */
export interface BootFiles {
  readonly kernel: string;
  readonly initrd?: string | undefined;
  readonly append?: string | undefined;
  /** Guest memory, in MiB. */
  readonly memory: number;
}

export interface Contender {
  readonly name: 'vkvm' | 'qemu';
  /** @returns a program and its arguments */
  readonly command: (files: BootFiles) => readonly [program: string, ...args: string[]];
}

const root = `${import.meta.dirname}/..`;

/** An option and its value, or nothing where there is no value. */
const option = (name: string, value: string | undefined): string[] =>
  value === undefined ? [] : [name, value];

/** This project as it is published. PSCI 1.1 is what QEMU offers: both guests shall see the same machine. */
export const vkvm: Contender = {
  name: 'vkvm',
  command: ({ kernel, initrd, append, memory }) => [
    process.execPath,
    '--conditions=built',
    `${root}/packages/vkvm/dist/bin.js`,
    'run',
    ...option('--kernel', kernel),
    ...option('--initrd', initrd),
    ...option('--append', append),
    ...option('--memory', `${memory}M`),
    ...option('--psci', '1.1'),
  ],
};

/** QEMU's translator, on the same machine model. */
export const qemu: Contender = {
  name: 'qemu',
  command: ({ kernel, initrd, append, memory }) => [
    'qemu-system-aarch64',
    ...option('-M', 'virt,gic-version=3'),
    ...option('-cpu', 'cortex-a57'),
    ...option('-m', String(memory)),
    '-nographic',
    ...option('-net', 'none'),
    ...option('-kernel', kernel),
    ...option('-initrd', initrd),
    ...option('-append', append),
  ],
};

/** @returns the first line of `qemu-system-aarch64 --version`, or `undefined` if it is not installed */
export function qemuVersion(): string | undefined {
  const { status, stdout } = spawnSync('qemu-system-aarch64', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.split('\n')[0] : undefined;
}
