import type { Reporter, TestModule } from 'vitest/node'

/** A reporter that names, in the end, the tests that passed only when they were run again (`--retry`), and why they had failed. */
export default class SecondTry implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules)
      for (const test of module.children.allTests('passed')) {
        if (test.diagnostic()?.flaky !== true) continue
        const [why = ''] = (test.result().errors?.[0]?.message ?? '').split('\n')
        console.log(`passed at the second try: ${module.relativeModuleId} > ${test.fullName}: ${why}`)
      }
  }
}
