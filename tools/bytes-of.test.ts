import { afterEach, expect, test, vi } from 'vitest';
import { bytesOf } from './bytes-of.ts';

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => (i * 167) & 0xff);
const TEXT = Buffer.from(BYTES).toString('base64');
/** As the bundle has it. */
const built = new Function(`return ${bytesOf.toString()}`)() as typeof bytesOf;

afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(Uint8Array, 'fromBase64');
});

test.each([
  ['Uint8Array.fromBase64', true, true],
  ['Buffer', false, true],
  ['atob', false, false],
])('bytes come out by %s', (_by, hasFromBase64, hasBuffer) => {
  const called: string[] = [];
  const decode = (text: string): Uint8Array => {
    called.push('fromBase64');
    return new Uint8Array(Buffer.from(text, 'base64'));
  };
  if (hasFromBase64) Object.assign(Uint8Array, { fromBase64: decode });
  const { Buffer: own } = globalThis;
  if (!hasBuffer) vi.stubGlobal('Buffer', undefined);
  const bytes = built(TEXT);
  vi.stubGlobal('Buffer', own);
  expect([...bytes]).toEqual([...BYTES]);
  expect(called).toHaveLength(hasFromBase64 ? 1 : 0);
});
