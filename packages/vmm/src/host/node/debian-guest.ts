/** Debian's guest, for those who may not want it: what gets it, and what that takes of Node, is loaded when somebody does. */
import type { DebianRequest, GuestFiles } from '../../cli/host.ts';
import type { DebianOptions } from './debian.ts';

/**
 * Gets the guest from the cache, if what is there is what was put there; else through apt.
 *
 * @throws {GuestError} apt is missing or unreachable or has no arm64, or the cache cannot be written
 */
export async function debianGuest(request: DebianRequest, options: DebianOptions): Promise<GuestFiles> {
  const debian = await import('./debian.ts');
  return debian.debianGuest(request, options);
}
