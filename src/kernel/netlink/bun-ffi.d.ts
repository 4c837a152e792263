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
