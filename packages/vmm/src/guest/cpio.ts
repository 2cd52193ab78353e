/**
 * Archives that Linux unpacks as its initial file system: cpio in the "newc" form.
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */

/** One file of the archive. Parents come before what is in them. */
export type CpioEntry =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly data: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'device';
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

/** File types in the upper bits of a mode. Source: POSIX cpio.h. */
const TYPE = { directory: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 } as const;

const MAGIC = '070701';
const HEADER_SIZE = 110;
const TRAILER = 'TRAILER!!!';

const align4 = (size: number): number => (size + 3) & ~3;

/** All owners are root and all times are the epoch, so equal contents give equal archives. */
export function encodeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const encoder = new TextEncoder();
  const records = entries.map((entry, index) => ({
    inode: index + 1,
    mode: TYPE[entry.kind] | (entry.kind === 'link' ? 0o777 : entry.mode),
    links: entry.kind === 'directory' ? 2 : 1,
    device: entry.kind === 'device' ? ([entry.major, entry.minor] as const) : ([0, 0] as const),
    name: encoder.encode(`${entry.path}\0`),
    data:
      entry.kind === 'file'
        ? entry.data
        : entry.kind === 'link'
          ? encoder.encode(entry.target)
          : new Uint8Array(),
  }));
  records.push({
    inode: 0,
    mode: 0,
    links: 1,
    device: [0, 0],
    name: encoder.encode(`${TRAILER}\0`),
    data: new Uint8Array(),
  });

  const recordSize = ({ name, data }: (typeof records)[number]): number =>
    align4(HEADER_SIZE + name.length) + align4(data.length);
  const archive = new Uint8Array(records.reduce((size, record) => size + recordSize(record), 0));
  let at = 0;
  for (const record of records) {
    const { inode, mode, links, device, name, data } = record;
    const [major, minor] = device;
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [inode, mode, 0, 0, links, 0, data.length, 0, 0, major, minor, name.length, 0];
    const header = MAGIC + fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    encoder.encodeInto(header, archive.subarray(at));
    archive.set(name, at + HEADER_SIZE);
    archive.set(data, at + align4(HEADER_SIZE + name.length));
    at += recordSize(record);
  }
  return archive;
}
