import type { Block } from '../state/block.ts';
export function smccc(_vcpu: Block, _smc: boolean, _immediate: number): 'resume' | 'exit' {
  return 'resume';
}
export const firmwareRegisters: readonly bigint[] = [];
export function getFirmwareRegister(_vm: Block, _id: bigint): bigint | undefined {
  return undefined;
}
export function setFirmwareRegister(_vm: Block, _id: bigint, _value: bigint): number {
  return -2;
}
