import koffi from 'koffi';
import { SyscallError } from '#errors/fault.ts';

/**
 * The one file that knows koffi. Each function here has the C prototype's own name and arguments and
 * returns what libc returns; the files beside it give them types of ours and turn -1 into an error.
 * Calls run on the calling thread and block it, as the kernel does.
 */
const libc = koffi.load(null);

export function declare<Args extends readonly unknown[], Result = number>(
  prototype: string,
): (...args: Args) => Result {
  return libc.func(prototype) as (...args: Args) => Result;
}

/** For system calls that older C libraries have no function for. */
function declareSyscall<Args extends readonly unknown[]>(
  number: number,
  parameters: string,
): (...args: Args) => number {
  const call = declare<[number, ...Args]>(`long syscall(long number, ${parameters})`);
  return (...args) => call(number, ...args);
}

type Path = string | Buffer;

export const mount = declare<[Path | null, Path, string | null, bigint | number, string | null]>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
export const umount2 = declare<[Path, number]>('int umount2(const char *target, int flags)');
// These numbers are the same on every architecture: all system calls since Linux 5.0 are.
export const moveMount = declareSyscall<[number, string, number, Path, number]>(
  429,
  'int fromFd, const char *from, int toFd, const char *to, uint32_t flags',
);
export const openTree = declareSyscall<[number, string, number]>(
  428,
  'int dirfd, const char *path, uint32_t flags',
);
export const fsopen = declareSyscall<[string, number]>(430, 'const char *type, uint32_t flags');
export const fsconfig = declareSyscall<[number, number, string | null, string | null, number]>(
  431,
  'int fd, uint32_t command, const char *key, const char *value, int aux',
);
export const fsmount = declareSyscall<[number, number, number]>(
  432,
  'int fd, uint32_t flags, uint32_t attributes',
);
export const mountSetattr = declareSyscall<[number, Path, number, BigUint64Array, number]>(
  442,
  'int fd, const char *path, uint32_t flags, const void *attributes, size_t size',
);
export const pidfdSendSignal = declareSyscall<[number, number, null, number]>(
  424,
  'int pidfd, int signal, const void *info, uint32_t flags',
);
export const pidfdOpen = declareSyscall<[number, number]>(434, 'int pid, uint32_t flags');
export const prlimit = declare<[number, number, BigUint64Array | null, BigUint64Array | null]>(
  'int prlimit(int pid, int resource, const void *wanted, void *old)',
);
export const openat2 = declareSyscall<[number, Path, BigUint64Array, number]>(
  437,
  'int dirfd, const char *path, const void *how, size_t size',
);
/** mknodat(2), which has no symbol of its own in C libraries before glibc 2.33. */
export const mknodat = declareSyscall<[number, Path, number, number]>(
  process.arch === 'arm64' ? 33 : 259,
  'int dirfd, const char *path, uint32_t mode, uint32_t device',
);
export const openat = declare<[number, Path, number, number]>(
  'int openat(int dirfd, const char *path, int flags, uint32_t mode)',
);
/** For what was opened here: Node complains about descriptors that it did not open itself. */
export const close = declare<[number]>('int close(int fd)');
export const mkdirat = declare<[number, Path, number]>(
  'int mkdirat(int dirfd, const char *path, uint32_t mode)',
);
export const linkat = declare<[number, Path, number, Path, number]>(
  'int linkat(int fromFd, const char *from, int toFd, const char *to, int flags)',
);
export const symlinkat = declare<[Path, number, Path]>(
  'int symlinkat(const char *target, int dirfd, const char *path)',
);
export const fchownat = declare<[number, Path, number, number, number]>(
  'int fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, int flags)',
);
export const fchmodat = declare<[number, Path, number, number]>(
  'int fchmodat(int dirfd, const char *path, uint32_t mode, int flags)',
);
export const utimensat = declare<[number, Path | null, BigInt64Array, number]>(
  'int utimensat(int dirfd, const char *path, const void *times, int flags)',
);
export const lsetxattr = declare<[Path, Path, Buffer, number, number]>(
  'int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
);
export const llistxattr = declare<[Path, Buffer, number]>(
  'long llistxattr(const char *path, _Out_ void *list, size_t size)',
);
export const lgetxattr = declare<[Path, Path, Buffer, number]>(
  'long lgetxattr(const char *path, const char *name, _Out_ void *value, size_t size)',
);
export const lremovexattr = declare<[Path, Path]>(
  'int lremovexattr(const char *path, const char *name)',
);
export const umask = declare<[number]>('uint32_t umask(uint32_t mask)');
/** For the requests that take a pointer. */
export const ioctl = declare<[number, number, Buffer]>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);
export const syncfs = declare<[number]>('int syncfs(int fd)');
export const unshare = declare<[number]>('int unshare(int flags)');
export const setns = declare<[number, number]>('int setns(int fd, int nstype)');
export const sethostname = declare<[string, number]>(
  'int sethostname(const char *name, size_t len)',
);
export const socket = declare<[number, number, number]>(
  'int socket(int domain, int type, int protocol)',
);
export const bind = declare<[number, Buffer, number]>(
  'int bind(int fd, const void *address, uint32_t length)',
);
export const send = declare<[number, Buffer, number, number]>(
  'long send(int fd, const void *buffer, size_t length, int flags)',
);
export const sendto = declare<[number, Buffer, number, number, Buffer, number]>(
  'long sendto(int fd, const void *buffer, size_t length, int flags, const void *address, uint32_t addressLength)',
);
export const recv = declare<[number, Buffer, number, number]>(
  'long recv(int fd, _Out_ void *buffer, size_t length, int flags)',
);
export const connect = declare<[number, Buffer, number]>(
  'int connect(int fd, const void *address, uint32_t length)',
);
export const shutdown = declare<[number, number]>('int shutdown(int fd, int how)');
export const poll = declare<[Buffer, number, number]>(
  'int poll(void *descriptors, unsigned long count, int timeout)',
);
/** For descriptors whose EAGAIN is an answer: Node makes an exception of it. */
export const read = declare<[number, Buffer, number]>(
  'long read(int fd, void *buffer, size_t length)',
);
export const write = declare<[number, Buffer, number]>(
  'long write(int fd, const void *buffer, size_t length)',
);
export const madvise = declare<[bigint, bigint, number]>(
  'int madvise(uintptr_t address, size_t length, int advice)',
);
export const flock = declare<[number, number]>('int flock(int fd, int operation)');
export const setsockopt = declare<[number, number, number, Buffer, number]>(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
);

