/** The versioned user-space ABI of KVM/arm64, and vkvm's additions to it: numbers, struct layouts, types. */

export * from './brand.ts';
export * from './caps.ts';
export * from './device.ts';
export * from './errno.ts';
export * from './exits.ts';
export * from './ioc.ts';
export * from './ioctls.ts';
export * from './irq.ts';
export * from './kvm-run.ts';
export * from './layout.ts';
export * from './memory.ts';
export * from './one-reg.ts';
export * from './profiles.ts';
export * from './psci-exit.ts';
export * from './secure.ts';
export * from './clock.ts';
export * from './engine-stats.ts';
export * from './psci.ts';
export * from './revision.ts';
export * from './smccc.ts';
export * from './syscalls.ts';
export * from './sysregs.ts';
export * from './vcpu.ts';
export * from './vgic.ts';
