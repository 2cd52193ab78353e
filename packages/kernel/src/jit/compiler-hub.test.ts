import { describe, expect, test } from 'vitest';
import { requestOf } from '../../test/compile-request.ts';
import { CompilerHub } from './compiler-hub.ts';
import type { CompileAnswer, CompileRequest, RegionCompiler } from './compiler.ts';

/** A compiler that answers when it is told to, in whatever order. */
class Slow implements RegionCompiler {
  readonly requests: CompileRequest[] = [];
  readonly #answers: CompileAnswer[] = [];
  post(request: CompileRequest): void {
    this.requests.push(request);
  }
  take(): CompileAnswer | undefined {
    return this.#answers.shift();
  }
  answer(index: number): void {
    const { id, entry } = this.requests[index]!;
    this.#answers.push({ id, entries: [entry], ranges: [], code: new Uint8Array() });
  }
}

const request = (id: number, entry: number): CompileRequest =>
  requestOf({ id, entry, page: new Uint8Array() });

describe('one compiler for several vCPUs', () => {
  test('gives each the answers to what it has asked', () => {
    const slow = new Slow();
    const hub = new CompilerHub(slow);
    const [first, second] = [hub.client(), hub.client()];
    first.post(request(1, 10));
    second.post(request(1, 20));
    first.post(request(2, 30));
    for (const index of [1, 2, 0]) slow.answer(index);
    expect([second.take(), second.take()]).toMatchObject([{ id: 1, entries: [20] }, undefined]);
    expect([first.take(), first.take(), first.take()]).toMatchObject([
      { id: 2, entries: [30] },
      { id: 1, entries: [10] },
      undefined,
    ]);
  });

  test('never waits', () => {
    const client = new CompilerHub(new Slow()).client();
    client.post(request(1, 10));
    expect(client.take()).toBeUndefined();
  });
});
