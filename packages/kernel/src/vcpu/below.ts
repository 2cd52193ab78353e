import type { Block } from '../state/block.ts';
export function smccc(_vcpu: Block, _smc: boolean, _immediate: number): 'resume' | 'exit' {
  return 'resume';
}
export function timerUpdate(_vcpu: Block, _now: number): void {}
export function timerDeadline(_vcpu: Block, _now: number): number {
  return Infinity;
}
