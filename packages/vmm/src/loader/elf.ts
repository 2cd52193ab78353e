/** AArch64 ELF programs. Source: System V ABI, "Object Files"; ELF for the Arm 64-bit Architecture (aaelf64). */
import { LoadError } from './error.ts';
import { formatSize } from './ram.ts';
import type { LoadedKernel, RamRange, Segment } from './ram.ts';

const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ET_EXEC = 2;
const ET_DYN = 3;
const EM_AARCH64 = 183;
const PT_LOAD = 1;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;

/** Machines whose files end up here by mistake. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'x86 (32-bit)',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  22: 'S/390',
  40: '32-bit Arm',
  62: 'x86-64',
  243: 'RISC-V',
  258: 'LoongArch',
};

/** Whether `bytes` start as an ELF file does. */
export const isElf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

/**
 * Finds the place of each loadable segment: at its physical address. A position-independent file (`ET_DYN`) that
 * was linked outside of RAM moves to the start of RAM as a whole; it must relocate itself.
 *
 * @throws {@link LoadError} not a little-endian AArch64 program, truncated, or reaching outside of RAM
 */
export function placeElf(bytes: Uint8Array, ram: RamRange): LoadedKernel {
  if (bytes.length < HEADER_SIZE)
    throw new LoadError('truncated: the ELF header is not complete; get the file again');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const machine = view.getUint16(18, true);
  if (view.getUint8(4) !== ELFCLASS64 || view.getUint8(5) !== ELFDATA2LSB || machine !== EM_AARCH64) {
    const what =
      MACHINES[machine] ?? (machine === EM_AARCH64 ? 'big-endian or 32-bit AArch64' : `machine ${machine}`);
    throw new LoadError(`this is an ELF file for ${what}; vkvm runs little-endian AArch64`);
  }
  const type = view.getUint16(16, true);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new LoadError(`an ELF file of type ${type}, which is not a program; link it first`);
  }
  const headers = programHeaders(view);
  if (headers.length === 0)
    throw new LoadError('the ELF file has nothing to load; is it linked and not stripped bare?');
  const lowest = Math.min(...headers.map(({ paddr }) => paddr));
  const outside = lowest < ram.base || lowest >= ram.base + ram.size;
  const slide = type === ET_DYN && outside ? ram.base - lowest : 0;
  const segments = headers.map((header) => segmentOf(header, bytes, ram, slide));
  const entryAt = Number(view.getBigUint64(24, true));
  const home = headers.find(({ vaddr, memsz }) => entryAt >= vaddr && entryAt < vaddr + memsz);
  if (!home) throw new LoadError(`the entry point 0x${entryAt.toString(16)} lies in no loadable segment`);
  return {
    format: 'ELF',
    entry: entryAt - home.vaddr + home.paddr + slide,
    end: Math.max(...segments.map(({ address, bytes: { length }, clear }) => address + length + clear)),
    segments,
  };
}

interface ProgramHeader {
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
}

function programHeaders(view: DataView): ProgramHeader[] {
  const start = Number(view.getBigUint64(32, true));
  const step = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > 0 && (step < PROGRAM_HEADER_SIZE || start + step * count > view.byteLength)) {
    throw new LoadError('truncated: the program headers are not complete; get the file again');
  }
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));
  const headers: ProgramHeader[] = [];
  for (let at = start; at < start + step * count; at += step) {
    if (view.getUint32(at, true) !== PT_LOAD || u64(at + 40) === 0) continue;
    headers.push({
      offset: u64(at + 8),
      vaddr: u64(at + 16),
      paddr: u64(at + 24),
      filesz: u64(at + 32),
      memsz: u64(at + 40),
    });
  }
  return headers;
}

function segmentOf(header: ProgramHeader, bytes: Uint8Array, ram: RamRange, slide: number): Segment {
  const { offset, paddr, filesz, memsz } = header;
  if (offset + filesz > bytes.length) {
    throw new LoadError(
      `truncated: a segment ends at byte ${offset + filesz} and the file has ${bytes.length}; get the file again`,
    );
  }
  const address = paddr + slide;
  if (address < ram.base || address + memsz > ram.base + ram.size || filesz > memsz) {
    throw new LoadError(
      `a segment of ${formatSize(memsz)} at 0x${address.toString(16)} lies outside of the guest's RAM ` +
        `(0x${ram.base.toString(16)}, ${formatSize(ram.size)}); link it there, or give more --memory`,
    );
  }
  return { address, bytes: bytes.subarray(offset, offset + filesz), clear: memsz - filesz };
}
