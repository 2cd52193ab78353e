/** Names of a guest's functions: from the symbol table of an ELF file, or from a list as `nm` and Linux write it. */
import { isElf } from '../loader/elf.ts';

/** What cannot be used as a list of symbols. The message says why, and what to do. */
export class SymbolsError extends Error {
  override readonly name = 'SymbolsError';
}

interface FunctionSymbol {
  readonly address: bigint;
  readonly name: string;
}

/** Code this far behind the last symbol before it is not that function's. */
const MAX_LENGTH = 0x10_0000n;

export class Symbols {
  readonly #sorted: readonly FunctionSymbol[];

  constructor(symbols: readonly FunctionSymbol[] = []) {
    this.#sorted = symbols.toSorted((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** The function that an address lies in. */
  find(address: bigint): string | undefined {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#sorted[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#sorted[low - 1];
    return found && address - found.address < MAX_LENGTH ? found.name : undefined;
  }
}

/** @throws {@link SymbolsError} there are none, or they have no addresses */
export function readSymbols(bytes: Uint8Array): Symbols {
  const symbols = isElf(bytes) ? elfSymbols(bytes) : listedSymbols(bytes);
  if (symbols.length === 0) {
    throw new SymbolsError(
      isElf(bytes)
        ? 'an ELF file without symbols; give one that was not stripped'
        : 'no line names a function; give an ELF file, a System.map, or what nm or /proc/kallsyms says',
    );
  }
  if (symbols.every(({ address }) => address === 0n)) {
    throw new SymbolsError('all addresses are zero; read /proc/kallsyms as root of the guest');
  }
  return new Symbols(symbols);
}

/** `address type name`, of code. */
function listedSymbols(bytes: Uint8Array): FunctionSymbol[] {
  const text = new TextDecoder().decode(bytes);
  return [...text.matchAll(/^([0-9a-f]{1,16}) [tTwW] (\S+)/gm)].map(([, address, name]) => ({
    address: BigInt(`0x${address}`),
    name: name!,
  }));
}

const SHT_SYMTAB = 2;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const SYMBOL_SIZE = 24;

/** Source: System V ABI, chapter 4, "Symbol Table". Labels of assembly have no type; those with a `$` are marks of data. */
function elfSymbols(bytes: Uint8Array): FunctionSymbol[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const sections = Number(view.getBigUint64(40, true));
    const size = view.getUint16(58, true);
    const headers = Array.from({ length: view.getUint16(60, true) }, (_, i) => sections + i * size);
    return headers
      .filter((header) => view.getUint32(header + 4, true) === SHT_SYMTAB)
      .flatMap((header) => {
        const names = Number(view.getBigUint64(headers[view.getUint32(header + 40, true)]! + 24, true));
        const start = Number(view.getBigUint64(header + 24, true));
        const count = Number(view.getBigUint64(header + 32, true)) / SYMBOL_SIZE;
        return Array.from({ length: count }, (_, i) => start + i * SYMBOL_SIZE)
          .filter((at) => isCode(view.getUint8(at + 4) & 15) && view.getUint16(at + 6, true) !== 0)
          .map((at) => ({
            address: view.getBigUint64(at + 8, true),
            name: stringAt(bytes, names + view.getUint32(at, true)),
          }));
      })
      .filter(({ name }) => name !== '' && !name.startsWith('$'));
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof TypeError) {
      throw new SymbolsError('a damaged ELF file; get it again', { cause });
    }
    throw cause;
  }
}

const isCode = (type: number): boolean => type === STT_FUNC || type === STT_NOTYPE;

function stringAt(bytes: Uint8Array, from: number): string {
  const end = bytes.indexOf(0, from);
  return new TextDecoder().decode(bytes.subarray(from, end < 0 ? from : end));
}
