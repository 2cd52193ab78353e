import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deflate } from './deflate.ts';
import { MEMORY_PIECE } from './format.ts';
import { restoreMemory, saveMemory } from './memory.ts';
import { SnapshotWriter } from './writer.ts';

const BASE = 0x4000_0000;
const PAGE = 4096;
const memory = (size: number) => ({ ram: new Uint8Array(size), range: { base: BASE, size } });

async function piecesOf(source: ReturnType<typeof memory>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  const writer = new SnapshotWriter(() => {});
  writer.section = async (_type, payload) => void pieces.push(payload);
  await saveMemory(source, writer);
  return pieces;
}

describe('guest memory in a snapshot', () => {
  test('comes back as it was, whatever is in it', async () => {
    const size = MEMORY_PIECE + 2 * 1024 * 1024;
    const write = fc.record({
      page: fc.nat(size / PAGE - 1),
      offset: fc.nat(PAGE - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(write, { maxLength: 20 }), async (writes) => {
        const [source, target] = [memory(size), memory(size)];
        for (const { page, offset, bytes } of writes) {
          const at = Math.min(page * PAGE + offset, size - bytes.length);
          source.ram.set(bytes, at);
        }
        for (const piece of await piecesOf(source)) await restoreMemory(target, piece);
        expect(Buffer.compare(source.ram, target.ram)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  test('takes no room for what is zero', async () => {
    const source = memory(3 * MEMORY_PIECE);
    expect(await piecesOf(source)).toEqual([]);
    source.ram[MEMORY_PIECE + 5 * PAGE + 1] = 1;
    const [piece, ...others] = await piecesOf(source);
    expect(others).toEqual([]);
    expect(piece!.length).toBeLessThan(300);
  });

  test('is refused where it lies outside of RAM, or is not what it says', async () => {
    const source = memory(MEMORY_PIECE);
    source.ram.fill(1);
    const [piece] = await piecesOf(source);
    const view = (change: (data: DataView) => void) => {
      const changed = piece!.slice();
      change(new DataView(changed.buffer));
      return restoreMemory(memory(MEMORY_PIECE), changed);
    };
    await expect(view(() => {})).resolves.toBeUndefined();
    await expect(view((data) => data.setBigUint64(0, 0n, true))).rejects.toThrow('outside of the guest');
    await expect(view((data) => data.setUint8(1, 0x10))).rejects.toThrow('outside of the guest');
    await expect(view((data) => data.setUint32(8, 2 * MEMORY_PIECE, true))).rejects.toThrow(
      'outside of the guest',
    );
    await expect(view((data) => data.setUint32(12, 7, true))).rejects.toThrow('not the ones it lists');
    await expect(view((data) => data.setUint8(16, 0))).rejects.toThrow('not the ones it lists');
    await expect(restoreMemory(memory(MEMORY_PIECE), new Uint8Array(9))).rejects.toThrow('too short');
  });

  test('is refused where it unpacks to more than a piece, or not at all', async () => {
    const source = memory(MEMORY_PIECE);
    source.ram[0] = 1;
    const [piece] = await piecesOf(source);
    const head = piece!.subarray(0, 16 + MEMORY_PIECE / PAGE / 8);
    const bomb = await deflate(new Uint8Array(64 * 1024 * 1024));
    const withData = (data: Uint8Array) =>
      restoreMemory(memory(MEMORY_PIECE), Uint8Array.of(...head, ...data));
    await expect(withData(bomb)).rejects.toThrow('unpacks to more than it can be');
    await expect(withData(Uint8Array.of(0xff, 0xff, 0xff))).rejects.toThrow('does not unpack');
  });
});
