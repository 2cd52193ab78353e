#!/usr/bin/env node
/** The command `vkvm`: asks for a Node that can run it before anything else is loaded. */

const LEAST_NODE = 24;

if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
  process.stderr.write(
    `vkvm: Node ${process.versions.node} is too old; install Node ${LEAST_NODE} or newer, then try again\n`,
  );
  process.exitCode = 2;
} else {
  // What V8 made of our code is kept for the next time, where Node keeps such things.
  const { enableCompileCache } = await import('node:module');
  enableCompileCache();
  // A guest that generates code makes garbage that V8 sees little of: most of a module's memory is not on its heap. So it
  // has to look early, and to be told before its heap grows.
  const { setFlags } = await import('./v8-flags.ts');
  setFlags('--semi-space-growth-factor=1', '--heap-growing-percent=20');
  const { command } = await import('./command.ts');
  process.exitCode = await command(process.argv.slice(2));
  // When nothing is waited for any more the process may end, and need not take its heap apart before.
  process.once('beforeExit', () => process.exit());
}
