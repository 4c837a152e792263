// A step of the build: lists the commands with their flags in oclif.manifest.json, so that none is loaded to find another,
// and writes the JSON Schema of labs.
import { writeFileSync } from 'node:fs'
import { Plugin } from '@oclif/core'
import { editorSchema } from './lab/editor-schema.ts'

const plugin = new Plugin({
  root: process.cwd(),
  ignoreManifest: true,
  errorOnManifestCreate: true,
  respectNoCacheDefault: true,
})
await plugin.load()
writeFileSync('oclif.manifest.json', `${JSON.stringify(plugin.manifest, undefined, 2)}\n`)
writeFileSync('labs/lab.schema.json', `${JSON.stringify(editorSchema(), undefined, 2)}\n`)
