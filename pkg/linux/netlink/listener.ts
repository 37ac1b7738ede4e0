import { isErrno } from '#errors/fault.ts';
import { decodeAttributes } from './attribute.ts';
import { type IpProtocol, protocolNumbers } from './conntrack.ts';
import { addressFamilies, ipText } from './ip.ts';
import { requestFlags } from './message.ts';
import { NetlinkSocket } from './socket.ts';

/** A socket that waits for whoever comes to its port. */
export type Listener = {
  /** `0.0.0.0` or `::` for all addresses. */
  readonly address: string;
  /** Whether `::` stands for IPv4 as well. */
  readonly isDual: boolean;
  /** Under which /proc/<pid>/fd shows it, as in `socket:[1234]`. */
  readonly inode: number;
};

// sock_diag(7), <linux/inet_diag.h>
const SOCK_DIAG_BY_FAMILY = 20;
const INET_DIAG_SKV6ONLY = 11;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;
/** struct inet_diag_req_v2 and struct inet_diag_msg */
const requestBytes = 56;
const answerBytes = 72;

/** The sockets in the calling thread's network namespace that wait on `port`, of both families. */
export function listListeners(protocol: IpProtocol, port: number): Listener[] {
  using socket = new NetlinkSocket('sockDiag');
  return ([4, 6] as const).flatMap((family) => {
    try {
      const bodies = socket.request({
        act: `list ${protocol} sockets`,
        type: SOCK_DIAG_BY_FAMILY,
        flags: requestFlags.dump,
        fixed: diagRequest(addressFamilies[family], protocol, port),
        attributes: [],
      });
      // Kernels differ in whether they look at the port.
      return bodies.filter((body) => body.readUInt16BE(4) === port).map(decodeListener);
    } catch (error) {
      // A protocol that this kernel has not, or has not loaded: nobody can listen.
      if (isErrno(error, 'ENOENT', 'EINVAL', 'EOPNOTSUPP')) return [];
      throw error;
    }
  });
}

function diagRequest(family: number, protocol: IpProtocol, port: number): Buffer {
  const request = Buffer.alloc(requestBytes);
  request.writeUInt8(family, 0);
  request.writeUInt8(protocolNumbers[protocol], 1);
  // A UDP socket that is connected to somebody takes nobody else's packets.
  request.writeUInt32LE(1 << (protocol === 'udp' ? TCP_CLOSE : TCP_LISTEN), 4);
  request.writeUInt16BE(port, 8);
  return request;
}

function decodeListener(body: Buffer): Listener {
  const isIpv4 = body.readUInt8(0) === addressFamilies[4];
  const attributes = decodeAttributes(body.subarray(answerBytes));
  return {
    address: ipText(body.subarray(8, isIpv4 ? 12 : 24)),
    isDual: !isIpv4 && attributes.get(INET_DIAG_SKV6ONLY)?.readUInt8() === 0,
    inode: body.readUInt32LE(68),
  };
}
