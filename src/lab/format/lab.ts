import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import { matches } from '../../wildcard.ts'
import { anyNetns } from '../../operations/names.ts'
import { bindOperation, type Operation } from '../../operations/registry.ts'
import { BOUNDS } from './bounds.ts'
import { assertion, inFile, operations, refuseUntil, untilOf } from './items.ts'
import { resolveParameters } from './parameters.ts'
import { type LabFile, type Localized, labSchema } from './schema.ts'
import { complaints } from './complaints.ts'
import type { Source } from './source.ts'
import { fill, TemplateError, type Variables } from './template.ts'

/** A program that a lab runs: its argv, and its namespace, undefined for the host. */
export interface StepCommand {
  argv: string[]
  netns?: string | undefined
}

/** A command of a step; `exit` is the status with which it is to end, or `any`. It is run while all of `if` hold. */
export interface RunCommand extends StepCommand {
  exit: string
  if: Assertion[]
}

/** A multiple-choice question; `answer` is the index of the right choice, from 0, and `try` a command that shows it. */
export interface Question {
  ask: string
  choices: string[]
  answer: number
  why: string
  try?: StepCommand | undefined
  at: 'before' | 'after'
}

/** A hint for the finding whose id matches (`*` matches anything), if its `actual` contains a text. */
export interface FailureHint {
  finding: string
  actual?: string | undefined
  /** It is true while all of these hold. */
  if: Assertion[]
  text: string
}

/** A step of a lab, ready to be done. Texts are Markdown. */
export interface LabStep {
  id: string
  title: string
  text: string
  more?: string | undefined
  before: Assertion[]
  /** What the step does. */
  operations: Operation[]
  /** Whether the operations are only one way of many: then only the checks count, and the commands are not shown. */
  free: boolean
  run: RunCommand[]
  checks: Assertion[]
  /** The later steps from which on some operations and checks need not hold any more, by the ids of their findings. */
  until: Readonly<Record<string, string>>
  hints: string[]
  /** By the hint's index: it is true while all of these hold. */
  hintsIf: Assertion[][]
  when: FailureHint[]
  questions: Question[]
  /** Namespaces and interfaces to highlight in the picture. */
  focus: string[]
}

/** A lab with its parameters filled in, in one language. */
export interface Lab {
  id: string
  title: string
  text: string
  /** Whether nothing may show a solution unless the learner gives up. */
  exam: boolean
  order?: number | undefined
  /** Its parameters, for `lab show`. */
  parameters: { name: string; value: string; text: string }[]
  /** The subnets that it uses: none may overlap a route of the host. */
  subnets: string[]
  /** What is done before the learner begins. */
  start: Operation[]
  steps: LabStep[]
  learned?: string | undefined
  links: { title: string; url: string }[]
}

/** Whether the learner has to find out how a step is done. */
export function hidesSolution(lab: Pick<Lab, 'exam'>, step: Pick<LabStep, 'free'>): boolean {
  return lab.exam || step.free
}

/** What a step needs in order to be run: a lab's steps have more. */
export interface RunnableStep
  extends
    Pick<LabStep, 'id' | 'title' | 'text' | 'operations'>,
    Partial<Pick<LabStep, 'before' | 'free' | 'run' | 'checks' | 'until'>> {}

/** Steps that can be run: those of a lab, or any others. */
export interface Runnable extends Pick<Lab, 'id' | 'title'>, Partial<Pick<Lab, 'start' | 'subnets'>> {
  steps: readonly RunnableStep[]
}

/**
 * Parses a lab file's content into a lab: fills in its parameters, and picks its texts in a language (ISO 639), or else in
 * English. Throws CnilabError `usage`, which names the place of a mistake in the file, or the parameter of a bad `--set`.
 */
