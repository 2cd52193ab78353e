import * as vmm from '@vkvm/vmm';
import * as node from '@vkvm/vmm/node';
import { expect, test } from 'vitest';

// Public names change only together with this list.
test('the public names of @vkvm/vmm', () => {
  expect(Object.keys(vmm).toSorted()).toEqual([
    'AbiMismatchError',
    'ConfigError',
    'FdtError',
    'FormatError',
    'GuestError',
    'KvmError',
    'LoadError',
    'MmioBus',
    'Pl011',
    'Pl031',
    'ProcessError',
    'SnapshotError',
    'USER_SPACE_LINE',
    'buildInitramfs',
    'builtinGuest',
    'cells',
    'cells64',
    'checkAbi',
    'compareKernels',
    'createMachine',
    'createMachineHost',
    'createProcess',
    'createSpiLine',
    'decodeFdt',
    'encodeFdt',
    'encodeScript',
    'flag',
    'formatResult',
    'identifyKernel',
    'memoryMax',
    'node',
    'openKvm',
    'openSnapshot',
    'parseScenario',
    'parseTrace',
    'processSize',
    'replay',
    'restoreMachine',
    'text',
  ]);
});

test('the public names of @vkvm/vmm/node', () => {
  expect(Object.keys(node).toSorted()).toEqual(['debianGuest', 'runCommand']);
});
