/**
 * The first of two abstract Unix sockets (unix(7)) of the single responder of a network namespace: they belong to that
 * namespace, and disappear with the process, however it ends. The responder binds it when it starts, and the second, READY,
 * once it listens.
 */
export const LOCK = '\0cnilab-responder'
/** The second of them: whoever can connect to it knows that the responder listens. */
export const READY = '\0cnilab-responder-ready'
