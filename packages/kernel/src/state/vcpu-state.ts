/**
 * The state of one vCPU as words of the process memory: byte offsets from the start of its block.
 *
 * The vCPU's thread writes all of it while the vCPU mutex is held, except where another writer is named. Generated
 * code addresses the same words, so the offsets below 0x1_0000 are constants of it; a change is a new
 * `LAYOUT_VERSION`. Registers that an instruction names are *slots* of eight bytes (sixteen for vectors), and a
 * decoded operand is the slot's offset: that is what makes XZR and SP free at run time.
 *
 * What an exit touches lies at different offsets of its pages: a cache of 32 KiB keeps eight lines of one offset.
 */

/** General registers x0 to x30, eight bytes each. */
export const X = 0x000;
/** Register number 31 read as XZR: always 0. */
export const ZERO_SLOT = 0x0f8;
/** Register number 31 written as XZR: never read as a guest value. */
export const SINK_SLOT = 0x100;
/** The stack pointer that PSTATE.SP selects. The other one rests in {@link SP_EL0} or {@link SP_EL1}. */
export const SP_SLOT = 0x108;

/** The program counter while the vCPU is outside guest code. Inside, it follows from {@link OP} and {@link PC_DELTA}. */
export const PC = 0x110;
/** Condition flags: N = NZ < 0, Z = NZ = 0, C = FA ≥ FB unsigned, N ≠ V when FA < FB signed. See a64/flags.ts. */
export const FLAG_NZ = 0x118;
export const FLAG_A = 0x120;
export const FLAG_B = 0x128;
/** Exception level, 0 or 1. */
export const EL = 0x130;
/** PSTATE.SP: 0 = SP_EL0, 1 = SP_ELx. */
export const SP_SEL = 0x134;
/** PSTATE.DAIF at its place in PSTATE, bits 9:6. */
export const DAIF = 0x138;
/** PSTATE.SS (bit 21) and PSTATE.IL (bit 20) at their places. */
export const PSTATE_SS_IL = 0x13c;

/** Address of the decoded op to execute. */
export const OP = 0x140;
/** Retired instructions times 16, less what OP tells: see interp/build.ts. Negative sum with OP = budget left. */
export const ACC = 0x144;
/** pc = PC_DELTA + (OP >> 2), 64 bits. */
export const PC_DELTA = 0x148;

/** Why generated code returned: a `LEAVE_*` number of interp/leave.ts. */
export const LEAVE = 0x150;
/** For a synchronous exception: ESR_ELx as the target level shall see it, 64 bits. */
export const SYNDROME = 0x158;
/** For an abort: the faulting virtual address. For a PC alignment fault: the pc. */
export const FAULT_VA = 0x160;
/** Guest-physical address of an access that reached no memslot, or of the last walk. */
export const FAULT_PA = 0x168;
/** The access at {@link FAULT_PA}: an `ACCESS_*` word of mmu/access.ts. */
export const ACCESS = 0x170;
/** The leaf descriptor of the last walk that found one. 64 bits. */
export const WALK_LEAF = 0x178;
/** Data of an access that generated code cannot make in place: device reads, and accesses across two pages. 64 bytes. */
export const SCRATCH = 0x180;

/**
 * The last translation that led to no memory: which one it was, as slow-path.ts packs it, and its guest-physical page. 64
 * bits each. TLB entries are of memory only.
 */
export const NO_MEMORY_KEY = 0x1c0;
export const NO_MEMORY_PAGE = 0x1c8;
/** A key that is none. */
export const NO_KEY = 0xfff;

/**
 * The entry that the soft TLB was last given, and the last that it was given for two pages in a row: where memory is mapped
 * in one piece, all are the same. For compiled code, as a guess. 64 bits each.
 */