export function toLab(source: Source, set: Readonly<Record<string, string>> = {}, language = 'en'): Lab {
  const parsed = labSchema.safeParse(source.tree, complaints)
  if (!parsed.success) throw source.complaint(parsed.error)
  const lab = parsed.data
  checkIds(lab, source)
  checkSubnets(lab, source)
  checkAnswers(lab, source)
  const pick = (text: Localized) => (typeof text === 'string' ? text : (text[language] ?? text.en))
  const parameters = Object.entries(lab.parameters)
  const variables = inFile(source, ['parameters'], () => resolveParameters(lab.parameters, set, pick))
  const words = (text: Localized, ...path: PropertyKey[]) => inFile(source, path, () => fill(pick(text), variables))
  const room = { operations: BOUNDS.operations }
  const start = lab.start.flatMap((item, o) => {
    refuseUntil(source, ['start', o], item, 'until belongs to the operations and checks of a step')
    return operations(source, ['start', o], item, variables, room)
  })
  const ids = lab.steps.map(({ id }) => id)
  return {
    id: lab.id,
    title: words(lab.title, 'title'),
    text: words(lab.text, 'text'),
    exam: lab.exam,
    order: lab.order,
    parameters: parameters.map(([name, { text }]) => ({ name, value: variables[name] ?? '', text: pick(text) })),
    subnets: parameters.flatMap(([name, { type }]) => (type === 'subnet' ? (variables[name] ?? []) : [])),
    start,
    steps: withTeeth(lab.steps.map((step, s) => readStep(source, step, s, variables, words, room, ids.slice(s + 1)))),
    learned: lab.learned === undefined ? undefined : words(lab.learned, 'learned'),
    links: lab.links.map(({ title, url }, i) => ({ title: words(title, 'links', i, 'title'), url })),
  }
}

/**
 * The steps of a lab, of which the last one tries more than small pings: who has built it all has built it for full packets
 * and for TCP. Not where the lab says which packets, or that one way is to be closed for TCP.
 */
function withTeeth(steps: LabStep[]): LabStep[] {
  const closed = new Set(
    steps
      .flatMap(({ checks }) => checks)
      .flatMap(({ claim, not }) =>
        not && (claim.kind === 'tcp' || claim.kind === 'http') ? [`${claim.params.from} ${claim.params.to}`] : [],
      ),
  )
  const teeth = (check: Assertion): Assertion => {
    const { claim, not } = check
    if (claim.kind !== 'ping' || not || claim.params.packets !== undefined) return check
    const packets = closed.has(`${claim.params.from} ${claim.params.to}`) ? 'full' : 'all'
    return { ...check, claim: { kind: 'ping', params: { ...claim.params, packets } } }
  }
  const last = steps.at(-1)
  return last ? [...steps.slice(0, -1), { ...last, checks: last.checks.map(teeth) }] : steps
}

function readStep(
  source: Source,
  step: LabFile['steps'][number],
  s: number,
  variables: Variables,
  words: (text: Localized, ...path: PropertyKey[]) => string,
  room: { operations: number },
  later: readonly string[],
): LabStep {
  const at = (...path: PropertyKey[]) => ['steps', s, ...path]
  const free = step.solution.length > 0 || step.operations.length === 0
  const work = step.solution.length > 0 ? 'solution' : 'operations'
  const command = ({ argv, netns }: StepCommand, ...path: PropertyKey[]): StepCommand =>
    inFile(source, at(...path), () => ({
      argv: argv.map((word) => fill(word, variables)),
      ...(netns === undefined ? {} : { netns: netnsIn(fill(netns, variables)) }),
    }))
  const until: Record<string, string> = {}
  const lasting = (item: Readonly<Record<string, unknown>>, ids: readonly string[], ...path: PropertyKey[]) => {
    const end = untilOf(source, at(...path), item, later)
    if (end !== undefined) for (const id of ids) until[id] = end
  }
  const condition = (claim: Condition, ...path: PropertyKey[]): Assertion[] =>
    Array.isArray(claim)
      ? claim.map((item, i) => assertion(source, at(...path, i), item, variables))
      : claim === undefined
        ? []
        : [assertion(source, at(...path), claim, variables)]
  const own = {
    operations: step[work].flatMap((item, i) => {
      if (free) refuseUntil(source, at(work, i), item, 'a solution is not judged, so nothing of it ends')
      const all = operations(source, at(work, i), item, variables, room)
      if ('until' in item)
        lasting(
          item,
          all.map((operation) => bindOperation(operation).id),
          work,
          i,
        )
      return all
    }),
    checks: step.checks.map((item, i) => {
      const check = assertion(source, at('checks', i), item, variables)
      lasting(item, [bindAssertion(check).id], 'checks', i)
      return check
    }),
  }
  checkPatterns(source, step, s, [
    ...(free ? [] : own.operations.map((operation) => bindOperation(operation).id)),
    ...own.checks.map((check) => bindAssertion(check).id),
  ])
  return {
    ...own,
    until,
    id: step.id,
    title: words(step.title, ...at('title')),
    text: words(step.text, ...at('text')),
    more: step.more === undefined ? undefined : words(step.more, ...at('more')),
    before: step.before.map((item, i) => {
      refuseUntil(source, at('before', i), item, 'a check before a step holds only until that step')
      return assertion(source, at('before', i), item, variables)
    }),
    free,
    run: step.run.map((one, i) => ({
      ...command(one, 'run', i),
      exit: one.exit,
      if: condition(one.if, 'run', i, 'if'),
    })),
    hints: step.hints.map((hint, i) =>
      isConditional(hint) ? words(hint.text, ...at('hints', i, 'text')) : words(hint, ...at('hints', i)),
    ),
    hintsIf: step.hints.map((hint, i) => (isConditional(hint) ? condition(hint.if, 'hints', i, 'if') : [])),
    when: step.when.map(({ finding, actual, text, if: claim }, i) => ({
      if: condition(claim, 'when', i, 'if'),
      finding: words(finding, ...at('when', i, 'finding')),
      actual: actual === undefined ? undefined : words(actual, ...at('when', i, 'actual')),
      text: words(text, ...at('when', i, 'text')),
    })),
    questions: step.questions.map((question, i) => ({
      ask: words(question.ask, ...at('questions', i, 'ask')),
      choices: question.choices.map((choice, c) => words(choice, ...at('questions', i, 'choices', c))),
      answer: question.answer - 1,
      why: words(question.why, ...at('questions', i, 'why')),
      try: question.try === undefined ? undefined : command(question.try, 'questions', i, 'try'),
      at: question.at,
    })),
    focus: step.focus.map((name, i) => words(name, ...at('focus', i))),
  }
}

