import { isErrno } from '#errors/fault.ts';
import { text } from './attribute.ts';
import { NetlinkSocket } from './socket.ts';

// <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;
const NFTA_TABLE_NAME = 1;
const NFPROTO_INET = 1;

/** Whether nftables has the `inet` table of this name, in the calling thread's namespace. */
export function hasNftTable(name: string): boolean {
  using socket = new NetlinkSocket('netfilter');
  try {
    socket.request({
      act: `get nftables table "${name}"`,
      type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE,
      flags: 0,
      // struct nfgenmsg
      fixed: Buffer.of(NFPROTO_INET, 0, 0, 0),
      attributes: [text(NFTA_TABLE_NAME, name)],
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}