export const LAST_ENTRY = 0x1d0;
export const LIKELY_ENTRY = 0x1d8;
/** At how many addresses of the window an access may begin at the current exception level. 64 bits. Derived. */
export const WINDOW_SIZE = 0x1e0;
/** How often compiled code left an access to the interpreter that it took to be in the window. */
export const WINDOW_MISSES = 0x1f0;
/** Of the last walk that found a leaf descriptor: the size of its mapping in bytes. 64 bits. */
export const WALK_SIZE = 0x1e8;

/** Vector registers v0 to v31, sixteen bytes each. */
export const V = 0x200;
/** A vector of zeros. */
export const FPCR = 0x400;
export const FPSR = 0x404;
/** Not 0: an FP or AdvSIMD instruction traps here and now (CPACR_EL1.FPEN and the exception level). Derived. */
export const FP_TRAP = 0x408;

/** Instructions that generated code was entered for last, times 16: with ACC and OP, how many of them have retired. */
export const RETIRED_LIMIT = 0x40c;

/** Exclusive monitor: host address of the marked bytes, 0 = open; then their size in bytes and their value. */
export const EXCLUSIVE_HOST = 0x410;
export const EXCLUSIVE_SIZE = 0x414;
export const EXCLUSIVE_LOW = 0x418;
export const EXCLUSIVE_HIGH = 0x420;

/**
 * Interrupt inputs of the CPU: bit 0 IRQ, bit 1 FIQ, bit 2 SError. Not 0 = pending whatever DAIF masks.
 * Written by the vGIC under its lock, by KVM_IRQ_LINE and by KVM_SET_VCPU_EVENTS; the writer then kicks.
 */
export const INTERRUPT_LINES = 0x428;
/** User address of the kvm_run page, where the kick word lies at 0xFF8. */
export const RUN_PAGE = 0x42c;
/** Addresses of the soft TLB tables and of the fetch TLB of the current exception level. Derived from {@link EL}. */
export const TLB_BASE = 0x430;
export const FETCH_BASE = 0x434;
/** Address of the VM block this vCPU belongs to. */
export const VM_BLOCK = 0x438;
/** Instructions retired in this stay in guest code, before generated code was entered last: see state/retired.ts. */
export const RETIRED_BEFORE = 0x43c;

/** System registers with a fixed place, because generated code, the walk or exception entry use them. */
export const SCTLR_EL1 = 0x440;
export const TTBR0_EL1 = 0x448;
export const TTBR1_EL1 = 0x450;
export const TCR_EL1 = 0x458;
export const MAIR_EL1 = 0x460;
export const ELR_EL1 = 0x468;
export const SPSR_EL1 = 0x470;
export const ESR_EL1 = 0x478;
export const FAR_EL1 = 0x480;
export const VBAR_EL1 = 0x488;
export const SP_EL0 = 0x490;
export const SP_EL1 = 0x498;
export const CPACR_EL1 = 0x4a0;
export const CONTEXTIDR_EL1 = 0x4a8;
export const PAR_EL1 = 0x4b0;
export const CNTKCTL_EL1 = 0x4b8;
export const MDSCR_EL1 = 0x4c0;
export const TPIDR_EL0 = 0x4c8;
export const TPIDRRO_EL0 = 0x4d0;
export const TPIDR_EL1 = 0x4d8;

/** Interpreter: the entry op (16 bytes); end of the decoded pages in use, relative to {@link POOL} (u32). */
export const ENTRY_OP = 0x4e0;
export const POOL_USED = 0x4f0;
/** Bytes of decoded code that the block has room for (u32). Fixed when the vCPU is created. */
export const POOL_LIMIT = 0x4f4;

/** DISR_EL1, which ESB writes too. 64 bits. */
export const DISR_EL1 = 0x4f8;

/** What the walk needs of TCR_EL1 and SCTLR_EL1, unpacked when they change. Layout: mmu/regime.ts. 0x100 bytes. */
export const REGIME = 0x500;

