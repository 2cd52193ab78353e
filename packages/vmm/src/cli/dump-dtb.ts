/** `vkvm dump-dtb`: the device tree that a machine would give its guest. */
import { decodeFdt } from '../fdt/reader.ts';
import type { FdtNode } from '../fdt/tree.ts';
import { createMachine } from '../machine/machine.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import type { CliHost } from './host.ts';
import { MACHINE_OPTIONS, machineParts } from './machine-parts.ts';
import { STATUS_OK, UsageError } from './status.ts';
import { PROFILE_OPTION, profileChoice } from './values.ts';

export const DUMP_DTB_OPTIONS = {
  ...MACHINE_OPTIONS,
  ...PROFILE_OPTION,
  json: { help: 'print the tree as JSON' },
} as const;

/** Text of `vkvm dump-dtb --help`. */
export const DUMP_DTB_HELP = `Usage: vkvm dump-dtb [options] > machine.dtb

Writes the device tree blob of the machine that vkvm run would build with the same options.
See it with: vkvm dump-dtb | dtc -I dtb -O dts

${describeOptions(DUMP_DTB_OPTIONS)}
`;

/** @returns the exit status */
export async function dumpDtb(host: CliHost, options: Options<typeof DUMP_DTB_OPTIONS>): Promise<number> {
  if (host.isTerminalOutput && !options.json) {
    throw new UsageError('a device tree blob is not for a terminal; redirect it, or use --json');
  }
  const kernel = options.kernel ?? emptyProgram();
  using machine = await createMachine(
    await machineParts(host, { ...options, kernel }, profileChoice(options.profile)),
  );
  host.stdout(
    options.json ? `${JSON.stringify(toJson(decodeFdt(machine.dtb).root), null, 2)}\n` : machine.dtb,
  );
  return STATUS_OK;
}

/** Stands in for a kernel where none is given: the header of an Image of 32 MiB. */
function emptyProgram(): Uint8Array {
  const bytes = new Uint8Array(64);
  new DataView(bytes.buffer).setBigUint64(16, 0x200_0000n, true);
  bytes.set(new TextEncoder().encode('ARM\x64'), 56);
  return bytes;
}

interface JsonNode {
  [name: string]: string | JsonNode;
}

/** Nodes as objects; property values as hexadecimal bytes, or text where they are strings. */
function toJson({ properties, children }: FdtNode): JsonNode {
  const json: JsonNode = {};
  for (const [name, value] of properties) json[name] = formatValue(value);
  for (const child of children) json[child.name] = toJson(child);
  return json;
}

function formatValue(value: Uint8Array): string {
  const strings = new TextDecoder('latin1').decode(value);
  if (/^(?:[\x20-\x7e]+\0)+$/.test(strings)) return strings.slice(0, -1).replaceAll('\0', ', ');
  return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
