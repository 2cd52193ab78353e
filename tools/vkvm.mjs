// What `pnpm start` and `pnpm vkvm` run: the command from source, in the directory of the caller. Plain
// JavaScript, because it is this file that tells a Node too old to load TypeScript.
const floor = 24;
if (Number.parseInt(process.versions.node, 10) < floor) {
  console.error(
    `vkvm: Node ${process.versions.node} is too old; install Node ${floor} or newer, then try again`,
  );
  process.exit(2);
}
// pnpm runs scripts at the root of the workspace; a path on the command line is relative to the caller.
process.chdir(process.env.INIT_CWD ?? process.cwd());
await import('../packages/vkvm/src/bin.ts');
