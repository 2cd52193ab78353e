/** Writes the frame of a snapshot. */
import { crc32 } from './crc32.ts';
import { FORMAT_VERSION, MAGIC, SECTION, fileHeader, sectionHeader } from './format.ts';
import type { SectionType } from './format.ts';

/** Takes the bytes of a snapshot in order. They are not changed afterwards. */
export type SnapshotSink = (bytes: Uint8Array) => void | Promise<void>;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** One file. */
export class SnapshotWriter {
  readonly #sink: SnapshotSink;
  #index = 0;

  constructor(sink: SnapshotSink) {
    this.#sink = sink;
  }

  async start(): Promise<void> {
    const header = new Uint8Array(fileHeader.size);
    fileHeader.write(header.buffer, 0, { magic: MAGIC, version: FORMAT_VERSION });
    fileHeader.view(header.buffer, 0).checksum = crc32(header.subarray(0, fileHeader.offsets.checksum));
    await this.#sink(header);
  }

  async section(type: SectionType, payload: Uint8Array): Promise<void> {
    const header = new Uint8Array(sectionHeader.size);
    sectionHeader.write(header.buffer, 0, {
      type: utf8(type),
      index: this.#index,
      length: payload.length,
      payloadChecksum: crc32(payload),
    });
    sectionHeader.view(header.buffer, 0).checksum = crc32(header.subarray(0, sectionHeader.offsets.checksum));
    this.#index += 1;
    await this.#sink(header);
    if (payload.length > 0) await this.#sink(payload);
  }

  json(type: SectionType, value: unknown): Promise<void> {
    return this.section(type, utf8(JSON.stringify(value)));
  }

  end(): Promise<void> {
    return this.section(SECTION.end, new Uint8Array());
  }
}
