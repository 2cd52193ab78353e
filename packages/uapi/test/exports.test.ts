import { expect, test } from 'vitest';
import * as ledger from '@vkvm/uapi/ledger';
import * as uapi from '@vkvm/uapi';

test('the public names are those of the snapshot', async () => {
  const names = (module: object): string => `${Object.keys(module).toSorted().join('\n')}\n`;
  await expect(names(uapi)).toMatchFileSnapshot('exports/uapi.txt');
  await expect(names(ledger)).toMatchFileSnapshot('exports/ledger.txt');
});
