/** What of the VMM needs Node: the command, and Debian's guest. */
export { runCommand } from './command.ts';
export type { CommandOptions } from './command.ts';
export { debianGuest } from './debian-guest.ts';
export type { DebianOptions } from './debian.ts';
export type { DebianRequest, GuestFiles } from '../../cli/host.ts';
