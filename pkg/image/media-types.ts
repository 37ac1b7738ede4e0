/** Of the documents that a reference can name, in OCI's and Docker's form. */
export const mediaTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;