/**
 * What the engine has done: engine-stats.ts. First, and of generated code since it was entered last: instructions that
 * the interpreter retired, times 16; and whether what is at an address may have changed, so that no region that waits
 * there may go on (0 or 1).
 */
export const ENGINE_STATS = 0x600;
export const INTERPRETED = ENGINE_STATS + 0x00;
export const CODE_MOVED = ENGINE_STATS + 0x40;
/** How often regions have branched to what is none since that was looked at: see VISIT_INTERVAL. */
export const VISITS = ENGINE_STATS + 0x44;
/** Counts the changes from one thread to another: decoded code is of the thread that made the last one. */
export const CODE_OWNER = ENGINE_STATS + 0x48;

/** Further system registers that are plain storage: eight bytes each, placed by sysreg/table.ts. */
export const SYSREG_STORE = 0x800;
export const SYSREG_STORE_END = 0x2000;

/** Control words of the vCPU file: vcpu/control.ts. */
export const CONTROL = 0x2200;
/** What KVM_SET_GUEST_DEBUG asked for: guest-debug.ts. */
export const GUEST_DEBUG = 0x2400;
/** Timers of the vCPU: timer/arch-timer.ts. */
export const TIMER = 0x2800;
/** Performance counters of the vCPU: pmu/. */
export const PMU = 0x2c00;
/** Redistributor and CPU interface of the vCPU: vgic/. Written under the vGIC lock, by any thread. */
export const VGIC = 0x3000;
export const STATE_SIZE = 0x1_0000;

/** Fetch TLBs of EL0 and EL1: 1024 entries of 16 bytes each. */
export const FETCH_TLB = 0x1_0000;
export const FETCH_TLB_SIZE = 0x4000;
/** One bit for each 2 MiB of VA[31:21]: a TLB entry in it came from a leaf of over 4 KiB, or of over 2 MiB. 256 bytes. */
export const LARGE_MAPPINGS = 0x1_8000;
export const HUGE_MAPPINGS = 0x1_8100;
/**
 * The window: mmu/window.ts. Its first address (u64), which lies at a user address (u32); its bytes (u64), 0 = there is
 * none; its exception level, and whether its mapping is not global.
 */
export const WINDOW_START = 0x1_8200;
export const WINDOW_BYTES = 0x1_8208;
export const WINDOW_HOST = 0x1_8210;
export const WINDOW_LEVEL = 0x1_8214;
export const WINDOW_NON_GLOBAL = 0x1_8218;
/** While it is looked for: how many mappings may still be looked at. */
export const WINDOW_PROBES = 0x1_821c;
/** Logs of filled TLB entries, global and non-global: a count, then u32 entry addresses. */
export const FILL_LOG_GLOBAL = 0x2_0300;
export const FILL_LOG_NON_GLOBAL = 0x6_0340;
/** Entries that one log holds before all of them are cleared. */
export const FILL_LOG_CAPACITY = 0xffff;
/** Decoded pages by user page: u32 address of the page's ops, 0 = none. Covers 4 GiB of user addresses. */
export const CODE_MAP = 0x10_0000;
/** Bit of an entry of the map: compare the page with its source before it is executed. */
export const CODE_UNVERIFIED = 1;
/** Soft TLB: read and write table of EL0, then of EL1; 2²⁰ entries of 8 bytes each. See mmu/tlb.ts. */
export const TLB = 0x50_0a40;
export const TLB_TABLE_SIZE = 0x80_0000;
/** Decoded ops. */
export const POOL = 0x250_1000;
/** What the first vCPUs of a VM get: a Linux boot decodes 25 MiB. Many vCPUs have to share 4 GiB with RAM. */
export const POOL_SIZE = 0x1c0_0000;
export const SMALL_POOL_SIZE = 0x80_0000;
export const VCPUS_WITH_LARGE_POOL = 4;

/** @param pool - bytes for decoded code */
export const vcpuBlockSize = (pool: number): number => POOL + pool;
