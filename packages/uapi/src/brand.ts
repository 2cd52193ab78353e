/** Names for the integers that are easily mixed up. They are aliases: arithmetic on them needs no cast. */

/** Guest-physical address: what stage 1 of the guest's translation gives. A whole number below 2⁵³. */
export type Gpa = number;

/** Offset into `Process.memory`, as pointers in structs and the results of `mmap` are. */
export type UserAddress = number;

/** 64-bit register id of `KVM_GET_ONE_REG`. */
export type RegId = bigint;

/** Global system interrupt: the number by which interrupt routing knows a line. SPI 32 is GSI 0 by default. */
export type Gsi = number;

/** A Linux release, such as `6.1`. Rows of the tables say with it since when, or until before when, they hold. */
export type LinuxVersion = `${number}.${number}`;
