import { expect, it } from 'vitest';
import { chainsThatDrop, openNft } from './nft.ts';

it('chainsThatDrop finds the forward chains with a policy of drop', () => {
  const listing = `table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
	chain DOCKER {
	}
}
table inet fine {
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
`;
  expect(chainsThatDrop(listing)).toEqual(['ip filter FORWARD']);
});

it('Nft says what the program does not like', async () => {
  await expect(openNft('/usr/sbin/nft').check('no such rule')).rejects.toMatchObject({
    code: 'unavailable',
    cause: { message: expect.stringContaining('syntax error') },
  });
});

it('Nft says that the program is missing', async () => {
  await expect(openNft('/no/such/nft').apply('')).rejects.toMatchObject({
    code: 'unavailable',
    cause: { message: expect.stringContaining('ENOENT') },
  });
});
