/** True random numbers. Source: Arm DEN 0098. */
import {
  ARM_SMCCC_TRNG_FEATURES,
  ARM_SMCCC_TRNG_GET_UUID,
  ARM_SMCCC_TRNG_RND32,
  ARM_SMCCC_TRNG_RND64,
  ARM_SMCCC_TRNG_VERSION,
  KVM_REG_ARM_STD_BIT_TRNG_V1_0,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { argumentHigh, argumentLow, setResults } from '../state/call-registers.ts';
import { X } from '../state/vcpu-state.ts';
import { fillRandom } from '../timer/clock.ts';
import { STD } from './firmware-regs.ts';
import type { SmcccHandler, SmcccService } from './service.ts';

const VERSION_1_0 = 0x1_0000;
const SUCCESS = 0;
const NOT_SUPPORTED = -1;
const INVALID_PARAMETERS = -2;
/** 0D21E000-4384-11EB-8070-5244554E5A4C, as little-endian words. */
const UUID = [0x00e0_210d, 0xeb11_8443, 0x4452_7080, 0x4c5a_4e55] as const;

/** x1 bits of entropy in x1 to x3, of `width` bits each: least significant in x3, and zero where not asked for. */
const entropy =
  (width: 32 | 64): SmcccHandler =>
  (vcpu, host) => {
    const bits = argumentLow(vcpu, 1);
    if (argumentHigh(vcpu, 1) !== 0 || bits > 3 * width) {
      setResults(vcpu, INVALID_PARAMETERS);
      return;
    }
    setResults(vcpu, SUCCESS);
    fill(vcpu, host, bits, width);
  };

function fill(vcpu: Block, host: Host, bits: number, width: 32 | 64): void {
  const bytes = new Uint8Array(Math.ceil(bits / 8));
  fillRandom(vcpu, bytes, host);
  if (bits % 8 !== 0) bytes[bytes.length - 1]! &= (1 << (bits % 8)) - 1;
  const { u8 } = vcpu.words;
  for (const [index, byte] of bytes.entries()) {
    const register = 3 - Math.floor((index * 8) / width);
    u8[vcpu.base + X + 8 * register + (index % (width / 8))] = byte;
  }
}

const HANDLERS: readonly (readonly [number, SmcccHandler])[] = [
  [ARM_SMCCC_TRNG_VERSION, (vcpu) => setResults(vcpu, VERSION_1_0)],
  [
    ARM_SMCCC_TRNG_FEATURES,
    (vcpu) => {
      const id = argumentLow(vcpu, 1);
      setResults(vcpu, HANDLERS.some(([known]) => known === id) ? SUCCESS : NOT_SUPPORTED);
    },
  ],
  [ARM_SMCCC_TRNG_GET_UUID, (vcpu) => setResults(vcpu, ...UUID)],
  [ARM_SMCCC_TRNG_RND32, entropy(32)],
  [ARM_SMCCC_TRNG_RND64, entropy(64)],
];

export const trngServices: readonly SmcccService[] = HANDLERS.map(([id, handle]) => ({
  id,
  since: '5.12',
  bitmap: STD,
  bit: KVM_REG_ARM_STD_BIT_TRNG_V1_0,
  handle,
}));
