/**
 * Abstract Unix sockets (unix(7)) of the one responder of a network namespace: they belong to that namespace, and are
 * gone with the process, however it ends. It holds the first since it started, and the second since it listens.
 */
export const LOCK = '\0cnilab-responder'
export const READY = '\0cnilab-responder-ready'
