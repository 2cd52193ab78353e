import type { Block } from '../state/block.ts';
export function smccc(_vcpu: Block, _smc: boolean, _immediate: number): 'resume' | 'exit' {
  return 'resume';
}
export function timerUpdate(_vcpu: Block, _now: number): void {}
export function timerDeadline(_vcpu: Block, _now: number): number {
  return Infinity;
}
export const firmwareRegisters: readonly bigint[] = [];
export function getFirmwareRegister(_vm: Block, _id: bigint): bigint | undefined {
  return undefined;
}
export function setFirmwareRegister(_vm: Block, _id: bigint, _value: bigint): number {
  return -2;
}
