/** What a file holds at its beginning, and whether what its first line names as interpreter is there. */
export interface ProgramStart {
  bytes: Buffer
  hasInterpreter: boolean
}

/** How many bytes of a file tell what it is: as many as the kernel reads. */
export const START_SIZE = 256

/** Architectures by their number in an ELF header, e_machine, as Node calls them: elf.h. */
const MACHINES: Readonly<Record<number, string>> = {
  3: 'ia32',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x64',
  183: 'arm64',
  243: 'riscv64',
  258: 'loong64',
}

/** 64-bit machines also run programs of these. */
const ALSO: Readonly<Record<string, string>> = { x64: 'ia32', arm64: 'arm' }

/**
 * Why the kernel does not start a program that is executable, in words; undefined if nothing speaks against it. The C library
 * would give what the kernel refuses to a shell, which would run a foreign binary's bytes, or a text's lines, as commands.
 */
export function unstartable({ bytes, hasInterpreter }: ProgramStart): string | undefined {
  if (bytes.subarray(0, 4).toString('latin1') === '\x7fELF') {
    if (bytes.length < 20) return 'it is cut off: not even its header is complete'
    const isBig = bytes[5] === 2
    const machine = isBig ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18)
    const name = MACHINES[machine]
    if (name === undefined || name === process.arch || name === ALSO[process.arch]) return undefined
    return `it is built for another machine: its architecture is ${name}, this one's is ${process.arch}`
  }
  const [line = ''] = bytes.toString('utf8').split('\n')
  if (!line.startsWith('#!')) return 'it is neither a program nor a script that begins with #!'
  if (line.endsWith('\r'))
    return `its first line ends with a carriage return, as lines of Windows do, and so names no interpreter: ${JSON.stringify(line)}`
  return hasInterpreter ? undefined : `the interpreter that its first line names is not there: ${line}`
}
