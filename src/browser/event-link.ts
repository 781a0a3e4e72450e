/**
 * The live link without a socket, for networks that let none through: the server's frames as an event stream, ours as requests.
 *
 * It looks like a socket to whoever uses it, so there is one client link and not two. Loaded when it is needed first, and makes no
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

export function openEventLink({ sessionPath, listener, questionOf, fetch }: EventLinkOptions): BrowserSocket {
  const over = new AbortController()
  const { signal } = over
  let device = ''

  const say = (frame: ServerFrame): void => {
    if (!signal.aborted) listener.received(JSON.stringify(frame))
  }
  const end = (code: number): void => {
    if (signal.aborted) return
    over.abort()
    listener.closed(code)
  }
  const request = (path: string, body: object): Promise<Response> =>
    fetch(sessionPath + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal })

  async function follow({ resume, ...hello }: HelloFrame): Promise<void> {
    device = hello.device
    const after = resume === undefined ? '' : `&after=${resume.logId}.${resume.seq}.${resume.id}`
    const response = await fetch(`${sessionPath}/events?device=${device}${after}`, { headers: { accept: 'text/event-stream' }, signal })
    if (!response.ok || response.body === null) {
      const { code } = await errorIn(response)
      if (code === 'SESSION_NOT_FOUND') return end(SESSION_GONE)
      const afterMs = retryAfterMs(response)
      if (afterMs !== undefined) say({ type: 'bye', code: OVERLOAD, retry: 'resume', afterMs })
      return end(ABNORMAL)
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let rest = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return end(ABNORMAL)
      const pieces = (rest + value).split('\n\n')
      rest = pieces.pop() ?? ''
      const frames = pieces.map(frameIn).filter((frame) => frame !== undefined)
      if (frames.includes(FAILED)) return end(STORE_UNAVAILABLE)
      // What came together belongs together, as on a socket.
      if (frames.length > 0 && !signal.aborted) listener.received(frames.join('\n'))
    }
  }

  async function ask({ messageId, number, text, inReplyTo }: SendFrame): Promise<void> {
    const metadata = { inReplyTo, numbered: { device, number } }
    const response = await request('/messages', { id: messageId, content: text, metadata })
    if (response.ok) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it says is checked as the frame that it becomes
      const { accepted } = (await response.json()) as { readonly accepted: { readonly seq: number; readonly duplicate: boolean } }
      return say({ type: 'accepted', messageId, number, ...accepted })
    }
    const { code, isRetryable, details } = await errorIn(response)
    // A refusal that is not the service's own leaves it unknown whether the question arrived.
    if (code === undefined) return undefined
    const rejected = { type: 'rejected', messageId, temporary: isRetryable, retryAfterMs: retryAfterMs(response) } as const
    return say({ ...rejected, code: REASONS[code] ?? 'unavailable', expectedNumber: details?.expectedNumber })
  }

  async function stop(turnId: TurnId): Promise<void> {
    const messageId = questionOf(turnId)
    if (messageId === undefined) return
    const { status } = await request(`/messages/${messageId}/stop`, {})
    // It is said again on the next link.
    if (status >= 500) end(ABNORMAL)
  }

  function take(frame: ClientFrame): Promise<void> | undefined {
    switch (frame.type) {
      case 'hello':
        return follow(frame).catch(() => end(ABNORMAL))
      case 'send':
        return ask(frame)
      case 'stop':
        return stop(frame.turnId).catch(() => end(ABNORMAL))
      case 'probe':
        return Promise.resolve(MOVE).then(say)
      case 'pong':
        return undefined
    }
  }

  queueMicrotask(() => {
    if (!signal.aborted) listener.opened()
  })
  return {
    send(text) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the page's own words
      take(JSON.parse(text) as ClientFrame)?.catch(() => undefined)
    },
    close: () => over.abort(),
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
