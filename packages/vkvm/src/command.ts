/** The command, put together: the VMM's command line on this package's kernel. */
import { createKernel } from '@vkvm/kernel';
import { runCommand } from '@vkvm/vmm/node';

const report = (message: string): void => void process.stderr.write(`vkvm: ${message}\n`);

/** @param argv - without the interpreter and the program @returns the exit status */
export const command = (argv: readonly string[]): Promise<number> =>
  runCommand(argv, {
    createSyscalls: (guestProcess) => createKernel({ host: { report } }).attach(guestProcess),
  });
