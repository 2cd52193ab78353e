import { describe } from 'vitest';
import { PROGRAMS } from './programs.ts';
import { testPrograms } from './same-output.ts';

describe("Debian's programs in the guest", () => {
  testPrograms(PROGRAMS.filter(({ isShort }) => isShort));
});
