import { ContainerState, type ImageSpec } from '#api/cri/v1/types.ts';
import type { Container } from '#runtime/container/container.ts';

const states = {
  creating: ContainerState.CONTAINER_CREATED,
  created: ContainerState.CONTAINER_CREATED,
  // What is being started does not run yet.
  starting: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  exited: ContainerState.CONTAINER_EXITED,
} as const satisfies Record<Container['state']['kind'], ContainerState>;

export function stateOf({ state }: Container): ContainerState {
  return states[state.kind];
}

/** The image as the caller named it. */
export function imageSpec({ config }: Container): ImageSpec {
  const { image, userSpecifiedImage } = config;
  return { image, userSpecifiedImage, annotations: {}, runtimeHandler: '', imageRef: '' };
}
