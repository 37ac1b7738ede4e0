import {
  type ContainerStatus,
  type ContainerStatusRequest,
  type ContainerStatusResponse,
  type Mount,
  MountPropagation,
} from '#api/cri/v1/types.ts';
import { Fault } from '#errors/fault.ts';
import type { Container, ContainerMount } from '#runtime/container/container.ts';
import type { Engine } from '#runtime/engine.ts';
import type { ServerDeps } from '#server/deps.ts';
import { required } from '#server/required.ts';
import { resourcesMessage } from '#server/resources-message.ts';
import { mappingMessage } from '#server/user-namespace.ts';
import { signalValue } from '#server/signal.ts';
import { imageSpec, stateOf } from './container-message.ts';

/** Answered from memory: no lock is taken and nothing is waited for. */
export function containerStatus(
  { engine }: ServerDeps,
  request: ContainerStatusRequest,
): Partial<ContainerStatusResponse> {
  const container = engine.containers.get(required(request.containerId, 'container_id'));
  if (container.state.kind === 'creating')
    throw new Fault('not-found', `no container "${request.containerId}"`);
  return {
    status: containerStatusMessage(container),
    info: request.verbose ? { info: JSON.stringify(verboseInfo(engine, container)) } : {},
  };
}

export function containerStatusMessage(container: Container): ContainerStatus {
  const { id, config, createdAt, image, logPath, user } = container;
  const { metadata, labels, annotations, mounts } = config;
  return {
    id,
    metadata,
    state: stateOf(container),
    createdAt,
    ...lifeOf(container),
    image: { ...imageSpec(container), image: image.name },
    imageRef: image.ref,
    imageId: image.id,
    labels,
    annotations,
    mounts: [...mounts.map(mountMessage), ...volumeMessages(container)],
    logPath,
    resources: { linux: resourcesMessage(container.resources), windows: null },
    user:
      user === undefined
        ? null
        : { linux: { uid: user.uid, gid: user.gid, supplementalGroups: [...user.additionalGids] } },
    stopSignal: signalValue(container.stopSignal),
  };
}

/** Zero for times that have not come. */
function lifeOf({
  state,
}: Container): Pick<
  ContainerStatus,
  'startedAt' | 'finishedAt' | 'exitCode' | 'reason' | 'message'
> {
  const nothing = { startedAt: 0, finishedAt: 0, exitCode: 0, reason: '', message: '' };
  if (state.kind === 'running') return { ...nothing, startedAt: state.startedAt };
  if (state.kind !== 'exited') return nothing;
  const { finishedAt, exitCode, reason, message } = state;
  return { startedAt: state.startedAt ?? 0, finishedAt, exitCode, reason, message };
}

function mountMessage(mount: ContainerMount): Mount {
  const propagations = {
    private: MountPropagation.PROPAGATION_PRIVATE,
    'host-to-container': MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
    bidirectional: MountPropagation.PROPAGATION_BIDIRECTIONAL,
  };
  const { containerPath, hostPath, readonly, recursiveReadOnly, propagation, mapping } = mount;
  const mappings = mapping === undefined ? [] : [mappingMessage(mapping)];
  return {
    containerPath,
    hostPath,
    readonly,
    recursiveReadOnly,
    propagation: propagations[propagation],
    selinuxRelabel: false,
    uidMappings: mappings,
    gidMappings: mappings,
    image: null,
    imageSubPath: '',
  };
}

function volumeMessages({ config, imageRefs = [] }: Container): Mount[] {
  return config.imageVolumes.map(({ containerPath, image, subPath, recursiveReadOnly }, index) => ({
    containerPath,
    hostPath: '',
    readonly: true,
    recursiveReadOnly,
    propagation: MountPropagation.PROPAGATION_PRIVATE,
    selinuxRelabel: false,
    uidMappings: [],
    gidMappings: [],
    image: {
      image: imageRefs[index] ?? image,
      userSpecifiedImage: '',
      annotations: {},
      runtimeHandler: '',
      imageRef: '',
    },
    imageSubPath: subPath,
  }));
}

function verboseInfo(engine: Engine, container: Container): object {
  const { state } = container;
  return {
    container,
    sandboxID: container.sandboxId,
    pid: state.kind === 'running' ? state.process.pid : 0,
    bundle: engine.layout.container(container.id).folder,
  };
}
