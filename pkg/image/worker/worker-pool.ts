import { Worker } from 'node:worker_threads';
import { Fault } from '#errors/fault.ts';
import type { Calls, Reply, Request } from './serve.ts';

export type PoolOptions = {
  readonly script: URL;
  readonly maxWorkers: number;
  /** One for synchronous work; more where a worker mostly waits. */
  readonly callsPerWorker: number;
  /** A worker costs some 10 MB, so it ends after this time without work. */
  readonly idleMs: number;
};

type Job = {
  readonly name: string;
  readonly argument: unknown;
  readonly gone: Int32Array;
  readonly promise: Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
};

type Member = {
  readonly worker: Worker;
  readonly running: Map<number, Job>;
  idle: NodeJS.Timeout | undefined;
};

/**
 * Threads that answer the calls of one script (see serve.ts), started when there is work for them.
 * A call settles only when its thread has left it alone: with the result, with the Fault that was
 * thrown, or because the thread died.
 */
export class WorkerPool<Served extends Calls> {
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  readonly #queue = new Set<Job>();
  #nextId = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Calls a function of the script. The signal tells it to stop, or takes it out of the queue. */
  async call<Name extends keyof Served & string>(
    name: Name,
    argument: Parameters<Served[Name]>[0],
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<Served[Name]>>> {
    if (this.#isClosed || signal.aborted) throw notRun();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const gone = new Int32Array(new SharedArrayBuffer(4));
    const job: Job = { name, argument, gone, promise, resolve, reject };
    const abort = (): void => this.#abort(job);
    signal.addEventListener('abort', abort);
    this.#queue.add(job);
    this.#startQueued();
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- so the script's type says
      return (await promise) as Awaited<ReturnType<Served[Name]>>;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /**
   * Tells all calls to stop, waits until they have, and ends the threads. A thread must not be ended
   * in the middle of a native call: koffi aborts the whole process then.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const running = Array.from(this.#members, (member) => [...member.running.values()]).flat();
    const jobs = [...this.#queue, ...running];
    for (const job of jobs) this.#abort(job);
    await Promise.allSettled(jobs.map(({ promise }) => promise));
    await Promise.all(Array.from(this.#members, ({ worker }) => worker.terminate()));
  }

  #abort(job: Job): void {
    if (this.#queue.delete(job)) return job.reject(notRun());
    Atomics.store(job.gone, 0, 1);
    for (const { worker, running } of this.#members) {
      for (const [id, other] of running) {
        if (other === job) worker.postMessage({ kind: 'abort', id } satisfies Request);
      }
    }
  }

  #startQueued(): void {
    for (const job of this.#queue) {
      const member = this.#freeMember();
      if (member === undefined) return;
      this.#queue.delete(job);
      this.#start(job, member);
    }
  }

  #freeMember(): Member | undefined {
    for (const member of this.#members) {
      if (member.running.size < this.#options.callsPerWorker) return member;
    }
    return this.#members.size < this.#options.maxWorkers ? this.#addMember() : undefined;
  }

  #addMember(): Member {
    const member: Member = {
      worker: new Worker(this.#options.script),
      running: new Map(),
      idle: undefined,
    };
    this.#members.add(member);
    member.worker.on('message', (reply: Reply) => this.#settle(member, reply));
    member.worker.on('error', (cause) => this.#bury(member, cause));
    member.worker.on('exit', () => this.#bury(member, undefined));
    return member;
  }

  #start(job: Job, member: Member): void {
    const { name, argument, gone } = job;
    clearTimeout(member.idle);
    member.worker.ref();
    const id = this.#nextId++;
    member.running.set(id, job);
    member.worker.postMessage({ kind: 'call', id, name, argument, gone } satisfies Request);
  }

  #settle(member: Member, reply: Reply): void {
    const job = member.running.get(reply.id);
    member.running.delete(reply.id);
    if (reply.kind === 'result') job?.resolve(reply.result);
    else job?.reject(new Fault(reply.code, reply.message));
    if (member.running.size === 0) this.#rest(member);
    this.#startQueued();
  }

  #rest(member: Member): void {
    // A resting worker keeps neither the process alive nor its timer.
    member.worker.unref();
    member.idle = setTimeout(() => {
      this.#members.delete(member);
      void member.worker.terminate();
    }, this.#options.idleMs).unref();
  }

  #bury(member: Member, cause: unknown): void {
    clearTimeout(member.idle);
    this.#members.delete(member);
    for (const job of member.running.values()) {
      job.reject(new Fault('internal', 'a worker thread ended while at work', { cause }));
    }
    member.running.clear();
    this.#startQueued();
  }
}

function notRun(): Fault {
  return new Fault('cancelled', 'no longer wanted');
}
