/** Every operation that a step can name. */
import type { Operation } from '../operation.ts';
import { deviceOperations } from './device.ts';
import { interruptOperations } from './interrupt.ts';
import { memoryOperations } from './memory.ts';
import { registerOperations } from './registers.ts';
import { runOperations } from './run.ts';
import { systemOperations } from './system.ts';
import { vcpuOperations } from './vcpu.ts';

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  [
    ...systemOperations,
    ...memoryOperations,
    ...vcpuOperations,
    ...registerOperations,
    ...runOperations,
    ...interruptOperations,
    ...deviceOperations,
  ].map((row) => [row.name, row]),
);
