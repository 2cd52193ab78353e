/** The command, put together: the VMM's command line on this package's kernel. */
import { runCommand } from '@vkvm/vmm/node';
import { startCompiler } from './compiler-thread.ts';
import { setFlags } from './v8-flags.ts';

/** What V8 is told. */
const FLAGS = [
  // It heeds what the modules say of seldom taken branches: a few percent of compute.
  '--experimental-wasm-branch-hinting',
  // Guest code leaves every few thousand instructions, and calls nest to a bound: nothing else looks at the stack.
  '--no-wasm-stack-checks',
  // It takes more functions into their callers: an exit goes through many small ones, and is a tenth faster.
  '--max-inlined-bytecode-size-cumulative=2000',
] as const;

/** @param argv - without the interpreter and the program @returns the exit status */
export function command(argv: readonly string[]): Promise<number> {
  setFlags(...FLAGS);
  return runCommand(argv, {
    createSyscalls: async (process, report, { now, deterministic, ...choice } = {}) => {
      // Files are read while this is loaded.
      const { createKernel } = await import('@vkvm/kernel');
      return createKernel({
        host: { report, ...(now ? { now } : {}) },
        // Another thread answers at another moment each time; and a replay, which has a clock of its own, makes hundreds
        // of kernels that run for a moment each.
        ...(deterministic || now ? {} : { compiler: startCompiler }),
        ...choice,
      }).attach(process);
    },
  });
}
