#!/usr/bin/env node
/** The command `vkvm`. */
import { createKernel } from '@vkvm/kernel';
import { runCommand } from '@vkvm/vmm/node';

process.exitCode = await runCommand(process.argv.slice(2), {
  createSyscalls: (guestProcess) => createKernel().attach(guestProcess),
});
