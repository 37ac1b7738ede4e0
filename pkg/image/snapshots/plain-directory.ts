import { chmod, mkdir } from 'node:fs/promises';

/** Makes an empty directory, root's, 0755. Not by the umask: it becomes the root of containers. */
export async function makePlainDirectory(directory: string): Promise<void> {
  await mkdir(directory);
  await chmod(directory, 0o755);
}
