import {
  aligned,
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  textOf,
} from './attribute.ts';

/** What to ask of the kernel: one of rtnetlink(7)'s messages. */
export type Request = {
  /** What it is for, as it shall stand in an error: `new link "eth0"`. */
  readonly act: string;
  readonly type: number;
  /** Some of `requestFlags`, besides those that every request carries. */
  readonly flags: number;
  /** The fixed structure of the type: ifinfomsg, ifaddrmsg, rtmsg. */
  readonly fixed: Buffer;
  readonly attributes: readonly Attribute[];
};

/** What the kernel answered to the request with the same sequence number. */
export type Answer = { readonly sequence: number } &
  /** `isStale`: the kernel's list changed while it was read, and may lack something. */
  (
    | { readonly kind: 'object'; readonly body: Buffer; readonly isStale: boolean }
    | { readonly kind: 'end'; readonly errno: number; readonly reason: string | undefined }
  );

/** Flags of requests; see netlink(7). */
export const requestFlags = {
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  dump: 0x300,
} as const;

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSGERR_ATTR_MSG = 1;

const headerBytes = 16;

/**
 * The requests as they go over the socket, with sequence numbers from `first` on. The kernel answers a
 * refused one with the error; of the others only the last is acknowledged, which ends the answers.
 */
export function encodeRequests(requests: readonly Request[], first: number): Buffer {
  const last = requests.length - 1;
  const messages = requests.map((request, index) =>
    encodeRequest(request, first + index, index === last ? NLM_F_ACK : 0),
  );
  return Buffer.concat(messages);
}

function encodeRequest(request: Request, sequence: number, acknowledge: number): Buffer {
  const { type, flags, fixed, attributes } = request;
  const header = Buffer.alloc(headerBytes);
  const message = Buffer.concat([header, fixed, encodeAttributes(attributes)]);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(flags | NLM_F_REQUEST | acknowledge, 6);
  message.writeUInt32LE(sequence, 8);
  return message;
}

/** The answers in one datagram. Their bodies are views into it. */
export function decodeAnswers(datagram: Buffer): Answer[] {
  const answers: Answer[] = [];
  for (let at = 0; at + headerBytes <= datagram.length;) {
    const length = datagram.readUInt32LE(at);
    if (length < headerBytes) break;
    answers.push(decodeAnswer(datagram.subarray(at, at + length)));
    at += aligned(length);
  }
  return answers;
}

function decodeAnswer(message: Buffer): Answer {
  const type = message.readUInt16LE(4);
  const flags = message.readUInt16LE(6);
  const sequence = message.readUInt32LE(8);
  const body = message.subarray(headerBytes);
  if (type === NLMSG_ERROR) {
    return {
      kind: 'end',
      sequence,
      errno: Math.abs(body.readInt32LE(0)),
      reason: reasonIn(body.subarray(4 + echoedBytes(body, flags)), flags),
    };
  }
  // The end of a dump carries the error that cut it short, if any.
  if (type === NLMSG_DONE) {
    const errno = body.length >= 4 ? Math.abs(body.readInt32LE(0)) : 0;
    return { kind: 'end', sequence, errno, reason: reasonIn(body.subarray(4), flags) };
  }
  return { kind: 'object', sequence, body, isStale: (flags & NLM_F_DUMP_INTR) !== 0 };
}

/** Behind the error number comes the request that it is about, perhaps only its header. */
function echoedBytes(body: Buffer, flags: number): number {
  return aligned((flags & NLM_F_CAPPED) === 0 ? body.readUInt32LE(4) : headerBytes);
}

/** The kernel's own words: its extended acknowledgement. */
function reasonIn(attributes: Buffer, flags: number): string | undefined {
  if ((flags & NLM_F_ACK_TLVS) === 0) return undefined;
  return textOf(decodeAttributes(attributes).get(NLMSGERR_ATTR_MSG));
}
