import type { AuthConfig, PullImageRequest, PullImageResponse } from '#api/cri/v1/types.ts';
import type { Credentials } from '#image/images.ts';
import { decodePassword } from '#image/registry/credentials.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';

/** Ends with the call: an image whose pull nobody waits for is not pulled. */
export async function pullImage(
  { images }: ServerDeps,
  request: PullImageRequest,
  signal: AbortSignal,
): Promise<PullImageResponse> {
  const reference = required(required(request.image, 'image').image, 'image.image');
  const credentials = credentialsOf(request.auth);
  const image = await images.pull(
    reference,
    credentials === undefined ? {} : { credentials },
    signal,
  );
  return { imageRef: image.id };
}

/** In containerd's order; it leaves registry tokens out, too. */
function credentialsOf(auth: AuthConfig | null): Credentials | undefined {
  if (auth === null) return undefined;
  const { username, password, identityToken, serverAddress } = auth;
  if (username !== '') return { username, password, serverAddress };
  if (identityToken !== '') return { identityToken, serverAddress };
  return auth.auth === '' ? undefined : { ...decodePassword(auth.auth), serverAddress };
}
