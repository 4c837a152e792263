let isReported = false

/**
 * Lets the program finish its work even if its output cannot be written. Replaces oclif's listener, which would end the
 * program halfway; call it again after oclif has been loaded.
 */
export function ignoreWriteErrors(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      // The reader has gone, as in `cnilab lab run | head -1`: nobody needs the message, but there may be much to tear down.
      if (code === 'EPIPE') return
      process.exitCode = 1 // for example, a full disk
      if (stream === process.stdout && !isReported)
        process.stderr.write(`Error: could not write the result: ${message}\n`)
      isReported = true
    })
  }
}
