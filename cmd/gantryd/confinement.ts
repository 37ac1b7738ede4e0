import { describe } from '#errors/fault.ts';
import {
  hasAppArmor,
  hasSelinux,
  loadAppArmorProfile,
  loadedAppArmorProfiles,
} from '#linux/lsm.ts';
import { programPath } from '#linux/program.ts';
import type { Log } from '#log/log.ts';
import { defaultAppArmorText } from '#runtime/spec/apparmor-default.ts';
import type { NodeConfinement } from '#runtime/spec/confinement.ts';
import { requireProgram } from './programs.ts';

/**
 * What this node confines containers by. Where it has AppArmor, the default profile is loaded, in the
 * place of that of an earlier version.
 */
export async function openConfinement(log: Log): Promise<NodeConfinement> {
  const node = {
    hasAppArmor: hasAppArmor(),
    hasSelinux: hasSelinux(),
    loadedProfiles: loadedAppArmorProfiles,
    loadDefaultProfile: async () =>
      loadAppArmorProfile(
        requireProgram('apparmor_parser', programPath, 'AppArmor'),
        defaultAppArmorText,
      ),
  };
  if (!node.hasAppArmor) return node;
  await node.loadDefaultProfile().catch((error: unknown) => {
    const without = 'containers that name no AppArmor profile run without one';
    log.warn({ error: describe(error) }, without);
  });
  return node;
}
