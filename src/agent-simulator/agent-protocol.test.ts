/** Plays `docs/agent-protocol.md` against the simulator, so that the document cannot say what is not so. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { FAULT_NAMES, formatPlan, parsePlanText } from './fault.ts'
import { USAGE } from './flags.ts'
import { call, type Caller, type Heard } from './test-caller.ts'
import { startTestSimulator, type TestSimulator } from './test-simulator.ts'

const document = readFileSync(path.resolve(import.meta.dirname, '../../docs/agent-protocol.md'), 'utf8')

interface Block {
  readonly info: string
  readonly lines: readonly string[]
}
const blocks: readonly Block[] = [...document.matchAll(/^```([\w-]+)(?: (.*))?\n([^]*?)^```$/gm)].map(
  ([, kind = '', rest = '', text = '']) => ({
    info: `${kind} ${rest}`.trim(),
    lines: text.trimEnd().split('\n'),
  }),
)
const transcripts = blocks.filter(({ info }) => info.startsWith('transcript'))
const controls = blocks.filter(({ info }) => info === 'json control')

const ANY = '…'

/** Whether `actual` is what the document says, where `…` stands for any text or number. */
function isAsPrinted(printed: unknown, actual: unknown): boolean {
  if (printed === ANY) return typeof actual === 'string' || typeof actual === 'number'
  if (typeof printed !== 'object' || printed === null) return printed === actual
  if (typeof actual !== 'object' || actual === null) return false
  const names = Object.keys(printed)
  if (names.length !== Object.keys(actual).length) return false
  return names.every((name) => isAsPrinted(Reflect.get(printed, name), Reflect.get(actual, name)))
}

/** The next message that is as printed when others may come before it, else the next message. */
async function nextLike(caller: Caller, printed: unknown, mayBeLater: boolean): Promise<Heard> {
  const heard = await caller.next()
  return mayBeLater && !isAsPrinted(printed, heard) ? nextLike(caller, printed, mayBeLater) : heard
}

/** Says the lines of the service in their order, and gives what was heard for each line of the agent. */
async function play(caller: Caller, lines: readonly string[]): Promise<readonly { readonly printed: unknown; readonly heard: Heard }[]> {
  const answers: { readonly printed: unknown; readonly heard: Heard }[] = []
  let mayBeLater = false
  for (const line of lines) {
    const said = line.slice(2)
    if (line.startsWith('> ')) caller.send(said)
    else if (said.startsWith(ANY)) mayBeLater = true
    else {
      const printed: unknown = JSON.parse(said)
      answers.push({ printed, heard: await nextLike(caller, printed, mayBeLater) })
      mayBeLater = false
    }
  }
  return answers
}

test('[M15] the document has transcripts of questions, pings, cancels and failures', () => {
  expect(transcripts.length).toBeGreaterThanOrEqual(6)
  expect(controls.length).toBeGreaterThanOrEqual(2)
})

test.each(transcripts.map(({ info, lines }, index) => [index + 1, info.slice('transcript'.length).trim() || 'normal', lines] as const))(
  '[M15] transcript %i is true under the fault %s',
  async (_index, faults, lines) => {
    await using simulator = await startTestSimulator(faults)
    await using caller = await call(simulator.url)
    const answers = await play(caller, lines)
    expect(answers.length).toBeGreaterThan(0)
    expect(answers.filter(({ printed, heard }) => !isAsPrinted(printed, heard))).toEqual([])
  },
)

test('[M15] what is printed is compared with what arrives', () => {
  expect(isAsPrinted({ id: ANY, done: true }, { id: 'x', done: true })).toBe(true)
  expect(isAsPrinted({ id: ANY, done: true }, { id: 'x', done: false })).toBe(false)
  expect(isAsPrinted({ id: ANY }, { id: 'x', more: 1 })).toBe(false)
  expect(isAsPrinted({ id: ANY, done: true }, { id: 'x' })).toBe(false)
  expect(isAsPrinted({ id: ANY }, { id: true })).toBe(false)
})

test.each(controls.map(({ lines }) => [lines.join('\n')]))('[M15] the control request %.40s is taken', async (body) => {
  await using simulator = await startTestSimulator()
  const response = await simulator.request('PUT', '/control/faults', body)
  expect([response.status, await response.json()]).toMatchObject([200, { current: { step: 0 } }])
})

