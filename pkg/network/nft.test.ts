import { expect, it } from 'vitest';
import { chainsThatDrop, elementsIn, openNft } from './nft.ts';

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

it('elementsIn reads maps with counters, without, and empty ones', () => {
  const counted = { elem: { val: { concat: [6, 8080] }, counter: { packets: 7, bytes: 420 } } };
  const plain = { concat: [17, 'fd00::1', 53] };
  const listing = {
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { map: { name: 'a', elem: [[counted, { concat: ['10.88.0.2', 80] }]] } },
      { map: { name: 'b', elem: [[plain, { concat: ['fd00::2', 53] }]] } },
      { map: { name: 'c' } },
    ],
  };
  expect(elementsIn(JSON.stringify(listing))).toEqual([
    { map: 'a', key: 'tcp . 8080', value: '10.88.0.2 . 80', connections: 7 },
    { map: 'b', key: 'udp . fd00::1 . 53', value: 'fd00::2 . 53', connections: 0 },
  ]);
});

it('Nft says what the program does not like', async () => {
  await expect(openNft(() => '/usr/sbin/nft').check('no such rule')).rejects.toMatchObject({
    code: 'unavailable',
    cause: { message: expect.stringContaining('syntax error') },
  });
});

it('Nft says that the program is missing', async () => {
  await expect(openNft(() => '/no/such/nft').apply('')).rejects.toMatchObject({
    code: 'unavailable',
    cause: { message: expect.stringContaining('ENOENT') },
  });
});
