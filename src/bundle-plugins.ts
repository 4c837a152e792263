// A build step: bundles the CNI plugins into one file, in which each module runs when it is first used.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { build, type BuildOptions, type Plugin, transform } from 'esbuild'

/** The options of everything that is built. */
export const options = {
  bundle: true,
  platform: 'node',
  target: 'node22.22',
  logLevel: 'warning',
  external: ['typescript', 'bun:ffi'],
  minifySyntax: true,
  minifyWhitespace: true,
} satisfies BuildOptions

/** `const a = require("a")`, as TypeScript and esbuild write an import. */
export const REQUIRED =
  /^(?:const|var) (\w+) = ((?:__(?:importDefault|importStar|toESM)\()?require\((?:"[^"]+"|'[^']+')\)\)?);$/gm

/** Makes the constants of a module lazy. */
export function whenUsed(source: string, declaration: RegExp): string {
  return [...source.matchAll(declaration)].reduce((text, [line, name = '', value]) => {
    const uses = new RegExp(String.raw`(?<![\w$'"]|(?<!\.\.)\.)${name}(?![\w$'":])`, 'g')
    const lazy = `const $ = { get _() { const _ = ${value}; Object.defineProperty(this, '_', { value: _ }); return _ } };`
    const [before = '', after = ''] = text.split(line)
    return [before, after].map((part) => part.replaceAll(uses, `${name}._`)).join(lazy.replace('$', name))
  }, source)
}

/**
 * Has each of our modules, and with them the libraries, run when it is first needed: a plugin is started for every call. In a
 * namespace of their own, esbuild does not take them for the ES modules that package.json declares.
 */
const whenNeeded: Plugin = {
  name: 'when-needed',
  setup(bundler) {
    const namespace = 'when-needed'
    const { define = {} } = bundler.initialOptions
    bundler.onResolve({ filter: /\.ts$/ }, ({ path, resolveDir }) => ({ path: resolve(resolveDir, path), namespace }))
    bundler.onLoad({ filter: /./, namespace }, async ({ path }) => {
      const source = readFileSync(path, 'utf8')
      const { code } = await transform(source, { loader: 'ts', format: 'cjs', target: options.target, define })
      return { contents: whenUsed(code, REQUIRED), resolveDir: dirname(path) }
    })
  },
}

/** On Node, the plugins find the library for system calls from their own file. */
const COMMON = { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' }

/** Bundles the plugins into a file. Tests change what it holds. */
export async function buildPlugins(
  outfile: string,
  { plugins = [], define = COMMON }: Pick<BuildOptions, 'plugins' | 'define'> = {},
): Promise<void> {
  await build({
    ...options,
    format: 'cjs',
    entryPoints: ['./src/cni/main.ts'],
    outfile,
    minify: true,
    define,
    plugins: [...plugins, whenNeeded],
  })
}
