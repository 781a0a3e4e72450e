/**
 * A service profile from the text of a YAML file. Pure.
 *
 * Every fault is reported at once, with its line and without the value. Scalars are taken as they are written, so that a telephone
 * number keeps its leading zero; an empty value counts as not set. Aliases and tags are refused: nobody needs them here, and they
 * are how such files grow beyond their size.
 */
import * as v from 'valibot'
import { isCollection, isMap, isNode, isPair, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml'
import { PROFILE_LINKS_MAX, PROFILE_TEXT_CHARS_MAX } from '../conversation/limits.ts'
import { plainProfile, type ServiceProfile } from './service-profile.ts'

/** One thing wrong with the file. */
export interface ProfileFault {
  /** From 1. */
  readonly line: number
  readonly problem: string
}

export type ProfileResult =
  | { readonly ok: true; readonly profile: ServiceProfile }
  | { readonly ok: false; readonly faults: readonly ProfileFault[] }

const LINE_CHARS_MAX = 100
const HREF_CHARS_MAX = 2_000
/** Faults that are told; who has mended so many looks again. */
const FAULTS_MAX = 20

/** Unlike `strictObject`, tells of every name that it does not know. */
const mapping = <const Entries extends v.ObjectEntries>(entries: Entries) =>
  v.objectWithRest(entries, v.never('is not known here'), ({ input }) =>
    input === undefined ? 'is missing' : 'must have lines of "name: value" below it',
  )

const line = v.pipe(
  v.string('must be text'),
  v.trim(),
  v.maxLength(LINE_CHARS_MAX, `must have ${LINE_CHARS_MAX} characters or fewer`),
  v.check((text) => !/\p{Cc}/u.test(text), 'must be one line without control characters'),
)
const paragraphs = v.pipe(
  v.string('must be text'),
  v.maxLength(PROFILE_TEXT_CHARS_MAX, `must have ${PROFILE_TEXT_CHARS_MAX} characters or fewer`),
  v.check((text) => !/[^\P{Cc}\n]/u.test(text), 'must not hold control characters'),
  // A folded text has one line for each paragraph.
  v.transform((text) => text.split('\n').map((paragraph) => paragraph.trim())),
)
const href = v.pipe(
  v.string('must be text'),
  v.trim(),
  v.maxLength(HREF_CHARS_MAX, `must have ${HREF_CHARS_MAX} characters or fewer`),
  v.check(isHref, 'must start with https://, http:// or mailto:, or be a path of this service such as /help'),
)
const link = mapping({ text: line, href })
const links = v.pipe(v.array(link, 'must be a list'), v.maxLength(PROFILE_LINKS_MAX, `must have ${PROFILE_LINKS_MAX} links or fewer`))

const contact = mapping({
  text: v.optional(paragraphs, ''),
  telephone: v.optional(line),
  hours: v.optional(line),
  email: v.optional(v.pipe(line, v.regex(/^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>"]+$/, 'must be an email address'))),
  links: v.optional(links, []),
})
const notice = mapping({ heading: line, text: v.optional(paragraphs, ''), link: v.optional(link) })
const questions = mapping({ open: v.picklist(['true', 'false'], 'must be true or false'), text: v.optional(paragraphs, '') })

const profileSchema = mapping({
  name: v.optional(line),
  topic: v.optional(line),
  organisation: v.optional(line),
  assistant: v.optional(line),
  phase: v.optional(v.picklist(['alpha', 'beta'], 'must be alpha or beta')),
  feedback: v.optional(href),
  contact: v.optional(contact),
  footer: v.optional(links, []),
  notice: v.optional(notice),
  questions: v.optional(questions),
})
type Written = v.InferOutput<typeof profileSchema>

/** @param name - what the service is called when the file does not say */
export function parseProfile(source: string, name: string): ProfileResult {
  const lines = new LineCounter()
  const document = parseDocument(source, { schema: 'failsafe', lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  const unreadable = [
    ...document.errors.map(({ pos, message }) => ({ line: lineAt(pos[0]), problem: `this is not YAML: ${message}` })),
    ...oddities(document, lineAt),
  ]
  if (unreadable.length > 0) return { ok: false, faults: unreadable.slice(0, FAULTS_MAX) }
  const parsed = v.safeParse(profileSchema, withoutEmpty(document.toJS()) ?? {})
  if (parsed.success) {
    const { phase, feedback } = parsed.output
    if (phase !== undefined || feedback === undefined) return { ok: true, profile: profileOf(parsed.output, name) }
    const problem = 'feedback is shown beside the phase: set phase to alpha or beta as well'
    return { ok: false, faults: [{ line: lineAt(offsetOf(document, ['feedback'])), problem }] }
  }
  const faults = parsed.issues.map((issue) => {
    const path = (issue.path ?? []).map(({ key }) => String(key))
    return { line: lineAt(offsetOf(document, path)), problem: `${dotted(path)} ${issue.message}` }
  })
  return { ok: false, faults: faults.toSorted((a, b) => a.line - b.line).slice(0, FAULTS_MAX) }
}

/** What this file has no use for. */
function oddities(document: Document.Parsed, lineAt: (offset: number) => number): readonly ProfileFault[] {
  const faults: ProfileFault[] = []
  const add = (offset: number | undefined, problem: string): void => void faults.push({ line: lineAt(offset ?? 0), problem })
  visit(document, {
    Alias: (_key, node) => add(node.range?.[0], 'aliases (*name) cannot be used'),
    // Before anything is made of it: keys within keys within keys take for ever to write out.
    Pair: (_key, { key }) => {
      if (!isScalar(key)) add(isNode(key) ? key.range?.[0] : 0, 'a name must be one word')
    },
    Node: (_key, node) => {
      if ('tag' in node && node.tag !== undefined && !/^tag:yaml\.org,2002:(?:map|seq|str)$/.test(node.tag)) {
        add(node.range?.[0], 'tags (!name) cannot be used')
      }
    },
  })
  const { contents } = document
  const isEmpty = contents === null || (isScalar(contents) && contents.value === '')
  if (!isEmpty && !isMap(contents)) add(0, 'the file must be a list of "name: value" lines')
  return faults
}

/** The same without what is empty, at any depth; `undefined` when nothing is left. */
function withoutEmpty(value: unknown): unknown {
  if (value === '' || value === null) return undefined
  if (Array.isArray(value)) return value.map(withoutEmpty).filter((item) => item !== undefined)
  if (typeof value !== 'object') return value
  const entries = Object.entries(value)
    .map(([key, one]): [string, unknown] => [key, withoutEmpty(one)])
    .filter(([, one]) => one !== undefined)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Where a value stands, or the nearest thing around it that is there. */
function offsetOf(document: Document.Parsed, path: readonly string[]): number {
  let offset = 0
  let node: unknown = document.contents
  for (const key of path) {
    if (!isCollection(node)) break
    const index = Number(key)
    const found = isMap(node) ? node.items.find((pair) => isScalar(pair.key) && pair.key.value === key) : node.items[index]
    const place: unknown = isPair(found) ? found.key : found
    if (typeof place === 'object' && place !== null && 'range' in place && Array.isArray(place.range)) offset = Number(place.range[0])
    node = isPair(found) ? found.value : found
  }
  return offset
}

const dotted = (path: readonly string[]): string =>
  path.length === 0
    ? 'the file'
    : path
        .map((key, index) => (/^\d+$/.test(key) && index > 0 ? `[${key}]` : `.${key}`))
        .join('')
        .slice(1)

function profileOf(written: Written, name: string): ServiceProfile {
  const { contact: reach, notice: news, questions: asking, phase, feedback } = written
  return {
    ...plainProfile(written.name ?? name),
    topic: written.topic,
    organisation: written.organisation,
    assistant: written.assistant,
    phase: phase === undefined ? undefined : { name: phase, feedbackHref: feedback },
    contact:
      reach === undefined
        ? undefined
        : { paragraphs: said(reach.text), telephone: reach.telephone, hours: reach.hours, email: reach.email, links: reach.links },
    footerLinks: written.footer,
    notice: news === undefined ? undefined : { heading: news.heading, paragraphs: said(news.text), link: news.link },
    questions: asking?.open === 'false' ? { areOpen: false, paragraphs: said(asking.text) } : { areOpen: true },
  }
}

const said = (lines: readonly string[]): readonly string[] => lines.filter((text) => text !== '')

function isHref(given: string): boolean {
  if (/^\/(?![/\\])/.test(given)) return !/[\s\\]/.test(given)
  if (/^mailto:[^\s@]+@[^\s@]+$/.test(given)) return true
  const url = /^https?:\/\//i.test(given) ? URL.parse(given) : null
  return url !== null && url.username === '' && url.password === ''
}