type HintFile = LabFile['steps'][number]['hints'][number]
type Condition = LabFile['steps'][number]['when'][number]['if']

/** Whether a hint says when it is true. A text in several languages has no `text`. */
function isConditional(hint: HintFile): hint is Extract<HintFile, { text: Localized }> {
  return typeof hint === 'object' && 'text' in hint && !('en' in hint)
}

function netnsIn(name: string): string {
  const { error } = anyNetns.safeParse(name)
  if (error) throw new TemplateError(`netns: ${error.issues[0]?.message ?? name}`)
  return name
}

/** Refuses a hint for a finding that the step does not have: it would never show. */
function checkPatterns(source: Source, { when }: LabFile['steps'][number], s: number, ids: readonly string[]): void {
  for (const [i, { finding }] of when.entries())
    if (!finding.includes('${') && !ids.some((id) => matches(finding, id)))
      throw source.errorAt(
        ['steps', s, 'when', i, 'finding'],
        `no finding of this step is called '${finding}'; its findings are: ${ids.join(', ')}`,
      )
}

function checkAnswers(lab: LabFile, source: Source): void {
  for (const [s, { questions }] of lab.steps.entries())
    for (const [q, { answer, choices }] of questions.entries())
      if (answer < 1 || answer > choices.length)
        throw source.errorAt(
          ['steps', s, 'questions', q, 'answer'],
          `answer: the number of a choice, from 1 to ${choices.length}`,
        )
}

function checkIds(lab: LabFile, source: Source): void {
  const seen = new Set<string>()
  for (const [s, { id }] of lab.steps.entries()) {
    if (seen.has(id)) throw source.errorAt(['steps', s, 'id'], `id: another step is already called '${id}'`)
    seen.add(id)
  }
}

/** Refuses an address in a subnet that does not exist: it would be checked against nothing. */
function checkSubnets(lab: LabFile, source: Source): void {
  const subnets: string[] = []
  for (const [name, definition] of Object.entries(lab.parameters)) {
    if (definition.in !== undefined && !subnets.includes(definition.in))
      throw source.errorAt(
        ['parameters', name, 'in'],
        `in: '${definition.in}' is not an earlier parameter of type subnet; those are: ${subnets.join(', ') || 'none'}`,
      )
    if (definition.type === 'subnet') subnets.push(name)
  }
}
