// A step of the build: lists the commands with their flags in oclif.manifest.json, so that none is loaded to find another,
// writes the JSON Schema of labs, and spares the program the parsing of those that ship.
import { cpSync, linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { dirname } from 'node:path'
import { Plugin } from '@oclif/core'
import { types } from './cni/plugins/types.ts'
import { labNames, loadLab } from './lab/run/load.ts'
import { APP } from './kernel/host.ts'
import { PREBUILT } from './kernel/libc.ts'
import { editorSchema } from './lab/format/editor-schema.ts'
import { readSource } from './lab/format/source.ts'
import { drawn } from './ui/terminal/drawn.ts'
import type { StoredStepText } from './ui/lab/show-description.ts'
import { stepText } from './ui/lab/describe-step.ts'

const plugin = new Plugin({
  root: process.cwd(),
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
})
await plugin.load()
writeFileSync('oclif.manifest.json', `${JSON.stringify(plugin.manifest, undefined, 2)}\n`)
writeFileSync('labs/lab.schema.json', `${JSON.stringify(editorSchema(), undefined, 2)}\n`)

mkdirSync('dist/labs', { recursive: true })
for (const name of labNames()) {
  const file = `labs/${name}.yaml`
  const { tree } = readSource(readFileSync(file, 'utf8'), file)
  writeFileSync(`dist/labs/${name}.json`, JSON.stringify(tree))
}

// So that the program works wherever its folder is copied to.
const prebuilt = dirname(module.createRequire(import.meta.url).resolve(`${PREBUILT}/package.json`))
cpSync(prebuilt, 'dist/koffi', { recursive: true, filter: (file) => !/\.(md|js|json)$/.test(file) })

process.env['LC_ALL'] = 'C' // in English
const first = await loadLab('eight-steps')
const texts = (color: boolean) =>
  first.steps.map((step): StoredStepText => {
    const shown = stepText(first, step, false, color)
    return { ...shown, text: drawn(shown.text) }
  })
writeFileSync('dist/step-texts.json', JSON.stringify({ colored: texts(true), uncolored: texts(false) }))

// The CNI plugins as they run from here, on the Node of the sandbox or whatever is on the path: one script under all names.
const [firstType = '', ...otherTypes] = Object.keys(types)
writeFileSync(
  `dist/plugins/${firstType}`,
  `#!/bin/sh\nnode=${APP.node}\n[ -x $node ] || node=node\nexec $node "\${0%/*}/main.cjs" "$0"\n`,
  { mode: 0o755 },
)
for (const type of otherTypes) linkSync(`dist/plugins/${firstType}`, `dist/plugins/${type}`)
