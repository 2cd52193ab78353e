/** Decodes a device tree blob that somebody else wrote. Source: Devicetree Specification v0.4, chapter 5. */
import {
  FDT_BEGIN_NODE,
  FDT_END,
  FDT_END_NODE,
  FDT_HEADER,
  FDT_HEADER_SIZE,
  FDT_LAST_COMPATIBLE,
  FDT_MAGIC,
  FDT_NOP,
  FDT_PROP,
  FDT_VERSION,
  FdtError,
} from './format.ts';
import type { FdtNode, FdtReservation } from './tree.ts';

/** A decoded blob: enough to encode it again. */
export interface Fdt {
  readonly root: FdtNode;
  readonly reservations: readonly FdtReservation[];
  readonly bootCpu: number;
}

/** Deeper nesting than any real tree; what stops a hostile blob from exhausting the stack. */
const MAX_DEPTH = 64;

/**
 * Every offset and length is checked against the blob, so any bytes may be given.
 *
 * Names are taken as they are: trees in the wild break the rules that {@link encodeFdt} enforces.
 *
 * @throws {@link FdtError} naming the first thing that is wrong and where
 */
export function decodeFdt(bytes: Uint8Array): Fdt {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FDT_HEADER_SIZE) {
    throw new FdtError(`${bytes.length} bytes are too few for a device tree blob`);
  }
  const header = (field: keyof typeof FDT_HEADER): number => view.getUint32(FDT_HEADER[field]);
  const magic = header('magic');
  if (magic !== FDT_MAGIC) {
    const source = new TextDecoder('latin1').decode(bytes.subarray(0, 9)) === '/dts-v1/;';
    throw new FdtError(
      source
        ? 'this is device tree source; compile it first: dtc -O dtb'
        : `not a device tree blob: it starts with 0x${magic.toString(16)}, not 0xd00dfeed`,
    );
  }
  const total = header('totalsize');
  if (total > bytes.length) {
    throw new FdtError(`truncated: the header says ${total} bytes, the file has ${bytes.length}`);
  }
  if (header('version') < FDT_VERSION || header('last_comp_version') > FDT_VERSION) {
    throw new FdtError(
      `version ${header('version')} (compatible back to ${header('last_comp_version')}); ` +
        `versions compatible with ${FDT_LAST_COMPATIBLE} or ${FDT_VERSION} can be read`,
    );
  }
  const block = (what: string, offset: number, size: number): Uint8Array => {
    if (offset + size > total)
      throw new FdtError(`the ${what} block reaches beyond the blob's ${total} bytes`);
    return bytes.subarray(offset, offset + size);
  };
  const strings = block('strings', header('off_dt_strings'), header('size_dt_strings'));
  const struct = block('structure', header('off_dt_struct'), header('size_dt_struct'));
  const reservations = readReservations(view, header('off_mem_rsvmap'), total);
  const parser = new StructParser(struct, strings);
  return { root: parser.parse(), reservations, bootCpu: header('boot_cpuid_phys') };
}

function readReservations(view: DataView, offset: number, total: number): FdtReservation[] {
  const reservations: FdtReservation[] = [];
  for (let at = offset; at + 16 <= total; at += 16) {
    const address = Number(view.getBigUint64(at));
    const size = Number(view.getBigUint64(at + 8));
    if (address === 0 && size === 0) return reservations;
    reservations.push({ address, size });
  }
  throw new FdtError('the memory reservation block has no end');
}

/** Recursive descent over the tokens of the structure block. */
class StructParser {
  readonly #struct: Uint8Array;
  readonly #strings: Uint8Array;
  readonly #view: DataView;
  readonly #decoder = new TextDecoder('latin1');
  #at = 0;

  constructor(struct: Uint8Array, strings: Uint8Array) {
    this.#struct = struct;
    this.#strings = strings;
    this.#view = new DataView(struct.buffer, struct.byteOffset, struct.byteLength);
  }

  parse(): FdtNode {
    if (this.#token() !== FDT_BEGIN_NODE)
      throw new FdtError('the structure block does not begin with a node');
    const root = this.#node('', 0);
    if (this.#token() !== FDT_END) throw new FdtError('the structure block goes on after the root node');
    return root;
  }

  #node(path: string, depth: number): FdtNode {
    if (depth > MAX_DEPTH) throw new FdtError(`nodes are nested deeper than ${MAX_DEPTH}`);
    const name = this.#name();
    const here = depth === 0 ? '' : `${path}/${name}`;
    const node: FdtNode = { name, properties: new Map(), children: [] };
    for (;;) {
      const token = this.#token();
      if (token === FDT_END_NODE) return node;
      if (token === FDT_BEGIN_NODE) node.children.push(this.#node(here, depth + 1));
      else if (token === FDT_PROP) this.#property(node, here || '/');
      else throw new FdtError(`token ${token} inside ${here || '/'}`);
    }
  }

  #property(node: FdtNode, path: string): void {
    const length = this.#u32();
    const nameAt = this.#u32();
    const nameEnd = this.#strings.indexOf(0, nameAt);
    if (nameEnd < 0) throw new FdtError(`a property of ${path} has its name outside of the strings block`);
    const name = this.#decoder.decode(this.#strings.subarray(nameAt, nameEnd));
    const end = this.#at + length;
    if (end > this.#struct.length)
      throw new FdtError(`property '${name}' of ${path} is longer than the blob`);
    node.properties.set(name, new Uint8Array(this.#struct.subarray(this.#at, end)));
    this.#at = (end + 3) & ~3;
  }

  #name(): string {
    const end = this.#struct.indexOf(0, this.#at);
    if (end < 0) throw new FdtError('a node name has no end');
    const name = this.#decoder.decode(this.#struct.subarray(this.#at, end));
    this.#at = (end + 4) & ~3;
    return name;
  }

  #token(): number {
    for (;;) {
      const token = this.#u32();
      if (token !== FDT_NOP) return token;
    }
  }

  #u32(): number {
    if (this.#at + 4 > this.#struct.length) throw new FdtError('the structure block ends in the middle');
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }
}
