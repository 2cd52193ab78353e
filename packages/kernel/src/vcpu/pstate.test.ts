import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import { unpackFlags } from '../a64/flags.ts';
import type { Block } from '../state/block.ts';
import { EL, FLAG_A, FLAG_B, FLAG_NZ, PC, SP_EL0, SP_EL1, SP_SEL, SP_SLOT } from '../state/vcpu-state.ts';
import {
  MODE_EL0,
  MODE_EL1,
  MODE_EL1_SP0,
  isMode,
  readPstate,
  stackPointer,
  stepPc,
  writeMode,
  writePstate,
} from './pstate.ts';

function cpu(): Block {
  const vcpu = bareVm().vcpus[0]!;
  writePstate(vcpu, MODE_EL1);
  return vcpu;
}

describe('PSTATE', () => {
  test('reads as it was written, with every combination of flags', () => {
    const vcpu = cpu();
    for (let nzcv = 0; nzcv < 16; nzcv++) {
      const pstate = ((nzcv << 28) | (1 << 21) | (1 << 20) | 0x340 | MODE_EL1_SP0) >>> 0;
      writePstate(vcpu, pstate);
      expect(readPstate(vcpu)).toBe(pstate);
    }
  });

  test('reads the flags that arithmetic leaves behind as a64/flags.ts does', () => {
    const vcpu = cpu();
    const words = [
      0n,
      1n,
      4n,
      -1n,
      -4n,
      2n ** 31n,
      2n ** 32n,
      2n ** 63n,
      2n ** 63n - 1n,
      -(2n ** 32n),
      0x1_0000_0001n,
    ];
    for (const nz of words) {
      for (const a of words) {
        for (const b of words) {
          vcpu.set64(FLAG_NZ, BigInt.asUintN(64, nz));
          vcpu.set64(FLAG_A, BigInt.asUintN(64, a));
          vcpu.set64(FLAG_B, BigInt.asUintN(64, b));
          expect(readPstate(vcpu) >>> 28, `${nz} ${a} ${b}`).toBe(unpackFlags({ nz, a, b }));
        }
      }
    }
  });

  test('has the modes of EL0 and EL1, not those of EL2, EL3 and AArch32', () => {
    const modes = Array.from({ length: 32 }, (_, mode) => mode).filter(isMode);
    expect(modes).toEqual([MODE_EL0, MODE_EL1_SP0, MODE_EL1]);
  });
});

describe('the stack pointer', () => {
  test('in use is the one that the mode selects; the other rests', () => {
    const vcpu = cpu();
    vcpu.set64(SP_SLOT, 0x111n); // SP_EL1
    vcpu.set64(SP_EL0, 0x222n);
    writeMode(vcpu, MODE_EL0);
    expect([vcpu.get64(SP_SLOT), vcpu.get64(SP_EL1)]).toEqual([0x222n, 0x111n]);
    vcpu.set64(SP_SLOT, 0x333n);
    writeMode(vcpu, MODE_EL1_SP0);
    expect([vcpu.get64(SP_SLOT), vcpu.get32(EL), vcpu.get32(SP_SEL)]).toEqual([0x333n, 1, 0]);
    writeMode(vcpu, MODE_EL1);
    expect([vcpu.get64(SP_SLOT), vcpu.get64(SP_EL0)]).toEqual([0x111n, 0x333n]);
  });

  test('of a level is found wherever it is', () => {
    const vcpu = cpu();
    expect([stackPointer(vcpu, 0), stackPointer(vcpu, 1)]).toEqual([SP_EL0, SP_SLOT]);
    writeMode(vcpu, MODE_EL0);
    expect([stackPointer(vcpu, 0), stackPointer(vcpu, 1)]).toEqual([SP_SLOT, SP_EL1]);
  });
});

test('the pc carries into its upper half', () => {
  const vcpu = cpu();
  vcpu.set64(PC, 0xffff_0000_ffff_fffcn);
  stepPc(vcpu);
  expect(vcpu.get64(PC)).toBe(0xffff_0001_0000_0000n);
  stepPc(vcpu);
  expect(vcpu.get64(PC)).toBe(0xffff_0001_0000_0004n);
});
