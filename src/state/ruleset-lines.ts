/**
 * The output of `nft list ruleset` as self-contained lines, such as `nft ip nat postrouting: masquerade` for a rule and
 * `nft ip mynet containers: has 10.22.0.2` for an element. Leaves out counters and the warnings of iptables-nft.
 */
export function rulesetLines(text: string): string[] {
  const blocks: string[] = []
  const lines: string[] = []
  let elements: string | undefined
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (elements !== undefined || line.startsWith('elements = {')) {
      elements = `${elements ?? ''} ${line}`
      if (!line.endsWith('}')) continue
      lines.push(...elementsOf(elements).map((element) => `nft ${blocks.join(' ')}: has ${element}`))
      elements = undefined
    } else if (line.endsWith('{')) {
      // table ip nat {, chain postrouting {
      const [kind = '', ...name] = line.slice(0, -1).trim().split(' ')
      blocks.push(name.join(' '))
      lines.push(`nft ${blocks.join(' ')}: ${kind}`)
    } else if (line === '}') blocks.pop()
    else if (line !== '' && !line.startsWith('#')) lines.push(`nft ${blocks.join(' ')}: ${withoutCounters(line)}`)
  }
  return lines
}

function withoutCounters(line: string): string {
  return line.replaceAll(/packets \d+ bytes \d+ ?/g, '').trimEnd()
}

/** The items between the braces. A comma inside a comment does not separate them. */
function elementsOf(text: string): string[] {
  const inner = text.slice(text.indexOf('{') + 1, text.lastIndexOf('}'))
  return inner.match(/(?:"[^"]*"|[^",])+/g)?.map((element) => withoutCounters(element.trim())) ?? []
}
