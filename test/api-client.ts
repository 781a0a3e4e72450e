/**
 * A visitor at the API: keeps the cookie as a browser does, asks, reads, and follows the event stream.
 */
import { randomUUID } from 'node:crypto'
import * as v from 'valibot'

const messageSchema = v.object({
  id: v.string(),
  role: v.picklist(['user', 'assistant', 'system']),
  content: v.string(),
  status: v.string(),
  metadata: v.object({
    inReplyTo: v.optional(v.string()),
    reason: v.optional(v.string()),
    attempt: v.optional(v.number()),
    isSuperseded: v.optional(v.boolean()),
    fallback: v.optional(v.boolean()),
  }),
})
const messagesSchema = v.object({ messages: v.array(messageSchema) })
const sessionSchema = v.object({ sessionId: v.string() })

export type Message = v.InferOutput<typeof messageSchema>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

export interface ServerSentEvent {
  readonly id: string | undefined
  readonly event: string
  readonly data: string
}

export class ApiClient {
  #cookie: string | undefined
  #origin: string
  readonly #headers: Readonly<Record<string, string>>

  /** `headers` go with every request. */
  constructor(origin: string, headers: Readonly<Record<string, string>> = {}) {
    this.#origin = origin
    this.#headers = headers
  }

  /** Goes on at another address with the same cookie, as a browser does when the server comes back. */
  moveTo(origin: string): void {
    this.#origin = origin
  }

  get cookie(): string | undefined {
    return this.#cookie
  }

  /** One request; JSON in and out where there is any. */
  async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.#fetch(method, path, body === undefined ? {} : { body: JSON.stringify(body) }, 'application/json')
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
    return { status: response.status, headers: response.headers, body: isJson ? parseJson(text) : text }
  }

  async createSession(): Promise<string> {
    const { status, body } = await this.request('POST', '/api/v1/sessions')
    if (status !== 201) throw new Error(`no session: ${status} ${JSON.stringify(body)}`)
    return v.parse(sessionSchema, body).sessionId
  }

  /** Sends a question; the same id again is the same question. */
  ask(session: string, content: string, id: string = randomUUID()): Promise<Answer> {
    return this.request('POST', `/api/v1/sessions/${session}/messages`, { id, content })
  }

  async messages(session: string): Promise<readonly Message[]> {
    const { status, body } = await this.request('GET', `/api/v1/sessions/${session}/messages`)
    if (status !== 200) throw new Error(`no messages: ${status} ${JSON.stringify(body)}`)
    return v.parse(messagesSchema, body).messages
  }

  /** Follows the session's event stream; ends when the server ends the response or the loop is left. */
  async *events(session: string, lastEventId?: string): AsyncGenerator<ServerSentEvent> {
    const aborter = new AbortController()
    const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const response = await this.#fetch(
      'GET',
      `/api/v1/sessions/${session}/events`,
      { headers, signal: aborter.signal },
      'text/event-stream',
    )
    if (response.status !== 200 || response.body === null) throw new Error(`no events: ${response.status} ${await response.text()}`)
    try {
      let rest = ''
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        const blocks = (rest + chunk).split('\n\n')
        rest = blocks.pop() ?? ''
        yield* blocks.map(parseEvent).filter((event) => event !== undefined)
      }
    } finally {
      aborter.abort()
    }
  }

  /**
   * Reads the conversation again at every event until `read` makes something of it.
   * A stream that ends, as every stream does after a while or with its server, is opened again by the caller.
   */
  async until<Value>(session: string, read: (messages: readonly Message[]) => Value | undefined): Promise<Value> {
    for (;;) {
      const events = this.events(session)
      while ((await events.next()).done !== true) {
        const value = read(await this.messages(session))
        if (value === undefined) continue
        await events.return(undefined)
        return value
      }
    }
  }

  async #fetch(method: string, path: string, init: RequestInit, accept: string): Promise<Response> {
    const headers = new Headers({ ...this.#headers, ...Object.fromEntries(new Headers(init.headers)) })
    headers.set('accept', accept)
    if (init.body !== undefined) headers.set('content-type', 'application/json')
    if (this.#cookie !== undefined) headers.set('cookie', this.#cookie)
    const response = await fetch(this.#origin + path, { redirect: 'manual', ...init, method, headers })
    const [cookie] = response.headers.getSetCookie()
    if (cookie !== undefined) this.#cookie = cookie.split(';')[0]
    return response
  }
}

const parseJson = (text: string): unknown => JSON.parse(text)

/** One block of an event stream; `undefined` for a block of comments alone. */
function parseEvent(block: string): ServerSentEvent | undefined {
  const fields = new Map<string, string[]>()
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon)
    fields.set(name, [...(fields.get(name) ?? []), line.slice(colon + 1).replace(/^ /, '')])
  }
  const data = fields.get('data')
  return data === undefined
    ? undefined
    : { id: fields.get('id')?.at(-1), event: fields.get('event')?.at(-1) ?? 'message', data: data.join('\n') }
}
