import { expect, test } from 'vitest';
import { KVM_ARM_IRQ_TYPE_CPU, KVM_ARM_IRQ_TYPE_PPI, KVM_ARM_IRQ_TYPE_SPI, encodeIrq } from './irq.ts';

test('an irq is packed as KVM_IRQ_LINE takes it', () => {
  expect(encodeIrq(KVM_ARM_IRQ_TYPE_SPI, 0, 33)).toBe(0x0100_0021);
  expect(encodeIrq(KVM_ARM_IRQ_TYPE_PPI, 3, 27)).toBe(0x0203_001b);
  expect(encodeIrq(KVM_ARM_IRQ_TYPE_CPU, 0xf02, 1)).toBe(0xf002_0001);
});