/**
 * Gives memory that was freed back to the system, from another thread: malloc_trim(3). C libraries
 * without it keep less.
 */
export function trimMemory(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  try {
    libc.func('int malloc_trim(size_t pad)').async(0, () => resolve());
  } catch {
    resolve();
  }
  return promise;
}

export const pipe2 = declare<[Int32Array, number]>('int pipe2(_Out_ int *fds, int flags)');
export const memfdCreate = declare<[string, number]>(
  'int memfd_create(const char *name, unsigned int flags)',
);
export const waitpid = declare<[number, Int32Array, number]>(
  'int waitpid(int pid, _Out_ int *status, int options)',
);
// The posix_spawn(3) family returns the error number itself. The opaque structures are Buffers.
export const posixSpawn = declare<
  [Int32Array, string, Buffer, Buffer, readonly (string | null)[], readonly (string | null)[]]
>(
  'int posix_spawn(_Out_ int *pid, const char *path, const void *actions, const void *attributes, const char **argv, const char **envp)',
);
export const spawnActionsInit = declare<[Buffer]>(
  'int posix_spawn_file_actions_init(void *actions)',
);
export const spawnActionsDestroy = declare<[Buffer]>(
  'int posix_spawn_file_actions_destroy(void *actions)',
);
export const spawnActionsDup2 = declare<[Buffer, number, number]>(
  'int posix_spawn_file_actions_adddup2(void *actions, int fd, int to)',
);
export const spawnActionsOpen = declare<[Buffer, number, string, number, number]>(
  'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, uint32_t mode)',
);
export const spawnActionsCloseFrom = declare<[Buffer, number]>(
  'int posix_spawn_file_actions_addclosefrom_np(void *actions, int from)',
);
export const spawnActionsChdir = declare<[Buffer, string]>(
  'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
);
export const spawnAttributesInit = declare<[Buffer]>('int posix_spawnattr_init(void *attributes)');
export const spawnAttributesSetFlags = declare<[Buffer, number]>(
  'int posix_spawnattr_setflags(void *attributes, short flags)',
);
export const spawnAttributesSetDefault = declare<[Buffer, Buffer]>(
  'int posix_spawnattr_setsigdefault(void *attributes, const void *signals)',
);
export const spawnAttributesSetMask = declare<[Buffer, Buffer]>(
  'int posix_spawnattr_setsigmask(void *attributes, const void *signals)',
);

/** The symbolic error number of the last failed call on this thread, such as `ENOENT`. */
export function lastError(): string {
  return errorName(koffi.errno());
}

/** The symbolic name of an error number that the kernel gave in a message. */
export function errorName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}

// EWOULDBLOCK is another name of EAGAIN.
const errnoNames = new Map(
  Object.entries(koffi.os.errno)
    .filter(([name]) => name !== 'EWOULDBLOCK')
    .map(([name, number]) => [number, name]),
);

/** `result` unless it says failure; then an error with the call's name, subject and error number. */
export function check(result: number, syscall: string, detail: string): number {
  if (result < 0) throw new SyscallError(syscall, lastError(), detail);
  return result;
}
