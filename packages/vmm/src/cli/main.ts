/** The command: finds the sub-command, runs it, and turns errors into one line and a status. */
import { closest, parseArgs } from './args.ts';
import type { OptionTable, ParsedArgs } from './args.ts';
import { CAPS_HELP, CAPS_OPTIONS, caps } from './caps.ts';
import { DUMP_DTB_HELP, DUMP_DTB_OPTIONS, dumpDtb } from './dump-dtb.ts';
import { GUEST_HELP, GUEST_OPTIONS, guest } from './guest.ts';
import type { CliHost } from './host.ts';
import { REPLAY_HELP, REPLAY_OPTIONS, replay } from './replay.ts';
import { RESTORE_HELP, RESTORE_OPTIONS, restore } from './restore.ts';
import { RUN_HELP, RUN_OPTIONS, run } from './run.ts';
import { SAVE_HELP, SAVE_OPTIONS, save } from './save.ts';
import { SKEW_HELP, SKEW_OPTIONS, skew } from './skew.ts';
import { START_HELP, START_OPTIONS, start } from './start.ts';
import { STATUS_OK, UsageError, explain } from './status.ts';

interface Command {
  readonly summary: string;
  readonly execute: (host: CliHost, argv: readonly string[]) => Promise<number>;
}

/** A command whose options are typed by its table. */
function command<const T extends OptionTable>(
  row: { readonly summary: string; readonly help: string; readonly options: T; readonly operands?: boolean },
  action: (host: CliHost, options: ParsedArgs<T>['options'], operands: readonly string[]) => Promise<number>,
): Command {
  const execute = async (host: CliHost, argv: readonly string[]): Promise<number> => {
    const { options, operands, help } = parseArgs(argv, row.options);
    if (help) {
      host.stdout(row.help);
      return STATUS_OK;
    }
    if (!row.operands && operands.length > 0) {
      throw new UsageError(`what is ${operands[0]}? options start with --; see --help`);
    }
    return action(host, options, operands);
  };
  return { summary: row.summary, execute };
}

const COMMANDS: Readonly<Record<string, Command>> = {
  start: command({ summary: 'boot a ready-made guest', help: START_HELP, options: START_OPTIONS }, start),
  run: command({ summary: 'boot a kernel of your own', help: RUN_HELP, options: RUN_OPTIONS }, run),
  save: command(
    {
      summary: 'boot a guest and save it while it runs',
      help: SAVE_HELP,
      options: SAVE_OPTIONS,
      operands: true,
    },
    save,
  ),
  restore: command(
    { summary: 'go on with a saved guest', help: RESTORE_HELP, options: RESTORE_OPTIONS, operands: true },
    restore,
  ),
  guest: command(
    { summary: 'get a guest to boot', help: GUEST_HELP, options: GUEST_OPTIONS, operands: true },
    guest,
  ),
  caps: command({ summary: 'list what the kernel can do', help: CAPS_HELP, options: CAPS_OPTIONS }, caps),
  replay: command(
    {
      summary: 'compare with what Linux answered',
      help: REPLAY_HELP,
      options: REPLAY_OPTIONS,
      operands: true,
    },
    replay,
  ),
  skew: command(
    { summary: 'compare two kernels', help: SKEW_HELP, options: SKEW_OPTIONS, operands: true },
    skew,
  ),
  'dump-dtb': command(
    { summary: "write a machine's device tree", help: DUMP_DTB_HELP, options: DUMP_DTB_OPTIONS },
    dumpDtb,
  ),
};

const WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;
const HELP = `Usage: vkvm COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(WIDTH)}${summary}`)
  .join('\n')}

vkvm COMMAND --help describes the options of a command.
`;

/**
 * Runs the command line.
 *
 * @param argv - without the interpreter and the program
 * @returns the exit status; it never throws
 */
export async function main(argv: readonly string[], host: CliHost): Promise<number> {
  const [name, ...rest] = argv;
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      if (name === undefined) throw new UsageError('no command; try vkvm start, or vkvm --help');
      host.stdout(HELP);
      return STATUS_OK;
    }
    const found = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!found) {
      const similar = closest(name, Object.keys(COMMANDS));
      throw new UsageError(
        `unknown command ${name}; ${similar ? `did you mean ${similar}?` : 'see vkvm --help'}`,
      );
    }
    return await found.execute(host, rest);
  } catch (error) {
    const { message, status } = explain(error);
    host.stderr(message);
    return status;
  }
}
