/** The first program of our initial file system, and how it is told what to do. */
import { GuestError } from './error.ts';

/** What the guest prints first from user space. */
export const USER_SPACE_LINE = 'vkvm: user space is up';

/** Word of the kernel command line that carries a script: its shell commands, percent-encoded. */
const SCRIPT_WORD = 'vkvm.run';

/** Longest command line that arm64 Linux takes. Source: arch/arm64/include/uapi/asm/setup.h, COMMAND_LINE_SIZE. */
const COMMAND_LINE_MAX = 2048;

/**
 * Shell commands as a word for the kernel command line. Everything but letters, digits and `_./-` is written as a
 * percent sign and two hexadecimal digits, so it has no spaces and no quotes.
 *
 * @throws {GuestError} too long for a command line
 */
export function encodeScript(script: string): string {
  const bytes = new TextEncoder().encode(script);
  const encoded = Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_./-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0')}`;
  }).join('');
  const word = `${SCRIPT_WORD}=${encoded}`;
  if (word.length > COMMAND_LINE_MAX - 256) {
    throw new GuestError(
      `the script takes ${word.length} of the ${COMMAND_LINE_MAX} characters of a kernel command line; make it shorter`,
    );
  }
  return word;
}

/**
 * `/init`, for busybox. It mounts the basics, says that user space is up, and then runs the script of the command line,
 * or gives a shell on the console with job control; after either it powers off.
 */
export const INIT_SCRIPT = `#!/bin/busybox sh
echo '${USER_SPACE_LINE}'
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /root /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root TERM=linux

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
hostname vkvm

script=
for word in $(cat /proc/cmdline); do
  case $word in
    ${SCRIPT_WORD}=*) script=\${word#*=} ;;
  esac
done

# The shells of packages find the programs of packages first; busybox's prefers its own.
interactive=sh
[ -x /bin/bash ] && interactive=/bin/bash
runner=$interactive
[ -x /bin/dash ] && runner=/bin/dash

cd /root
if [ -n "$script" ]; then
  printf "$(echo "$script" | sed 's/%/\\\\x/g')\\n" > /tmp/run
  setsid cttyhack $runner /tmp/run
  echo "vkvm: the script ended with status $?"
else
  setsid cttyhack $interactive -l
fi
sync
poweroff -f
`;