test('[M15] the table of faults names all of them with their defaults', () => {
  const table = document.slice(document.indexOf('| Fault |'), document.indexOf('Every fault also takes'))
  const rows = [...table.matchAll(/^\| `([a-z-]+)` \|[^|]+\|([^|]*)\|$/gm)].map(([, name = '', settings = '']) => ({
    name,
    settings: [...settings.matchAll(/`(\w+=[^`]+)`/g)].map(([, setting = '']) => setting),
  }))
  expect(rows.map(({ name }) => name)).toEqual(FAULT_NAMES)
  const defaults = FAULT_NAMES.map((name) => {
    const parsed = parsePlanText(name)
    return { name, settings: parsed.ok ? formatPlan(parsed.plan).split(' ').slice(1) : [] }
  })
  expect(rows).toEqual(defaults)
})

test('[M15] the table of flags names all of them', () => {
  const flagsIn = (text: string): ReadonlySet<string> => new Set(text.match(/--[a-z][a-z-]+/g))
  const table = document.slice(document.indexOf('| Flag |'), document.indexOf('It prints `Agent simulator'))
  expect(flagsIn(table)).toEqual(flagsIn(USAGE))
})

const httpTranscripts = blocks.filter(({ info }) => info.startsWith('http-transcript'))

interface HttpAnswer {
  readonly status: number
  readonly type: string | null
  readonly headers: Headers
  /** The data of each event, or the one JSON body. */
  readonly bodies: readonly string[]
}

/** Sends the lines of the service as one request. */
async function sendHttp(simulator: TestSimulator, lines: readonly string[]): Promise<HttpAnswer> {
  const [first = '', body] = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2))
  const [method = '', where = ''] = first.split(' ')
  const response = await simulator.request(method, where, body, body === undefined ? {} : { 'content-type': 'application/json' })
  const text = await response.text()
  const type = response.headers.get('content-type')
  const isStream = type?.startsWith('text/event-stream') === true
  const bodies = isStream ? [...text.matchAll(/^data: (.*)\n\n/gm)].map(([, data = '']) => data) : [text]
  return { status: response.status, type, headers: response.headers, bodies }
}

/** Each printed body with what was heard in its place; `…` stands for any that come before the next. */
function paired(printed: readonly string[], bodies: readonly string[]): readonly (readonly [string, string | undefined])[] {
  const rest = [...bodies]
  let mayBeLater = false
  const pairs = printed.flatMap((line): (readonly [string, string | undefined])[] => {
    if (line.startsWith(ANY)) {
      mayBeLater = true
      return []
    }
    if (mayBeLater) while (rest.length > 0 && !isBodyAsPrinted(line, rest[0])) rest.shift()
    mayBeLater = false
    return [[line, rest.shift()]]
  })
  return [...pairs, ...rest.map((body) => ['nothing more', body] as const)]
}

const isBodyAsPrinted = (printed: string, body: string | undefined): boolean =>
  body !== undefined && (printed === body || (body.startsWith('{') && isAsPrinted(JSON.parse(printed), JSON.parse(body))))

test('[M15] the document has HTTP transcripts of answers, failures and checks, in both forms', () => {
  const places = httpTranscripts.map(({ lines }) => lines[0]?.slice(2))
  expect(new Set(places)).toEqual(new Set(['POST /v1/chat/completions', 'GET /v1/models', 'POST /ag-ui', 'GET /ag-ui']))
  expect(places.length).toBeGreaterThanOrEqual(8)
})

test.each(
  httpTranscripts.map(({ info, lines }, index) => [index + 1, info.slice('http-transcript'.length).trim() || 'normal', lines] as const),
)('[M15] HTTP transcript %i is true under the fault %s', async (_index, faults, lines) => {
  await using simulator = await startTestSimulator(faults)
  const { status, type, headers, bodies } = await sendHttp(simulator, lines)
  const [head = '', ...printed] = lines.filter((line) => line.startsWith('< ')).map((line) => line.slice(2))
  expect(`${status} ${type}`).toBe(head)
  const [named, printedBodies] = [printed.filter((line) => /^[a-z-]+: /.test(line)), printed.filter((line) => !/^[a-z-]+: /.test(line))]
  for (const line of named) expect(`${line.split(':')[0]}: ${headers.get(line.split(':')[0] ?? '')}`).toBe(line)
  expect(paired(printedBodies, bodies).filter(([line, body]) => !isBodyAsPrinted(line, body))).toEqual([])
})
