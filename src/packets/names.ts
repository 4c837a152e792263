/**
 * Abstract Unix sockets (unix(7)) of the single responder of a network namespace: they belong to that namespace, and
 * disappear with the process, however it ends. The responder binds the first when it starts, the second once it listens.
 */
export const LOCK = '\0cnilab-responder'
export const READY = '\0cnilab-responder-ready'
