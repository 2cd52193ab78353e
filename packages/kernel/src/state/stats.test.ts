import { expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import { EXITS, count } from './stats.ts';

test('a counter has 64 bits', () => {
  const vcpu = bareVm().vcpus[0]!;
  vcpu.set64(EXITS.offset, 0xffff_fffen);
  count(vcpu, EXITS);
  expect(vcpu.get64(EXITS.offset)).toBe(0xffff_ffffn);
  count(vcpu, EXITS);
  expect(vcpu.get64(EXITS.offset)).toBe(0x1_0000_0000n);
});
