import type { Answer, Call } from '../assertions/assertion.ts'
import type { Host } from './host.ts'
import type { Kernel } from './kernel.ts'
export function call(_kernel: Kernel, _from: string | undefined, _call: Call, _seconds: number): Promise<Answer> {
  throw new Error('later')
}
export function startInternet(_host: Host): Promise<void> {
  throw new Error('later')
}
export function whileAnswering<T>(_h: Host, _n: string | undefined, _s: string, use: () => Promise<T>): Promise<T> {
  return use()
}
