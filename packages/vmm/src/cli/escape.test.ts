import { describe, expect, test } from 'vitest';
import { EscapeFilter } from './escape.ts';

const type = (...pieces: (readonly number[])[]) => {
  const filter = new EscapeFilter();
  const typed = pieces.map((piece) => filter.feed(new Uint8Array(piece)));
  return {
    bytes: typed.flatMap(({ bytes }) => [...bytes]),
    quit: typed.some(({ command }) => command === 'quit'),
  };
};

describe('EscapeFilter', () => {
  test.each([
    ['text', [[0x61, 0x03]], [0x61, 0x03], false],
    ['Ctrl-A x', [[0x61, 0x01, 0x78, 0x62]], [0x61], true],
    ['Ctrl-A and x apart', [[0x01], [0x78]], [], true],
    ['Ctrl-A Ctrl-A', [[0x01, 0x01, 0x78]], [0x01, 0x78], false],
    ['Ctrl-A and another key', [[0x01], [0x65]], [0x01, 0x65], false],
  ])('%s', (_, pieces, bytes, quit) => {
    expect(type(...pieces)).toEqual({ bytes, quit });
  });
});

test('Ctrl-A s saves where that can be done, and is typed where not', () => {
  const input = Uint8Array.of(0x61, 0x01, 0x73, 0x62);
  expect(new EscapeFilter({ save: true }).feed(input)).toEqual({
    bytes: Uint8Array.of(0x61, 0x62),
    command: 'save',
  });
  expect(new EscapeFilter().feed(input)).toEqual({ bytes: input, command: undefined });
});
