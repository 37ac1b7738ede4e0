import { closeSync } from 'node:fs';
import { SyscallError } from '#errors/fault.ts';
import { check, errorName, recv, send, setsockopt, socket } from '#linux/libc.ts';
import { type Answer, decodeAnswers, encodeRequests, type Request } from './message.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x8_0000;
/** What is at the other end: rtnetlink(7), sock_diag(7), or netfilter's own. */
const protocols = { route: 0, sockDiag: 4, netfilter: 12 } as const;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;

/** No datagram of a dump is longer: linux/net/netlink/af_netlink.c, netlink_dump(). */
const maxDatagramBytes = 32 * 1024;

/**
 * A connection to the kernel's network configuration, in the network namespace in which the calling
 * thread is when it opens; afterwards it serves from anywhere. Calls block for as long as the kernel
 * takes. See netlink(7).
 */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #received = Buffer.allocUnsafeSlow(maxDatagramBytes);
  #lastSequence = 0;

  constructor(protocol: keyof typeof protocols = 'route') {
    const fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocols[protocol]);
    this.#fd = check(fd, 'socket', 'netlink');
    const on = Buffer.of(1, 0, 0, 0);
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) {
      check(setsockopt(this.#fd, SOL_NETLINK, option, on, on.length), 'setsockopt', 'netlink');
    }
  }

  /**
   * Sends the requests in one datagram, and returns the objects in the answers to all of them. The
   * kernel carries them out in order and goes on after one that it refuses. The first refusal is
   * thrown, as a SyscallError with the act and the kernel's reason.
   */
  request(...requests: readonly Request[]): Buffer[] {
    const first = this.#lastSequence + 1;
    this.#lastSequence += requests.length;
    const datagram = encodeRequests(requests, first);
    check(send(this.#fd, datagram, datagram.length, 0), 'send', 'netlink');

    const answers = this.#receiveUntil(this.#lastSequence);
    for (const answer of answers) {
      if (answer.kind !== 'end' || answer.errno === 0) continue;
      throw refusal(answer, requests[answer.sequence - first]);
    }
    // A list that changed while it was read is read again.
    if (answers.some((answer) => answer.kind === 'object' && answer.isStale)) {
      return this.request(...requests);
    }
    return answers.flatMap((answer) => (answer.kind === 'object' ? [answer.body] : []));
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #receiveUntil(lastSequence: number): Answer[] {
    const answers: Answer[] = [];
    for (;;) {
      const length = check(
        recv(this.#fd, this.#received, this.#received.length, 0),
        'recv',
        'netlink',
      );
      answers.push(...decodeAnswers(Buffer.from(this.#received.subarray(0, length))));
      const last = answers.at(-1);
      if (last?.kind === 'end' && last.sequence === lastSequence) return answers;
    }
  }
}

function refusal(answer: Answer & { kind: 'end' }, request: Request | undefined): SyscallError {
  const detail = [request?.act, answer.reason].filter((part) => part !== undefined).join(': ');
  return new SyscallError('netlink', errorName(answer.errno), detail);
}
