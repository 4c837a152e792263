import { basename } from 'node:path'
import type { Choices, ConfigFile } from '../../cni/config/configs.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented, wrapped } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw, join } from '../terminal/text.ts'

/** The files in order, explained, and which one each runtime uses. */
export function configsText(files: readonly ConfigFile[], choices: Choices): Text {
  return join([...files.map(fileText), choicesText(choices)], '\n\n')
}

function fileText({ file, name, version, plugins, wrong, missing }: ConfigFile): Text {
  const what = name === undefined ? '' : ` · network ${name}`
  const lines = [
    draw`${style.title(file)}${what}${version === undefined ? '' : ` · CNI ${version}`}`,
    ...(wrong === undefined ? [] : [indented(style.bad(`broken: ${wrong}`), 2)]),
    ...plugins.flatMap(({ type, does, settings }) => [
      indented(`${type}: ${does}`, 2),
      ...(settings.length === 0 ? [] : [style.quiet(indented(settings.join('; '), 4))]),
    ]),
    ...(missing.length === 0 ? [] : [indented(style.warn(`not installed: ${missing.join(', ')}`), 2)]),
  ]
  return join(lines, '\n')
}

function choicesText({ containerd, crio, byName, stops }: Choices): Text {
  const taken = ({ file, why }: Choices['crio']) => (file === undefined ? why : `${basename(file)}, ${why}`)
  const takenByContainerd = ({ files, ...one }: Choices['containerd']) =>
    files === undefined ? taken(one) : `${files.map((file) => basename(file)).join(', ')}, ${one.why}`
  const names = byName.map(({ name, file }) => `${name} in ${basename(file)}`).join(', ')
  const lines = [
    style.title('Which one is used'),
    indented(`containerd: ${takenByContainerd(containerd)}`, 2),
    indented(`CRI-O: ${taken(crio)}`, 2),
    indented(`by name (cnitool): ${names === '' ? 'none' : names}`, 2),
    ...(stops === undefined
      ? []
      : [
          indented(`A search by name that reaches ${basename(stops)} fails, and does not say which file is broken.`, 2),
        ]),
    wrapped(draw`Look for mistakes with ${style.command('cnilab cni validate')} FILE or DIR`),
  ]
  return join(lines, '\n')
}
