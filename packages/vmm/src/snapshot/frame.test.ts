import { describe, expect, test } from 'vitest';
import { crc32 } from './crc32.ts';
import { FORMAT_VERSION, SECTION, SECTION_OPTIONAL, fileHeader, sectionHeader } from './format.ts';
import { SnapshotReader } from './reader.ts';
import { SnapshotWriter } from './writer.ts';

const payload = Uint8Array.of(1, 2, 3, 4, 5);

async function fileOf(
  ...sections: readonly (readonly [(typeof SECTION)[keyof typeof SECTION], Uint8Array])[]
) {
  const parts: Uint8Array[] = [];
  const writer = new SnapshotWriter((bytes) => void parts.push(bytes));
  await writer.start();
  for (const [type, bytes] of sections) await writer.section(type, bytes);
  await writer.end();
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

/** Reads a whole file, in pieces of three bytes: no boundary of the file is one of a piece. */
async function readAll(file: Uint8Array) {
  const pieces = Array.from({ length: Math.ceil(file.length / 3) }, (_, n) =>
    file.subarray(3 * n, 3 * n + 3),
  );
  const reader = await SnapshotReader.open(pieces);
  const sections = [];
  for (let section = await reader.next(); section; section = await reader.next()) sections.push(section);
  return sections;
}

/** Puts the checksums right after a change. */
function reseal(file: Uint8Array, at: number, size: number) {
  new DataView(file.buffer).setUint32(at + size - 4, crc32(file.subarray(at, at + size - 4)), true);
  return file;
}

const sample = () => fileOf([SECTION.configuration, payload], [SECTION.memory, new Uint8Array(40)]);

describe('crc32', () => {
  test('is that of RFC 1952, over any length', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf4_3926);
    expect(crc32(new Uint8Array())).toBe(0);
    expect(crc32(new TextEncoder().encode('a'))).toBe(0xe8b7_be43);
  });
});

describe('the frame of a snapshot', () => {
  test('gives back what was written', async () => {
    expect(await readAll(await sample())).toEqual([
      { type: SECTION.configuration, payload },
      { type: SECTION.memory, payload: new Uint8Array(40) },
    ]);
  });

  test('refuses every truncation', async () => {
    const file = await sample();
    for (let length = 0; length < file.length; length += 1) {
      await expect(readAll(file.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        name: 'SnapshotError',
        fault: length < 8 ? 'not a snapshot' : 'truncated',
      });
    }
  });

  test('refuses every flip of a bit', async () => {
    const file = await sample();
    for (let bit = 0; bit < 8 * file.length; bit += 1) {
      const flipped = file.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await expect(readAll(flipped), `bit ${bit}`).rejects.toMatchObject({ name: 'SnapshotError' });
    }
  });

  test('refuses bytes after the end, and sections that are lost or exchanged', async () => {
    const file = await sample();
    await expect(readAll(Uint8Array.of(...file, 0))).rejects.toThrow('something follows its end');
    const first = fileHeader.size;
    const second = first + sectionHeader.size + payload.length;
    const end = file.length - sectionHeader.size;
    const parts = [
      file.subarray(0, first),
      file.subarray(first, second),
      file.subarray(second, end),
      file.subarray(end),
    ];
    const [header, one, two, last] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    await expect(readAll(Uint8Array.of(...header, ...two, ...last))).rejects.toThrow('section 0 is missing');
    await expect(readAll(Uint8Array.of(...header, ...two, ...one, ...last))).rejects.toThrow(
      'section 0 is missing',
    );
  });

  test('reads the version of a newer format, and says which vkvm is needed', async () => {
    const file = await sample();
    new DataView(file.buffer).setUint32(fileHeader.offsets.version, FORMAT_VERSION + 1, true);
    await expect(readAll(reseal(file, 0, fileHeader.size))).rejects.toMatchObject({
      fault: 'too new',
      message: `the snapshot has format ${FORMAT_VERSION + 1}, and this vkvm reads formats up to ${FORMAT_VERSION}; use a newer vkvm`,
    });
  });

  test('leaves out sections that it does not know only if they say so', async () => {
    const withFlags = async (flags: number) => {
      const file = await sample();
      const at = fileHeader.size;
      file.set(new TextEncoder().encode('NEW '), at);
      new DataView(file.buffer).setUint32(at + sectionHeader.offsets.flags, flags, true);
      return readAll(reseal(file, at, sectionHeader.size));
    };
    expect(await withFlags(SECTION_OPTIONAL)).toEqual([
      { type: SECTION.memory, payload: new Uint8Array(40) },
    ]);
    await expect(withFlags(0)).rejects.toMatchObject({ fault: 'too new' });
    await expect(withFlags(2)).rejects.toMatchObject({ fault: 'too new' });
  });

  test('says of any other file that it is no snapshot', async () => {
    await expect(readAll(new TextEncoder().encode('#!/bin/sh\nexit\n'.repeat(9)))).rejects.toMatchObject({
      fault: 'not a snapshot',
      message: 'this is not a snapshot of vkvm; give a file that vkvm save wrote',
    });
  });
});
