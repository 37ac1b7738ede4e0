/** A pod to be connected, with all that plugins may be told of it. */
export type CniPod = {
  readonly id: string;
  /** Where its network namespace is pinned. */
  readonly netnsPath: string;
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly dns?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly portMappings: readonly {
    readonly protocol: string;
    readonly containerPort: number;
    /** 0 asks for none. */
    readonly hostPort: number;
    readonly hostIp: string;
  }[];
  readonly cgroupPath: string;
};
