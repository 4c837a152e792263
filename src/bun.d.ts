/** The parts of Bun's foreign function interface that the plugins use. */
declare module 'bun:ffi' {
  type Type = 'i32' | 'u64' | 'i64_fast' | 'ptr'
  type Call = (...given: readonly unknown[]) => number | bigint
  export function dlopen(
    library: string,
    functions: Readonly<Record<string, { args: readonly Type[]; returns: Type }>>,
  ): { symbols: Record<string, Call> }
  export const read: { i32: (pointer: number | bigint) => number }
  export class CString {
    constructor(pointer: number)
    toString(): string
  }
}

/** Bun's own functions, if this is a compiled plugin. */
declare const Bun: { CryptoHasher: new (algorithm: 'sha256') => Hasher } | undefined
interface Hasher {
  update(text: string): Hasher
  digest(encoding: 'hex'): string
}
