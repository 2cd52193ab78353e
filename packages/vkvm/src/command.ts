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
  // It takes more functions into their callers: an exit goes through many small ones, and is a sixth faster. From here on
  // it is no faster, but compiling takes V8 more memory: 5 MiB with 5000.
  '--max-inlined-bytecode-size-cumulative=4000',
] as const;

/** @param argv - without the interpreter and the program @returns the exit status */
export function command(argv: readonly string[]): Promise<number> {
  setFlags(...FLAGS);
  return runCommand(argv, {
    createSyscalls: async (process, report, { now, deterministic, runsGuest, ...choice } = {}) => {
      // Before all else, or a short program is over before the thread is there. Another thread answers at another moment
      // each time, so never where two runs have to be the same.
      const compiles = runsGuest && !deterministic && !now && choice.tier !== 'none';
      const compiler = compiles ? startCompiler() : undefined;
      // Files are read while this is loaded.
      const { createKernel } = await import('@vkvm/kernel');
      return createKernel({
        host: { report, ...(now ? { now } : {}) },
        ...(compiler && { compiler: () => compiler }),
        ...choice,
      }).attach(process);
    },
  });
}
