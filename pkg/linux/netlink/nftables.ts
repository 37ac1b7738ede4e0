import { isErrno } from '#errors/fault.ts';
import { text } from './attribute.ts';
import { requestFlags } from './message.ts';
import { NetlinkSocket } from './socket.ts';

// <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETRULE = 7;
const NFTA_TABLE_NAME = 1;
const NFTA_RULE_TABLE = 1;
const NFPROTO_INET = 1;

/** Whether nftables has the `inet` table of this name, in the calling thread's namespace. */
export function hasNftTable(name: string): boolean {
  using socket = new NetlinkSocket('netfilter');
  try {
    socket.request({
      act: `get nftables table "${name}"`,
      type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE,
      flags: 0,
      fixed: inetHeader(),
      attributes: [text(NFTA_TABLE_NAME, name)],
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** How many rules are in the `inet` table of this name; none when it is not there. */
export function countNftRules(name: string): number {
  using socket = new NetlinkSocket('netfilter');
  return socket.request({
    act: `list rules of nftables table "${name}"`,
    type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE,
    flags: requestFlags.dump,
    fixed: inetHeader(),
    attributes: [text(NFTA_RULE_TABLE, name)],
  }).length;
}

/** struct nfgenmsg */
function inetHeader(): Buffer {
  return Buffer.of(NFPROTO_INET, 0, 0, 0);
}
