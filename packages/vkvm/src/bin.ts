#!/usr/bin/env node
/** The command `vkvm`. */
import { createKernel } from '@vkvm/kernel';
import { runCommand } from '@vkvm/vmm/node';

const report = (message: string): void => void process.stderr.write(`vkvm: ${message}\n`);

process.exitCode = await runCommand(process.argv.slice(2), {
  createSyscalls: (guestProcess) => createKernel({ host: { report } }).attach(guestProcess),
});
