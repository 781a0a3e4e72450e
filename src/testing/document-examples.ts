/**
 * The examples of a Markdown document: `sh` blocks of one curl command, each with the `http` block of its answer, and remarks
 * (HTML comments) that say what happens in between. Parsed, so that a test can run them as they stand.
 */
export type Step =
  | { readonly type: 'remark'; readonly text: string }
  | { readonly type: 'example'; readonly request: CurlRequest; readonly answer: HttpAnswer; readonly line: number }

export interface CurlRequest {
  readonly method: string
  /** What follows `$BASE`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** `-b jar`: cookies are sent and kept. */
  readonly hasJar: boolean
  /** `-N`: the answer is a stream and is read as it comes. */
  readonly isStream: boolean
}

export interface HttpAnswer {
  readonly status: string
  readonly headers: Readonly<Record<string, string>>
  /** Text after the headers; empty for none. */
  readonly body: string
}

const BLOCK = /^```(sh|http)\n([\s\S]*?)^```$|^<!-- (.+?) -->$/gm

/** Every step in its order. @throws Error naming the line of a command without an answer, or of one that is not understood */
export function examplesOf(markdown: string): readonly Step[] {
  const steps: Step[] = []
  let pending: { readonly command: string; readonly line: number } | undefined
  for (const match of markdown.matchAll(BLOCK)) {
    const [, kind, content = '', remark] = match
    const line = markdown.slice(0, match.index).split('\n').length
    if (remark !== undefined) steps.push({ type: 'remark', text: remark })
    else if (kind === 'sh') {
      if (pending !== undefined) throw new Error(`line ${pending.line}: a command without an answer`)
      pending = { command: content, line }
    } else {
      if (pending === undefined) throw new Error(`line ${line}: an answer without a command`)
      steps.push({ type: 'example', request: parseCurl(pending.command, pending.line), answer: parseAnswer(content), line: pending.line })
      pending = undefined
    }
  }
  if (pending !== undefined) throw new Error(`line ${pending.line}: a command without an answer`)
  return steps
}

const WORD = /\\\n|\s+|'([^']*)'|"([^"]*)"|([^\s'"\\]+)/gy

function words(command: string, line: number): readonly string[] {
  const found: string[] = []
  let end = 0
  for (const match of command.matchAll(WORD)) {
    end = match.index + match[0].length
    const word = match[1] ?? match[2] ?? match[3]
    if (word !== undefined) found.push(word)
  }
  if (end !== command.length) throw new Error(`line ${line}: not understood from "${command.slice(end, end + 20)}"`)
  return found
}

function parseCurl(command: string, line: number): CurlRequest {
  const [program, ...rest] = words(command, line)
  if (program !== 'curl') throw new Error(`line ${line}: only curl is understood`)
  const headers: Record<string, string> = {}
  const request = { method: 'GET', path: '', body: undefined as string | undefined, hasJar: false, isStream: false }
  const take = (): string => rest.shift() ?? ''
  while (rest.length > 0) {
    const word = take()
    if (word === '-X') request.method = take()
    else if (word === '-d') request.body = take()
    else if (word === '-N') request.isStream = true
    else if (word === '-b' || word === '-c') request.hasJar = take() === 'jar'
    else if (word === '-H') {
      const [name = '', value = ''] = take().split(': ')
      headers[name.toLowerCase()] = value
    } else if (word.startsWith('$BASE/')) request.path = word.slice('$BASE'.length)
    else if (word !== '-i') throw new Error(`line ${line}: "${word}" is not understood`)
  }
  return { ...request, headers }
}

function parseAnswer(text: string): HttpAnswer {
  const [head = '', ...body] = text.trimEnd().split('\n\n')
  const [status = '', ...lines] = head.split('\n')
  const headers = Object.fromEntries(
    lines.map((header) => [header.slice(0, header.indexOf(':')).toLowerCase(), header.slice(header.indexOf(':') + 2)]),
  )
  return { status: status.replace('HTTP/1.1 ', ''), headers, body: body.join('\n\n') }
}

/** What differs from run to run, by its form. */
const CHANGING = [
  /[0-9a-f]{24}\.[1-9][0-9]*\.[0-9a-f]{24}/,
  /[0-9a-f]{24}\.[0-9]+/,
  /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/,
  /[0-9a-f]{32}/,
  /[0-9a-f]{24}/,
  /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z/,
  /[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}\b/,
]
const ANY_CHANGING = new RegExp(CHANGING.map(({ source }) => `(${source})`).join('|'), 'g')

/** The ids of a document and what they are in this run. Times and references are only compared by their form. */
export class Names {
  readonly #actual = new Map<string, string>()

  /** The document's text with the ids of this run. */
  inRun(text: string): string {
    return text.replace(ANY_CHANGING, (name) => this.#actual.get(name) ?? name)
  }

  /** This run's text with the ids of the document, as far as `expected` tells what they are; the same id is always the same. */
  learn(expected: string, actual: string): string {
    const names = [...expected.matchAll(ANY_CHANGING)]
    let index = 0
    return actual.replace(ANY_CHANGING, (found, ...groups: readonly unknown[]) => {
      const name = names[index]
      index += 1
      // Of another form: left as it is, so that the comparison shows it.
      if (name === undefined || formOf(name.slice(1)) !== formOf(groups)) return found
      if (formOf(groups) >= CHANGING.length - 2) return name[0]
      const known = this.#actual.get(name[0])
      if (known === undefined) this.#actual.set(name[0], found)
      return known === undefined || known === found ? name[0] : found
    })
  }
}

const formOf = (groups: readonly unknown[]): number => groups.findIndex((group) => group !== undefined)
