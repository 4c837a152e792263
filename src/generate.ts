// A build step: lists the commands with their flags in oclif.manifest.json, so that finding one loads no other, writes the
// JSON Schema of labs, and parses and draws the labs that ship, so that the program need not.
import { cpSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { dirname } from 'node:path'
import { Plugin } from '@oclif/core'
import pkg from '../package.json' with { type: 'json' }
import { types } from './cni/plugins/types.ts'
import { labNames, type PreparedLab } from './lab/run/load.ts'
import { toLab } from './lab/format/lab.ts'
import { APP } from './kernel/host.ts'
import { PREBUILT } from './kernel/libc.ts'
import { editorSchema } from './lab/format/editor-schema.ts'
import { readSource } from './lab/format/source.ts'
import { hintText } from './ui/lab/hint.ts'
import { drawn } from './ui/terminal/drawn.ts'
import { renderMarkdown, drawingsFile } from './ui/terminal/markdown.ts'

const plugin = new Plugin({
  root: process.cwd(),
  pjson: { ...pkg, oclif: { ...pkg.oclif, topicSeparator: ' ', commands: './commands' } },
  isRoot: true,
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
})
await plugin.load()
// In oclif's words it is 'Format output as json.'
for (const { flags } of Object.values(plugin.manifest.commands))
  if (flags['json']) flags['json'].description = 'print a JSON document instead'
writeFileSync('oclif.manifest.json', `${JSON.stringify(plugin.manifest, undefined, 2)}\n`)
writeFileSync('labs/lab.schema.json', `${JSON.stringify(editorSchema(), undefined, 2)}\n`)

mkdirSync('dist/labs', { recursive: true })
const labs = labNames().map((name) => {
  const file = `labs/${name}.yaml`
  const source = readSource(readFileSync(file, 'utf8'), file)
  const prepared: PreparedLab = { tree: source.tree, lab: toLab(source) }
  writeFileSync(`dist/labs/${name}.json`, JSON.stringify(prepared))
  return prepared.lab
})

const texts = labs.flatMap(({ text, learned, steps }) => [
  text,
  learned ?? '',
  ...steps.flatMap((step) => [
    step.text,
    step.more ?? '',
    ...step.hints.map((_, i) => hintText(step, i + 1)),
    ...step.when.map((hint) => hint.text),
    ...step.questions.map(({ why }) => why),
  ]),
])
mkdirSync('dist/drawings', { recursive: true })
for (const plain of [true, false])
  for (const color of [true, false])
    writeFileSync(
      drawingsFile(plain, color),
      JSON.stringify(Object.fromEntries(texts.map((text) => [text, drawn(renderMarkdown(text, plain, color))]))),
    )

// The program must work wherever its folder is copied.
const prebuilt = dirname(module.createRequire(import.meta.url).resolve(`${PREBUILT}/package.json`))
cpSync(prebuilt, 'dist/koffi', { recursive: true, filter: (file) => !/\.(md|js|json)$/.test(file) })

// Runs the CNI plugins from here, with the sandbox's Node or else the one in PATH: one script under all their names.
const [firstType = '', ...otherTypes] = Object.keys(types)
writeFileSync(
  `dist/plugins/${firstType}`,
  `#!/bin/sh\nnode=${APP.node}\n[ -x $node ] || node=node\nexec $node "\${0%/*}/main.cjs" "$0"\n`,
  { mode: 0o755 },
)
for (const type of otherTypes) linkSync(`dist/plugins/${firstType}`, `dist/plugins/${type}`)
