import { type MessagePort, parentPort } from 'node:worker_threads';
import { closeHomeNamespaces, openHomeNamespaces, StrandedFault } from './namespace-home.ts';
import { NetlinkSocket } from './netlink/socket.ts';
import { type Call, type Reply, toPlainError } from './system-thread-message.ts';
import { createOperations, type Operations } from './system-thread-operations.ts';

type Performers = {
  readonly [Name in keyof Operations]: (
    argument: Operations[Name]['argument'],
  ) => Operations[Name]['result'];
};

/** Answers one call after the other until told to end, or until the way home is lost. */
function serve(port: MessagePort): void {
  const home = openHomeNamespaces();
  const host = new NetlinkSocket();
  const performers = createOperations(home, host);
  const end = (): void => {
    port.close();
    host[Symbol.dispose]();
    closeHomeNamespaces(home);
  };
  port.on('message', (call: Call | 'end') => {
    if (call === 'end') return end();
    const reply = answer(performers, call);
    port.postMessage(reply);
    if (reply.kind === 'refused' && reply.isStranded) end();
  });
}

function answer(performers: Performers, call: Call): Reply {
  try {
    return { kind: 'done', result: perform(performers, call) };
  } catch (error) {
    const isStranded = error instanceof StrandedFault;
    return { kind: 'refused', error: toPlainError(error), isStranded };
  }
}

function perform<Name extends keyof Operations>(
  performers: Performers,
  call: Call<Name>,
): Operations[Name]['result'] {
  return performers[call.name](call.argument);
}

if (parentPort !== null) serve(parentPort);
