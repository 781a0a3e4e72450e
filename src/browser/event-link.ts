/**
 * The live link without a socket, for networks that let none through: the server's frames as an event stream, ours as requests.
 *
 * It looks like a socket to whoever uses it, so there is one client link and not two. Loaded after the page has come alive, and makes no
 * decisions: what came of a request that got no answer is unknown, as on a socket that was cut.
 */
import type { MessageId, TurnId } from '../conversation/ids.ts'
import type { ClientFrame, HelloFrame, SendFrame, ServerFrame } from '../protocol/protocol.ts'
import type { BrowserSocket, SocketListener } from './browser-env.ts'

export interface EventLinkOptions {
  /** Of the session in the API, on the page's own origin. */
  readonly sessionPath: string
  readonly listener: SocketListener
  /** The question that a turn answers, when the page shows it. */
  readonly questionOf: (turnId: TurnId) => MessageId | undefined
  readonly fetch: typeof fetch
}

/** Close codes of `protocol/close-codes.ts`; this file shares no code with the page's script, which loads it. */
const ABNORMAL = 1006
const OVERLOAD = 1013
const SESSION_GONE = 4404
const STORE_UNAVAILABLE = 4503

/** A stream cannot be asked for a sign of life, so it is opened anew. */
const MOVE: ServerFrame = { type: 'drain', afterMs: 0, windowMs: 0, deadlineMs: 0 }

/** Opens at once; the hello opens the stream. */
export const openEventLink = (options: EventLinkOptions): BrowserSocket => new EventLink(options)

class EventLink implements BrowserSocket {
  readonly #options: EventLinkOptions
  readonly #over = new AbortController()
  #device = ''

  constructor(options: EventLinkOptions) {
    this.#options = options
    queueMicrotask(() => {
      if (!this.#over.signal.aborted) options.listener.opened()
    })
  }

  send(text: string): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the page's own words
    const frame = JSON.parse(text) as ClientFrame
    // What became of a question is unknown then, and the page sends it again.
    this.#take(frame).catch(() => (frame.type === 'send' ? undefined : this.#end(ABNORMAL)))
  }

  close(): void {
    this.#over.abort()
  }

  async #take(frame: ClientFrame): Promise<void> {
    switch (frame.type) {
      case 'hello':
        return this.#follow(frame)
      case 'send':
        return this.#ask(frame)
      case 'stop':
        return this.#stop(frame.turnId)
      case 'probe':
        return this.#say(MOVE)
      case 'pong':
        return undefined
    }
  }

  #say(...frames: readonly ServerFrame[]): void {
    this.#hand(frames.map((frame) => JSON.stringify(frame)))
  }

  #hand(frames: readonly string[]): void {
    if (frames.length > 0 && !this.#over.signal.aborted) this.#options.listener.received(frames.join('\n'))
  }

  #end(code: number): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#options.listener.closed(code)
  }

  async #follow({ resume, device }: HelloFrame): Promise<void> {
    const { fetch, sessionPath } = this.#options
    this.#device = device
    const after = resume === undefined ? '' : `&after=${resume.logId}.${resume.seq}.${resume.id}`
    const { signal } = this.#over
    const response = await fetch(`${sessionPath}/events?device=${device}${after}`, { headers: { accept: 'text/event-stream' }, signal })
    if (!response.ok || response.body === null) return this.#refused(response)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return this.#end(ABNORMAL)
      const pieces = (rest + value).split('\n\n')
      rest = pieces.pop() ?? ''
      const frames = pieces.map(frameIn).filter((frame) => frame !== undefined)
      if (frames.includes(FAILED)) return this.#end(STORE_UNAVAILABLE)
      // What came together belongs together, as on a socket.
      this.#hand(frames)
    }
  }

  async #refused(response: Response): Promise<void> {
    const { code } = await errorIn(response)
    if (code === 'SESSION_NOT_FOUND') return this.#end(SESSION_GONE)
    const afterMs = retryAfterMs(response)
    if (afterMs !== undefined) this.#say({ type: 'bye', code: OVERLOAD, retry: 'resume', afterMs })
    return this.#end(ABNORMAL)
  }

  async #ask({ messageId, number, text, inReplyTo }: SendFrame): Promise<void> {
    const metadata = { inReplyTo, numbered: { device: this.#device, number } }
    const response = await this.#post('/messages', { id: messageId, content: text, metadata })
    if (response.ok) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it says is checked as the frame that it becomes
      const { accepted } = (await response.json()) as { readonly accepted: { readonly seq: number; readonly duplicate: boolean } }
      return this.#say({ type: 'accepted', messageId, number, ...accepted })
    }
    const { code, isRetryable, details } = await errorIn(response)
    // A refusal that is not the service's own leaves it unknown whether the question arrived.
    if (code === undefined) return undefined
    const rejected = { type: 'rejected', messageId, temporary: isRetryable, retryAfterMs: retryAfterMs(response) } as const
    return this.#say({ ...rejected, code: REASONS[code] ?? 'unavailable', expectedNumber: details?.expectedNumber })
  }

  async #stop(turnId: TurnId): Promise<void> {
    const messageId = this.#options.questionOf(turnId)
    if (messageId === undefined) return
    const { status } = await this.#post(`/messages/${messageId}/stop`, {})
    // It is said again on the next link.
    if (status >= 500) this.#end(ABNORMAL)
  }

  #post(path: string, body: object): Promise<Response> {
    const { fetch, sessionPath } = this.#options
    const headers = { 'content-type': 'application/json' }
    return fetch(sessionPath + path, { method: 'POST', headers, body: JSON.stringify(body), signal: this.#over.signal })
  }
}

/** By the API's code; any other is a wait. */
const REASONS: Readonly<Record<string, Extract<ServerFrame, { type: 'rejected' }>['code']>> = {
  MESSAGE_CONFLICT: 'conflict',
  MESSAGE_OUT_OF_ORDER: 'order',
  RATE_LIMITED: 'rate',
  TOO_MANY_OPEN_QUESTIONS: 'overload',
  SESSION_NOT_FOUND: 'closed',
  VALIDATION_ERROR: 'invalid',
}

interface ApiError {
  readonly code?: string
  readonly isRetryable: boolean
  readonly details?: { readonly expectedNumber?: number }
}

/** What the API says is wrong; without a code when it was not the API that answered. */
async function errorIn(response: Response): Promise<ApiError> {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it says is checked as the frame that it becomes
    const { error } = (await response.json()) as { readonly error: ApiError }
    return error
  } catch {
    return { isRetryable: true }
  }
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? '')
  return seconds > 0 ? Math.ceil(seconds * 1_000) : undefined
}

const FAILED = 'failed'

/** The frame that an event is, as text; `undefined` for what is none. */
function frameIn(piece: string): string | undefined {
  const lines = piece.split('\n')
  const field = (name: string): string | undefined => lines.find((line) => line.startsWith(name))?.slice(name.length)
  const [event, data] = [field('event: '), field('data: ')]
  if (event === FAILED) return FAILED
  if (event === undefined || data === undefined) return undefined
  return event === 'entry' ? `{"type":"entry","entry":${data}}` : `{"type":${JSON.stringify(event)},${data.slice(1)}`
}
