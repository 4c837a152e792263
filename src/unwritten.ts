let isTold = false

/**
 * Takes it upon us what becomes of output that cannot be written: what is being done goes on to its end. oclif's own
 * listener, from which the program would die in the middle, is removed: so it is called again once that is loaded.
 */
export function mindUnwritten(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error')
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      // The reader went away, as in `cnilab lab run | head -1`: nobody is left to tell, but there may be much to tear down.
      if (code === 'EPIPE') return
      process.exitCode = 1 // a full disk, say
      if (stream === process.stdout && !isTold) process.stderr.write(`Error: could not write the result: ${message}\n`)
      isTold = true
    })
  }
}
