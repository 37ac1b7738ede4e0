/**
 * The system calls of the RuntimeDefault profile: those that containerd 2.3 allows. What
 * it leaves out is refused: io_uring_*, keyrings, userfaultfd, kexec, swap, and all that later
 * kernels bring. A name that libseccomp does not know on this machine is passed over.
 */

type NamesBy<Key extends string> = Readonly<Partial<Record<Key, readonly string[]>>>;

const bySubject = {
  fileTree: `
    access chdir chmod chown chown32 creat faccessat faccessat2 fchdir fchmod fchmodat fchmodat2
    fchown fchown32 fchownat fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getcwd getdents
    getdents64 lchown lchown32 link linkat listmount lstat lstat64 mkdir mkdirat mknod mknodat
    name_to_handle_at newfstatat open openat openat2 readlink readlinkat rename renameat renameat2
    rmdir stat stat64 statfs statfs64 statmount statx symlink symlinkat truncate truncate64 umask
    unlink unlinkat utime utimensat utimensat_time64 utimes`,
  extendedAttributes: `
    fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat
    llistxattr lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat`,
  openFiles: `
    _llseek cachestat close close_range copy_file_range dup dup2 dup3 fadvise64 fadvise64_64
    fallocate fcntl fcntl64 fdatasync flock fsync ftruncate ftruncate64 io_cancel io_destroy
    io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl lseek pipe pipe2
    pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv sendfile sendfile64 splice
    sync sync_file_range syncfs tee vmsplice write writev`,
  events: `
    _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2
    epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch poll ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd
    signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64`,
  sockets: `
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
    recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`,
  memory: `
    brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
    mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect
    process_mrelease remap_file_pages`,
  interProcess: `
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
    semtimedop_time64 shmat shmctl shmdt shmget`,
  processes: `
    execve execveat exit exit_group fork getpgid getpgrp getpid getppid getsid gettid pidfd_open
    setpgid setsid vfork wait4 waitid waitpid`,
  // Harmless since Linux 4.8, where a filter also judges the call that a tracer has put in place.
  tracing: 'process_vm_readv process_vm_writev ptrace',
  threads: `
    futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list
    get_thread_area membarrier rseq set_robust_list set_thread_area set_tid_address`,
  signals: `
    kill pause pidfd_send_signal restart_syscall rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn tgkill tkill`,
  scheduling: `
    getcpu getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
    sched_setparam sched_setscheduler sched_yield setpriority setrlimit ugetrlimit`,
  time: `
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep
    setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64 times`,
  users: `
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32
    getresuid getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32
    setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setuid setuid32`,
  rights: `
    capget capset landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_get_self_attr
    lsm_list_modules lsm_set_self_attr prctl seccomp`,
  system: 'getrandom sysinfo uname uretprobe',
};

/** Allowed in every container, whatever the arguments. */
export const alwaysAllowed: readonly string[] = Object.values(bySubject).flatMap(words);

/** Allowed as well in a container whose bounding set has the capability. */
export const allowedByCapability: NamesBy<string> = {
  CAP_BPF: ['bpf'],
  CAP_DAC_READ_SEARCH: ['open_by_handle_at'],
  CAP_PERFMON: ['perf_event_open'],
  CAP_SYSLOG: ['syslog'],
  CAP_SYS_ADMIN: words(`
    bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr
    move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog
    umount umount2 unshare`),
  CAP_SYS_BOOT: ['reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: ['delete_module', 'finit_module', 'init_module'],
  CAP_SYS_NICE: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise'],
  CAP_SYS_RAWIO: ['ioperm', 'iopl'],
  CAP_SYS_TIME: ['clock_settime', 'clock_settime64', 'settimeofday', 'stime'],
  CAP_SYS_TTY_CONFIG: ['vhangup'],
};

/** Allowed as well on machines of this kind. */
export const allowedByArchitecture: NamesBy<NodeJS.Architecture> = {
  arm64: words(
    'arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2',
  ),
  x64: ['arch_prctl', 'modify_ldt'],
};

/** The kernel's own architecture and those whose programs it runs too. */
export const architectures: NamesBy<NodeJS.Architecture> = {
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
