/** The command, put together: the VMM's command line on this package's kernel. */
import { setFlagsFromString } from 'node:v8';
import { createKernel } from '@vkvm/kernel';
import { runCommand } from '@vkvm/vmm/node';
import { startCompiler } from './compiler-thread.ts';

/**
 * Has V8 heed what the modules say of seldom taken branches (a few percent of compute). Node 24's does when it is told to;
 * of a later one we do not know the flag.
 */
function heedBranchHints(): void {
  if (process.versions.v8.startsWith('13.')) setFlagsFromString('--experimental-wasm-branch-hinting');
}

/** @param argv - without the interpreter and the program @returns the exit status */
export function command(argv: readonly string[]): Promise<number> {
  heedBranchHints();
  return runCommand(argv, {
    createSyscalls: (process, report, { now, deterministic, ...choice } = {}) =>
      createKernel({
        host: { report, ...(now ? { now } : {}) },
        // Another thread answers at another moment each time; and a replay, which has a clock of its own, makes hundreds
        // of kernels that run for a moment each.
        ...(deterministic || now ? {} : { compiler: startCompiler }),
        ...choice,
      }).attach(process),
  });
}
