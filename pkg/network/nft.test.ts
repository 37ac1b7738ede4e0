import { expect, it } from 'vitest';
import { elementsIn, endsInRefusal, forwardChains, openNft } from './nft.ts';

it('forwardChains finds the base chains for forwarding, with their policies', () => {
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
  expect(forwardChains(listing)).toEqual([
    { name: 'ip filter FORWARD', isDropping: true },
    { name: 'inet fine forward', isDropping: false },
  ]);
});

it.each([
  [true, 'reject with icmpx admin-prohibited'],
  [true, 'counter packets 3 bytes 252 drop'],
  [false, 'ct state invalid drop'],
  [false, 'jump filter_FORWARD_POLICIES_post'],
])('endsInRefusal is %s for a chain whose last rule is "%s"', (expected, rule) => {
  const listing = `table inet firewalld {
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
		ct state { established, related } accept
		${rule}
	}
}
`;
  expect(endsInRefusal(listing)).toBe(expected);
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
