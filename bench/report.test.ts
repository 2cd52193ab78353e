import { describe, expect, test } from 'vitest';
import { formatReport, means, summarize } from './report.ts';

describe('summarize', () => {
  test('reports medians and how many times as long as QEMU vkvm takes', () => {
    expect(summarize('fib', { vkvm: [30, 10, 20], qemu: [10, 40, 10] })).toEqual({
      name: 'fib',
      vkvm: 20,
      qemu: 10,
      ratio: 2,
    });
  });

  test('has no ratio where one of the machines did not run', () => {
    expect(summarize('fib', { vkvm: [], qemu: [10] })).toEqual({ name: 'fib', qemu: 10 });
    expect(summarize('fib', { vkvm: [10], qemu: [] })).toEqual({ name: 'fib', vkvm: 10 });
  });
});

describe('means', () => {
  test('are taken with and without the kernels that measure TLB misses', () => {
    const rows = [
      { name: 'fib', ratio: 2 },
      { name: 'vm', ratio: 0.5 },
      { name: 'chase', ratio: 0.125 },
      { name: 'mmu', ratio: 0.5 },
    ];
    const { geometricMean } = means(rows);
    expect(geometricMean?.all).toBeCloseTo(0.5, 12);
    expect(geometricMean?.withoutTlbBound).toBeCloseTo(1, 12);
  });

  test('of floating point are taken apart', () => {
    const rows = [
      { name: 'fib', ratio: 2 },
      { name: 'fft', ratio: 0.25 },
      { name: 'nbody', ratio: 1 },
    ];
    expect(means(rows)).toEqual({ geometricMean: { all: 2, withoutTlbBound: 2, floatingPoint: 0.5 } });
  });

  test('are absent where no ratio is', () => {
    expect(means([{ name: 'fib', vkvm: 1 }])).toEqual({});
  });
});

test('formatReport puts each thing on a line, with a dash for what was not measured', () => {
  const report = formatReport({
    machine: { cpu: 'abacus', cpus: 2, node: '24.0.0', qemu: 'QEMU 7' },
    rounds: 3,
    kernels: [
      { name: 'fib', vkvm: 20, qemu: 10, ratio: 2 },
      { name: 'vm', qemu: 8 },
    ],
    geometricMean: { all: 2, withoutTlbBound: 2 },
    boot: { name: 'Linux boot', vkvm: 3000, qemu: 2000, ratio: 1.5 },
  });
  expect(report.split('\n').slice(3)).toEqual([
    '                             vkvm ms     QEMU ms     ratio',
    'fib                             20.0        10.0      2.00',
    'vm                                 -         8.0         -',
    'geometric mean                                        2.00',
    '  without chase and mmu                               2.00',
    'Linux boot                    3000.0      2000.0      1.50',
  ]);
});
