// A build step: bundles the program so that it starts quickly, into one file, src/main.cjs, in which each module runs when it
// is first needed, and one file for each large library that few commands need.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { buildPlugins, options, REQUIRED, whenUsed } from './bundle-plugins.ts'
import { NARROW } from './narrow.ts'

/** Libraries that few commands need, or none: oclif has some for programs with plugins. */
const APART = [
  '@humanwhocodes/momoa',
  '@inquirer/prompts',
  'cli-spinners',
  'execa',
  'lilconfig',
  'listr2',
  'log-update',
  'markdansi',
  'minimatch',
  'semver',
  'smol-toml',
  'tinyglobby',
  'wordwrap',
  'yaml',
]

/** A file that runs as a CommonJS module. */
const common = {
  ...options,
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  supported: { 'dynamic-import': false },
  define: {
    'import.meta.dirname': '__dirname',
    'import.meta.filename': '__filename',
    // oclif would load semver to check what src/start.ts has already checked.
    'process.env.OCLIF_DISABLE_ENGINE_WARNING': '"1"',
  },
} satisfies BuildOptions

const fileOf = (library: string) => library.replace(/^@/, '').replace('/', '-')

const apart: Plugin = {
  name: 'apart',
  setup(bundler) {
    const fileOfLibrary = ({ path }: { path: string }) => ({ path: `../lib/${fileOf(path)}.cjs`, external: true })
    // This one is loaded only to draw something that the build has not drawn.
    bundler.onResolve({ filter: /^markdansi$/, namespace: 'file' }, ({ path }) => ({ path, namespace: 'late' }))
    bundler.onResolve({ filter: new RegExp(`^(?:${APART.join('|')})$`) }, fileOfLibrary)
    bundler.onLoad({ filter: /./, namespace: 'late' }, ({ path }) => ({
      contents: `export const render = (...given) => require('${path}').render(...given)`,
    }))
  },
}

/** Constants that take long to create: sets of characters with some Unicode property. */
const OF_UNICODE = /^const (\w+) = (new Intl\.Segmenter\(\)|\/.*\\p\{.*\/\w+);$/gm

/** Has string-width count narrow text as fast as it counts ASCII. Throws if its source is not as expected. */
function countNarrow(source: string): string {
  if (!source.includes('Intl.Segmenter')) return source // oclif has an older one as well, which needs no such expressions
  const ascii = String.raw`/^[\u0020-\u007E]*$/`
  if (!source.includes(ascii))
    throw new Error('string-width counts ASCII in another way now: see countNarrow in bundle.ts')
  return source.replace(ascii, () => String(NARROW))
}

/** Changes libraries that create more at load time than most commands need. */
const late: Plugin = {
  name: 'late',
  setup(bundler) {
    const change = (filter: RegExp, declaration: RegExp, more = (source: string) => source) =>
      bundler.onLoad({ filter }, ({ path }) => ({ contents: more(whenUsed(readFileSync(path, 'utf8'), declaration)) }))
    change(/\/@oclif\/core\/lib\/.*\.js$/, REQUIRED)
    change(/\/wrap-ansi\/index\.js$/, OF_UNICODE)
    change(/\/string-width\/index\.js$/, OF_UNICODE, countNarrow)
    // oclif uses it to detect WSL, which is Linux to us.
    bundler.onResolve({ filter: /^wsl-utils$/ }, ({ path }) => ({ path, namespace: 'none' }))
    bundler.onLoad({ filter: /./, namespace: 'none' }, () => ({ contents: 'export const isWsl = false' }))
  },
}

/** Bundles files that run as CommonJS modules, as pure ASCII, which V8 reads fastest: esbuild itself leaves regular expressions alone. */
async function buildCommon(entryPoints: string[] | Record<string, string>, outdir: string, plugins: Plugin[]) {
  const { outputFiles } = await build({ ...common, entryPoints, outdir, plugins, write: false })
  mkdirSync(outdir, { recursive: true })
  for (const { path, text } of outputFiles)
    writeFileSync(
      path,
      text.replaceAll(/[^\0-\x7f]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`),
    )
}

await buildPlugins('dist/plugins/main.cjs')
await buildCommon(['src/main.ts', 'src/start.ts'], 'dist/src', [apart, late])
await buildCommon(Object.fromEntries(APART.map((library) => [fileOf(library), library])), 'dist/lib', [late])
await build({
  ...options,
  format: 'esm',
  entryPoints: ['src/cnilab.ts', 'src/packets/caller.ts', 'src/packets/responder.ts'],
  outbase: '.',
  outdir: 'dist',
  // They bundle dns-packet, a CommonJS module.
  banner: { js: "import{createRequire as r}from'node:module';const require=r(import.meta.url);" },
})
