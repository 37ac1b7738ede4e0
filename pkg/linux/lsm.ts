import { existsSync, readFileSync } from 'node:fs';

/** Whether the kernel confines by AppArmor profiles. */
export function hasAppArmor(): boolean {
  return readIfThere('/sys/module/apparmor/parameters/enabled').startsWith('Y');
}

/** The names of the AppArmor profiles that the kernel has loaded (apparmor(7)). */
export function loadedAppArmorProfiles(): ReadonlySet<string> {
  const lines = readIfThere('/sys/kernel/security/apparmor/profiles').split('\n');
  return new Set(lines.map((line) => line.replace(/ \(\w+\)$/, '')).filter((name) => name !== ''));
}

/** Whether the kernel enforces, or reports on, SELinux labels (selinux(8)). */
export function hasSelinux(): boolean {
  return existsSync('/sys/fs/selinux/enforce');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
