import { closeSync, constants, openSync, type Stats, statSync, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { isErrno } from '#errors/fault.ts';
import { check, ioctl } from './libc.ts';

/** In characters. */
export type TerminalSize = { readonly columns: number; readonly rows: number };

/** A new terminal: pty(7). Closes with the scope, which hangs up on those who have it as theirs. */
export type Pty = Disposable & {
  /** The terminal's own path, to be opened by the program that shall have it. */
  readonly path: string;
  /** What is written to the terminal. It ends when nobody has the terminal open any more. */
  readonly output: ReadStream;
  /** What is typed. */
  readonly input: Writable;
  resize(size: TerminalSize): void;
};

// <asm-generic/ioctls.h>
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSWINSZ = 0x5414;
const TIOCGPTN = 0x8004_5430;
const TIOCSPTLCK = 0x4004_5431;

/** How long to wait with what the terminal has no room for. */
const retryMs = 10;

/** Opens a terminal that passes bytes on as they are: in raw mode. */
export function openPty(): Pty {
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
  const fd = openSync('/dev/ptmx', O_RDWR | O_NOCTTY | O_NONBLOCK);
  try {
    control(fd, TIOCSPTLCK, Buffer.alloc(4));
    const path = `/dev/pts/${control(fd, TIOCGPTN, Buffer.alloc(4)).readInt32LE()}`;
    makeRaw(fd);
    const output = new ReadStream(fd);
    const input = inputOf(fd, output);
    const resize = (size: TerminalSize): void => {
      if (!output.destroyed) setSize(fd, size);
    };
    return {
      path,
      output,
      input,
      resize,
      [Symbol.dispose]: () => {
        input.destroy();
        output.destroy();
      },
    };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function control(fd: number, request: number, argument: Buffer): Buffer {
  check(ioctl(fd, request, argument), 'ioctl', 'terminal');
  return argument;
}

/**
 * Resizes the terminal that a process has as its standard input, in whatever container that is, and
 * lets those on it know (SIGWINCH). Does nothing when it has none.
 */
export function resizeTerminalOf(pid: number, size: TerminalSize): void {
  const path = `/proc/${pid}/fd/0`;
  try {
    // Nothing else is opened: opening can have an effect.
    if (!isTerminal(statSync(path))) return;
    const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
    const fd = openSync(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    try {
      setSize(fd, size);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    // It has ended, or closed its input.
    if (!isErrno(error, 'ENOENT', 'ESRCH', 'ENXIO', 'EIO', 'ENOTTY')) throw error;
  }
}

/** Of the majors 136 to 143 (devices.txt): those that ptmx gives out. */
function isTerminal(stat: Stats): boolean {
  const major = (stat.rdev >> 8) & 0xfff;
  return stat.isCharacterDevice() && major >= 136 && major <= 143;
}

function setSize(fd: number, { columns, rows }: TerminalSize): void {
  // struct winsize
  control(fd, TIOCSWINSZ, Buffer.from(Uint16Array.of(rows, columns, 0, 0).buffer));
}

/** Neither echo nor line editing nor signals: cfmakeraw(3). The terminal in the container has those. */
function makeRaw(fd: number): void {
  const termios = control(fd, TCGETS, Buffer.alloc(64));
  const [inputFlags, outputFlags, localFlags] = [0, 4, 12];
  for (const offset of [inputFlags, outputFlags, localFlags]) termios.writeUInt32LE(0, offset);
  control(fd, TCSETS, termios);
}

/**
 * libuv's own writes to this end of a terminal would block the event loop while the program does not
 * read. See uv_tty_init().
 */
function inputOf(fd: number, output: ReadStream): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      const attempt = (offset: number): void => {
        // Its descriptor is closed with it.
        if (output.destroyed || this.destroyed) return done();
        try {
          const next = offset + writeSome(fd, chunk.subarray(offset));
          if (next >= chunk.length) done();
          else setTimeout(attempt, retryMs, next);
        } catch (error) {
          this.destroy(error instanceof Error ? error : undefined);
        }
      };
      attempt(0);
    },
  });
}

/** How many bytes there was room for. */
function writeSome(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return 0;
    // Nobody has the terminal any more.
    if (isErrno(error, 'EIO')) return bytes.length;
    throw error;
  }
}
