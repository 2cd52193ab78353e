/** The command, put together: the VMM's command line on this package's kernel. */
import { createKernel } from '@vkvm/kernel';
import { runCommand } from '@vkvm/vmm/node';
import { startCompiler } from './compiler-thread.ts';

/** @param argv - without the interpreter and the program @returns the exit status */
export const command = (argv: readonly string[]): Promise<number> =>
  runCommand(argv, {
    createSyscalls: (process, report, { now, deterministic, ...choice } = {}) =>
      createKernel({
        host: { report, ...(now ? { now } : {}) },
        // Another thread answers at another moment each time; and a replay, which has a clock of its own, makes hundreds
        // of kernels that run for a moment each.
        ...(deterministic || now ? {} : { compiler: startCompiler }),
        ...choice,
      }).attach(process),
  });
