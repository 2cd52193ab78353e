/** Encodes a device tree as a version 17 blob. Source: Devicetree Specification v0.4, chapter 5. */
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER,
  FDT_HEADER_SIZE,
  FDT_LAST_COMPATIBLE,
  FDT_MAGIC,
  FDT_PROP,
  FDT_VERSION,
  FdtError,
} from './format.ts';
import type { FdtNode, FdtReservation } from './tree.ts';

/** What a blob holds beside the tree. */
export interface FdtOptions {
  /** Memory reservation block. Default: empty. */
  readonly reservations?: readonly FdtReservation[];
  /** `boot_cpuid_phys`: `reg` of the CPU that boots. Default: 0. */
  readonly bootCpu?: number;
  /** `any`: do not hold names against the specification, because somebody else chose them. Default: `standard`. */
  readonly names?: 'standard' | 'any';
}

/** Names as the specification's table 2.1 and section 2.2.4.1 allow them, and as they are found. */
const NAMES = {
  standard: { node: /^[0-9A-Za-z,._+-]{1,31}(@[0-9A-Za-z,._+-]+)?$/, property: /^[0-9A-Za-z,._+?#-]{1,31}$/ },
  any: { node: /^[!-~]+$/, property: /^[!-~]+$/ },
} as const;
type Names = (typeof NAMES)[keyof typeof NAMES];

/**
 * @param root - its name must be `''`
 * @throws {@link FdtError} a name that is not allowed, or two siblings or properties with one name
 */
export function encodeFdt(
  root: FdtNode,
  { reservations = [], bootCpu = 0, names = 'standard' }: FdtOptions = {},
): Uint8Array {
  if (root.name !== '') throw new FdtError(`the root node must have no name, not '${root.name}'`);
  const strings = new StringsBlock();
  const size =
    FDT_HEADER_SIZE + (reservations.length + 1) * 16 + structSize(root, strings, NAMES[names], '') + 4;
  const blob = new Uint8Array(align4(size + strings.size));
  const view = new DataView(blob.buffer);

  // The reservation block wants 8-byte alignment; the header is 40 bytes, so it follows directly.
  let at = FDT_HEADER_SIZE;
  for (const { address, size: length } of reservations) {
    view.setBigUint64(at, BigInt(address));
    view.setBigUint64(at + 8, BigInt(length));
    at += 16;
  }
  const structAt = at + 16; // the terminator, sixteen zero bytes, is there already
  at = writeNode(root, blob, view, strings, structAt);
  view.setUint32(at, FDT_END);
  const stringsAt = at + 4;
  strings.write(blob, stringsAt);

  view.setUint32(FDT_HEADER.magic, FDT_MAGIC);
  view.setUint32(FDT_HEADER.totalsize, blob.length);
  view.setUint32(FDT_HEADER.off_dt_struct, structAt);
  view.setUint32(FDT_HEADER.off_dt_strings, stringsAt);
  view.setUint32(FDT_HEADER.off_mem_rsvmap, FDT_HEADER_SIZE);
  view.setUint32(FDT_HEADER.version, FDT_VERSION);
  view.setUint32(FDT_HEADER.last_comp_version, FDT_LAST_COMPATIBLE);
  view.setUint32(FDT_HEADER.boot_cpuid_phys, bootCpu);
  view.setUint32(FDT_HEADER.size_dt_strings, strings.size);
  view.setUint32(FDT_HEADER.size_dt_struct, stringsAt - structAt);
  return blob;
}

const align4 = (size: number): number => (size + 3) & ~3;

/** Property names, each stored once. */
class StringsBlock {
  readonly #offsets = new Map<string, number>();
  size = 0;

  /** @returns the offset of `name`, which is added if it is new */
  offset(name: string): number {
    const known = this.#offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.size;
    this.#offsets.set(name, offset);
    this.size += name.length + 1;
    return offset;
  }

  write(blob: Uint8Array, at: number): void {
    const encoder = new TextEncoder();
    for (const [name, offset] of this.#offsets) encoder.encodeInto(name, blob.subarray(at + offset));
  }
}

/** Checks the names below `node`, collects its strings, and answers how many bytes it takes. */
function structSize(node: FdtNode, strings: StringsBlock, names: Names, path: string): number {
  let size = 4 + align4(node.name.length + 1) + 4;
  for (const [name, value] of node.properties) {
    if (!names.property.test(name)) throw new FdtError(`property name '${name}' in ${path || '/'}`);
    strings.offset(name);
    size += 12 + align4(value.length);
  }
  const seen = new Set<string>();
  for (const child of node.children) {
    if (!names.node.test(child.name)) throw new FdtError(`node name '${child.name}' in ${path || '/'}`);
    if (seen.has(child.name)) throw new FdtError(`two nodes '${child.name}' in ${path || '/'}`);
    seen.add(child.name);
    size += structSize(child, strings, names, `${path}/${child.name}`);
  }
  return size;
}

/** @returns the offset after the node */
function writeNode(
  node: FdtNode,
  blob: Uint8Array,
  view: DataView,
  strings: StringsBlock,
  at: number,
): number {
  view.setUint32(at, FDT_BEGIN_NODE);
  new TextEncoder().encodeInto(node.name, blob.subarray(at + 4));
  at += 4 + align4(node.name.length + 1);
  for (const [name, value] of node.properties) {
    view.setUint32(at, FDT_PROP);
    view.setUint32(at + 4, value.length);
    view.setUint32(at + 8, strings.offset(name));
    blob.set(value, at + 12);
    at += 12 + align4(value.length);
  }
  for (const child of node.children) at = writeNode(child, blob, view, strings, at);
  view.setUint32(at, FDT_END_NODE);
  return at + 4;
}
