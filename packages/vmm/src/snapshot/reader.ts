/** Reads the frame of a snapshot, and refuses what is not exactly as it was written. */
import { crc32 } from './crc32.ts';
import { SnapshotError } from './error.ts';
import {
  FORMAT_VERSION,
  MAGIC,
  PAYLOAD_MAX,
  SECTION,
  SECTION_OPTIONAL,
  fileHeader,
  sectionHeader,
} from './format.ts';
import type { SectionType } from './format.ts';

/** The bytes of a snapshot, in pieces of any length. */
export type SnapshotSource = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A section of a type that this code knows. */
export interface Section {
  readonly type: SectionType;
  readonly payload: Uint8Array;
}

const KNOWN = new Set<string>(Object.values(SECTION));
const AGAIN = 'save the guest again, or copy the file again in binary mode';

const damaged = (what: string): SnapshotError =>
  new SnapshotError('damaged', `the snapshot is damaged: ${what}; ${AGAIN}`);

const isSection = (type: string): type is SectionType => KNOWN.has(type);

/** One file, read once from its start. {@link open} it, then take sections until there are no more. */
export class SnapshotReader implements AsyncDisposable {
  readonly #source: ByteSource;
  #index = 0;
  #ended = false;

  private constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Reads the header. @throws {SnapshotError} it is not a snapshot, damaged, or newer than this code */
  static async open(source: SnapshotSource): Promise<SnapshotReader> {
    const bytes = new ByteSource(source);
    const header = await bytes.take(fileHeader.size);
    const start = header.subarray(0, MAGIC.length);
    if (!MAGIC.every((byte, index) => start[index] === byte)) {
      throw new SnapshotError(
        'not a snapshot',
        'this is not a snapshot of vkvm; give a file that vkvm save wrote',
      );
    }
    if (header.length < fileHeader.size) throw bytes.truncated();
    const { version, reserved, checksum } = fileHeader.view(header.buffer, header.byteOffset);
    if (checksum !== crc32(header.subarray(0, fileHeader.offsets.checksum))) throw damaged('its header');
    if (version > FORMAT_VERSION) {
      throw new SnapshotError(
        'too new',
        `the snapshot has format ${version}, and this vkvm reads formats up to ${FORMAT_VERSION}; use a newer vkvm`,
      );
    }
    if (version === 0 || reserved.some((byte) => byte !== 0)) throw damaged('its header');
    return new SnapshotReader(bytes);
  }

  /**
   * @returns the next section, or undefined after the last one
   * @throws {SnapshotError} it is damaged or incomplete, or of a type that cannot be left out
   */
  async next(): Promise<Section | undefined> {
    while (!this.#ended) {
      const index = this.#index++;
      const bytes = await this.#source.take(sectionHeader.size);
      if (bytes.length < sectionHeader.size) throw this.#source.truncated();
      const header = sectionHeader.read(bytes.buffer, bytes.byteOffset);
      const { checksum, payloadChecksum, length, flags } = header;
      const type = String.fromCharCode(...header.type);
      if (checksum !== crc32(bytes.subarray(0, sectionHeader.offsets.checksum))) {
        throw damaged(`the header of section ${index}`);
      }
      if (header.index !== index) throw damaged(`section ${index} is missing`);
      if (length > PAYLOAD_MAX) throw damaged(`section ${index} (${type}) claims ${length} bytes`);
      const payload = await this.#source.take(length);
      if (payload.length < length) throw this.#source.truncated();
      if (payloadChecksum !== crc32(payload)) throw damaged(`section ${index} (${type})`);
      if (isSection(type) && flags === 0) {
        if (type !== SECTION.end) return { type, payload };
        this.#ended = true;
        if (length !== 0 || (await this.#source.take(1)).length > 0)
          throw damaged('something follows its end');
      } else if (flags !== SECTION_OPTIONAL) {
        throw new SnapshotError(
          'too new',
          `the snapshot has a section ${JSON.stringify(type)} that this vkvm does not know; use a newer vkvm`,
        );
      }
    }
    return undefined;
  }

  /** Lets go of the source. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.close();
  }
}

/** Takes exact lengths out of pieces. */
class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #piece = new Uint8Array();
  #taken = 0;

  constructor(source: SnapshotSource) {
    this.#pieces =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** @returns a copy of the next `length` bytes; less where the source ends */
  async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const pieces: Uint8Array[] = [];
    let missing = length;
    while (missing > 0) {
      if (this.#piece.length === 0) {
        const { done, value } = await this.#pieces.next();
        if (done) break;
        this.#piece = value as Uint8Array<ArrayBuffer>;
        continue;
      }
      const part = this.#piece.subarray(0, missing);
      this.#piece = this.#piece.subarray(part.length);
      pieces.push(part);
      missing -= part.length;
    }
    this.#taken += length - missing;
    const bytes = new Uint8Array(length - missing);
    let at = 0;
    for (const part of pieces) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  truncated(): SnapshotError {
    return new SnapshotError(
      'truncated',
      `the snapshot ends after ${this.#taken} bytes, before it is complete; ${AGAIN}`,
    );
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}
