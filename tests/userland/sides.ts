/** Runs programs on both sides: in the guest, and with QEMU's user-mode emulator. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeScript } from '@vkvm/vmm';
import { vkvm, type Guest } from '../boot/command.ts';
import { inputFiles, PACKAGES, type Program } from './programs.ts';

/** What a program left: so that it can be compared, and the beginning read. */
export interface Output {
  readonly status: number;
  readonly size: number;
  readonly sha256: string;
  /** The first {@link SHOWN} bytes. */
  readonly start: string;
}

const SHOWN = 600;

/** The whole environment of a program. */
const ENVIRONMENT = { PATH: '/usr/bin', HOME: '/', LC_ALL: 'C', TZ: 'UTC', PYTHONHASHSEED: '0' };

const EMULATOR = 'qemu-aarch64-static';
/** Without what is slow to emulate. */
const CPU = 'max,sve=off,sme=off,pauth=off';

/** Why this machine cannot run the test, if so. */
export function missingTool(): string | undefined {
  return [EMULATOR, 'cpio'].find((name) => spawnSync(name, ['--version']).error !== undefined);
}

/** A guest with the programs, or why there is none here. */
export async function userlandGuest(): Promise<Guest | string> {
  const { status, stdout, stderr } = await vkvm(['guest', 'debian', '--with', PACKAGES.join(','), '--json']);
  return status === 0 ? (JSON.parse(stdout) as Guest) : stderr.trim();
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The guest's script: for each program a line with its number, status, size, hash and beginning. */
function scriptOf(programs: readonly Program[]): string {
  const environment = Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  const runs = programs.map(({ argv, stdin = '/dev/null' }, index) =>
    [
      `env -i ${environment.join(' ')} ${argv.map(quoted).join(' ')} < ${stdin} > /tmp/out 2>&1`,
      `echo "@${index} $? $(stat -c %s /tmp/out) $(sha256sum < /tmp/out | cut -c 1-64) $(head -c ${SHOWN} /tmp/out | base64 -w 0)"`,
    ].join('\n'),
  );
  return `cd /userland\n${runs.join('\n')}\n`;
}

/** A directory with what the programs read; removed when disposed of. */
function inputDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'vkvm-userland-'));
  mkdirSync(join(path, 'userland'));
  for (const [name, data] of inputFiles()) writeFileSync(join(path, 'userland', name), data);
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Boots the guest and runs the programs in it. @throws Error one of them has left no line */
export async function runInGuest({ kernel, initrd }: Guest, programs: readonly Program[]): Promise<Output[]> {
  using directory = inputDirectory();
  const { path } = directory;
  writeFileSync(join(path, 'userland/run'), scriptOf(programs));
  const inputs = execFileSync('sh', ['-c', 'find userland | cpio --quiet -o -H newc'], { cwd: path });
  // Linux unpacks one archive after the other.
  writeFileSync(join(path, 'initrd'), Buffer.concat([readFileSync(initrd), inputs]));
  const files = ['--kernel', kernel, '--initrd', join(path, 'initrd')];
  const append = `console=ttyAMA0 quiet ${encodeScript('sh /userland/run')}`;
  const limits = ['--memory', '512M', '--timeout', '280'];
  const { stdout, stderr } = await vkvm(['run', ...files, '--append', append, ...limits]);
  return programs.map(({ name }, index) => {
    const line = new RegExp(`^@${index} (\\d+) (\\d+) (\\w+) (\\S*)\\r?$`, 'm').exec(stdout);
    if (!line) throw new Error(`${name} has not ended: ${stderr}${stdout.slice(-1000)}`);
    const [, status, size, sha256 = '', start = ''] = line;
    return {
      status: Number(status),
      size: Number(size),
      sha256,
      start: Buffer.from(start, 'base64').toString(),
    };
  });
}

/** Runs the same programs, out of the guest's ramdisk, on the reference. */
export function runOnReference({ initrd }: Guest, programs: readonly Program[]): Output[] {
  using directory = inputDirectory();
  const { path } = directory;
  const root = join(path, 'root');
  mkdirSync(root);
  // cpio stops behind the first archive, which has the packages.
  execFileSync('sh', ['-c', `cpio -id --quiet < ${quoted(initrd)}`], { cwd: root });
  return programs.map(({ argv: [program, ...args], stdin }) => {
    const out = join(path, 'out');
    const [input, output] = [
      openSync(stdin ? join(path, 'userland', stdin) : '/dev/null', 'r'),
      openSync(out, 'w'),
    ];
    try {
      const { status } = spawnSync(
        EMULATOR,
        ['-cpu', CPU, '-L', root, '-0', program, join(root, program), ...args],
        {
          cwd: join(path, 'userland'),
          env: ENVIRONMENT,
          stdio: [input, output, output],
        },
      );
      const bytes = readFileSync(out);
      return {
        status: status ?? -1,
        size: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        start: bytes.subarray(0, SHOWN).toString(),
      };
    } finally {
      closeSync(input);
      closeSync(output);
    }
  });
}
