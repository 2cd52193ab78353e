/** Compression by the platform's own streams. */
import { SnapshotError } from './error.ts';

const FORMAT = 'deflate-raw';

const streamOf = (bytes: Uint8Array): ReadableStream<Uint8Array<ArrayBuffer>> =>
  new Blob([bytes as Uint8Array<ArrayBuffer>]).stream();

/** Raw deflate (RFC 1951). @param bytes - not in shared memory */
export const deflate = (bytes: Uint8Array): Promise<Uint8Array> =>
  new Response(streamOf(bytes).pipeThrough(new CompressionStream(FORMAT))).bytes();

/**
 * @param limit - most bytes that can come of it
 * @throws {SnapshotError} it is not raw deflate, or becomes longer
 */
export async function inflate(bytes: Uint8Array, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  try {
    for await (const part of streamOf(bytes).pipeThrough(new DecompressionStream(FORMAT))) {
      length += part.length;
      if (length > limit) break;
      parts.push(part);
    }
  } catch (cause) {
    throw unusable('does not unpack', cause);
  }
  if (length > limit) throw unusable('unpacks to more than it can be');
  return new Blob(parts).bytes();
}

const unusable = (how: string, cause?: unknown): SnapshotError =>
  new SnapshotError('damaged', `the snapshot is damaged: a section ${how}; save the guest again`, { cause });
