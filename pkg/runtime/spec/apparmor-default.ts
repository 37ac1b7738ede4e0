/** The profile that a container gets which asks for the runtime's own, or for none. */
export const defaultAppArmorProfile = 'gantry-default';

/**
 * The text of that profile, in the language of apparmor.d(5). What namespaces and capabilities confine
 * already is allowed; denied is what reaches the node through /proc and /sys, also where a container
 * could mount them anew, and what other processes could be reached by.
 */
export const defaultAppArmorText = `
profile ${defaultAppArmorProfile} flags=(attach_disconnected, mediate_deleted) {
  network,
  capability,
  file,
  umount,
  deny mount,

  # Signals come from the daemon and from the OCI runtime, which some distributions confine by name.
  signal (receive) peer=unconfined,
  signal (receive) peer=crun,
  signal (receive) peer=runc,
  signal (send, receive) peer=${defaultAppArmorProfile},
  ptrace (trace, read, tracedby, readby) peer=${defaultAppArmorProfile},

  # Of /proc, processes are theirs to write, and nothing else: all names that begin with neither a digit,
  # "se" (self) nor "th" (thread-self).
  deny /proc/[^0-9st]** wkl,
  deny /proc/s[^e]** wkl,
  deny /proc/t[^h]** wkl,
  deny /proc/kcore r,

  # Of /sys, nothing but /sys/fs/cgroup.
  deny /sys/[^f]** wkl,
  deny /sys/f[^s]** wkl,
  deny /sys/fs/[^c]** wkl,
  deny /sys/fs/c[^g]** wkl,
  deny /sys/firmware/** r,
  deny /sys/kernel/security/** r,
  deny /sys/devices/virtual/powercap/** r,
}
`;
