import type { ImageService, RuntimeService } from '#api/cri/v1/types.ts';
import type { ServerDeps } from './deps.ts';
import type { EncodedMessage } from './encoded-list.ts';
import { imageFsInfo } from './image-service/image-fs-info.ts';
import { imageStatus } from './image-service/image-status.ts';
import { listImages, streamImages } from './image-service/list-images.ts';
import { pullImage } from './image-service/pull-image.ts';
import { removeImage } from './image-service/remove-image.ts';
import { attach } from './runtime-service/attach.ts';
import { containerStats } from './runtime-service/container-stats.ts';
import { containerStatus } from './runtime-service/container-status.ts';
import { createContainer } from './runtime-service/create-container.ts';
import { exec } from './runtime-service/exec.ts';
import { execSync } from './runtime-service/exec-sync.ts';
import {
  listContainerStats,
  streamContainerStats,
} from './runtime-service/list-container-stats.ts';
import { getContainerEvents } from './runtime-service/get-container-events.ts';
import { listContainers, streamContainers } from './runtime-service/list-containers.ts';
import { listMetricDescriptors } from './runtime-service/list-metric-descriptors.ts';
import { listPodSandbox, streamPodSandboxes } from './runtime-service/list-pod-sandbox.ts';
import {
  listPodSandboxMetrics,
  streamPodSandboxMetrics,
} from './runtime-service/list-pod-sandbox-metrics.ts';
import {
  listPodSandboxStats,
  streamPodSandboxStats,
} from './runtime-service/list-pod-sandbox-stats.ts';
import { podSandboxStats } from './runtime-service/pod-sandbox-stats.ts';
import { podSandboxStatus } from './runtime-service/pod-sandbox-status.ts';
import { portForward } from './runtime-service/port-forward.ts';
import { removeContainer } from './runtime-service/remove-container.ts';
import { removePodSandbox } from './runtime-service/remove-pod-sandbox.ts';
import { reopenContainerLog } from './runtime-service/reopen-container-log.ts';
import { runPodSandbox } from './runtime-service/run-pod-sandbox.ts';
import { runtimeConfig } from './runtime-service/runtime-config.ts';
import { startContainer } from './runtime-service/start-container.ts';
import { status } from './runtime-service/status.ts';
import { stopContainer } from './runtime-service/stop-container.ts';
import { stopPodSandbox } from './runtime-service/stop-pod-sandbox.ts';
import { updateContainerResources } from './runtime-service/update-container-resources.ts';
import { updatePodSandboxResources } from './runtime-service/update-pod-sandbox-resources.ts';
import { version } from './runtime-service/version.ts';

type Rpc = {
  readonly kind: 'unary' | 'stream';
  readonly request: object;
  readonly response: object;
};

/** A response may leave out what is at its default, or be encoded already. */
type Answer<Method extends Rpc> = Partial<Method['response']> | EncodedMessage;

/** The implementation of an RPC; see unary.ts and streaming.ts. */
type Implementation<Method extends Rpc> = Method['kind'] extends 'stream'
  ? (
      deps: ServerDeps,
      request: Method['request'],
      stop: AbortController,
    ) => AsyncIterable<Answer<Method>>
  : (
      deps: ServerDeps,
      request: Method['request'],
      signal: AbortSignal,
    ) => Promise<Answer<Method>> | Answer<Method>;

/** Some of a service's RPCs; the others answer UNIMPLEMENTED. */
type Implementations<Service extends Record<keyof Service, Rpc>> = {
  readonly [Name in keyof Service]?: Implementation<Service[Name]>;
};

export const runtimeService: Implementations<RuntimeService> = {
  Version: version,
  Status: status,
  RuntimeConfig: runtimeConfig,
  RunPodSandbox: runPodSandbox,
  StopPodSandbox: stopPodSandbox,
  RemovePodSandbox: removePodSandbox,
  PodSandboxStatus: podSandboxStatus,
  ListPodSandbox: listPodSandbox,
  StreamPodSandboxes: streamPodSandboxes,
  CreateContainer: createContainer,
  StartContainer: startContainer,
  StopContainer: stopContainer,
  RemoveContainer: removeContainer,
  ContainerStatus: containerStatus,
  ListContainers: listContainers,
  StreamContainers: streamContainers,
  GetContainerEvents: getContainerEvents,
  ListMetricDescriptors: listMetricDescriptors,
  ListPodSandboxMetrics: listPodSandboxMetrics,
  StreamPodSandboxMetrics: streamPodSandboxMetrics,
  ContainerStats: containerStats,
  ListContainerStats: listContainerStats,
  StreamContainerStats: streamContainerStats,
  PodSandboxStats: podSandboxStats,
  ListPodSandboxStats: listPodSandboxStats,
  StreamPodSandboxStats: streamPodSandboxStats,
  UpdateContainerResources: updateContainerResources,
  UpdatePodSandboxResources: updatePodSandboxResources,
  ReopenContainerLog: reopenContainerLog,
  ExecSync: execSync,
  Exec: exec,
  Attach: attach,
  PortForward: portForward,
  // kubelet tells the node's pod CIDR; the built-in network's is in the configuration.
  UpdateRuntimeConfig: () => ({}),
};

export const imageService: Implementations<ImageService> = {
  PullImage: pullImage,
  ListImages: listImages,
  StreamImages: streamImages,
  ImageStatus: imageStatus,
  RemoveImage: removeImage,
  ImageFsInfo: imageFsInfo,
};
