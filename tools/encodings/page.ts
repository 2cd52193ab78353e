/** docs/instructions.md, from the rows that decode. */
import { INSNS } from '../../packages/kernel/src/a64/table.ts';
import { insn } from '../../packages/kernel/src/a64/pattern.ts';
import { CAMPAIGNS } from './campaigns.ts';
import { classOf, ENCODING_CLASSES, type EncodingClass } from './classes.ts';
import { ANNOUNCED, UNANNOUNCED } from './extensions.ts';
import { readRecord } from './record.ts';
import { DISAGREEMENTS } from './reviewed.ts';

interface Line {
  readonly name: string;
  readonly diagram: string;
  readonly status: string;
}

const grouped = (number: number): string => number.toLocaleString('en').replaceAll(',', ' ');
const code = (text: string): string => `\`${text}\``;

/** Lines of a Markdown table. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string[] =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);

/** All encodings by class: rows, and what is UNDEF because its extension is not announced. */
function linesByClass(): Map<EncodingClass, Line[]> {
  const lines = new Map<EncodingClass, Line[]>(ENCODING_CLASSES.map((each) => [each, []]));
  for (const row of INSNS) {
    const { name, diagram } = row;
    lines.get(classOf(row))!.push({ name, diagram, status: 'implemented' });
  }
  for (const { name: extension, encodings } of UNANNOUNCED) {
    for (const [name, diagram] of Object.entries(encodings)) {
      const place = classOf(insn(name, diagram, { emit: () => {} }));
      lines.get(place)!.push({ name, diagram, status: `UNDEF: ${extension} is not announced` });
    }
  }
  return lines;
}

function encodingSections(): string[] {
  const lines = linesByClass();
  let section = '';
  return ENCODING_CLASSES.flatMap((each) => {
    const heading = each.section === section ? [] : [`## ${each.section}`, ''];
    section = each.section;
    const rows = lines.get(each)!.map(({ name, diagram, status }) => [name, code(diagram), status]);
    const none = ['No word of this class is allocated: UNDEF.'];
    const body = rows.length > 0 ? table(['name', 'encoding', 'status'], rows) : none;
    return [...heading, `### ${each.name}`, '', `${code(each.diagram)}`, '', ...body, ''];
  });
}

function checkSection(): string[] {
  const { binutils, march, samples, beyond, reviewed } = readRecord();
  return [
    '## Held against binutils',
    '',
    `Debian's binutils ${binutils} disassembled these samples and assembled its own text again for`,
    `${code(`-march=${march}`)}, the smallest that covers what is announced. A word that it takes must be one that`,
    'a row takes, and the reverse, but for the lists below. `tools/encodings/record.json` has the hashes;',
    '`pnpm encodings --record` makes them anew.',
    '',
    ...table(
      ['sample', 'words', 'taken', 'UNDEF', 'of extensions not announced', 'registers (sysreg/)'],
      Object.entries(samples).map(([name, { words, counts }]) => [
        name,
        ...[words, counts.taken, counts.refused, counts.later, counts.system].map(grouped),
      ]),
    ),
    '',
    'That `-march` also admits, of extensions that are not announced:',
    `${Object.entries(beyond)
      .map(([name, words]) => `${name} (${grouped(words)} words)`)
      .join(', ')}.`,
    '',
    'Reviewed disagreements; the reference is `qemu-aarch64`:',
    '',
    ...table(
      ['encoding', 'binutils', 'vkvm', 'reference', 'words', 'why'],
      DISAGREEMENTS.map(({ diagram, binutils: says, reference, why }) => [
        code(diagram),
        says,
        says === 'admits' ? 'UNDEF' : 'takes it',
        reference,
        grouped(reviewed[why] ?? 0),
        why,
      ]),
    ),
    '',
  ];
}

/** The whole page. */
export function instructionsPage(): string {
  return [
    '# Instructions',
    '',
    'Every encoding of A64 is here: implemented, or UNDEF because the ID registers do not announce the extension it',
    'belongs to. What no line covers is unallocated, and UNDEF; so are words of a row with reserved values in a field.',
    'This page is generated from the rows that decode (`packages/kernel/src/a64/insn/`) by `pnpm encodings`.',
    '',
    `${INSNS.length} rows, ${grouped(INSNS.reduce((sum, { size }) => sum + size, 0))} handlers. Armv8.0-A with`,
    `${ANNOUNCED.map(({ name }) => name).join(', ')}.`,
    '',
    '## Held against QEMU',
    '',
    'Recorded cases of each handler are in `packages/kernel/test/vectors/`. `pnpm isa-fuzz` runs random instructions in',
    "random states on the interpreter (every 16th case on the evaluator too) and on QEMU's user mode. What a seed stands",
    'for follows from the rows and the generator of its day. Where QEMU 7.2 itself is wrong, `tools/vectors/errata.ts` says so.',
    '',
    ...table(
      ['date', 'seed', 'instructions', 'mismatches', 'rows', 'beside Armv8.0-A'],
      CAMPAIGNS.map(({ date, seed, instructions, mismatches, rows, extensions }) => [
        date,
        String(seed),
        grouped(instructions),
        String(mismatches),
        String(rows),
        extensions,
      ]),
    ),
    '',
    ...checkSection(),
    ...encodingSections(),
  ].join('\n');
}
