/** How a page of the recorder reaches a server: by WebSocket, or by server-sent events and requests (`PROTOCOL.md` §3 and §17). */
import { WebSocket } from 'ws'
import type { Carrier, LinkEvents, Question, ServerFrame } from './chaos-page.ts'

export interface Visit {
  readonly session: string
  readonly cookie: string
  /** Where the next link leads. */
  readonly origin: () => string
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what does not fit shows in the history
const frameIn = (text: string): ServerFrame => JSON.parse(text) as ServerFrame

export const bySocket =
  ({ session, cookie, origin }: Visit): Carrier =>
  ({ device, resume }, on) => {
    const place = origin()
    const socket = new WebSocket(`${place.replace(/^http/, 'ws')}/ws`, 'chat.v1', {
      headers: { cookie, origin: place },
      handshakeTimeout: 5_000,
    })
    const say = (frame: object): void => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
    }
    socket.on('open', () => say({ type: 'hello', v: 1, session, device, ...(resume === undefined ? {} : { resume }) }))
    socket.on('message', (data) => {
      for (const line of (Buffer.isBuffer(data) ? data.toString('utf8') : '').split('\n')) on.frame(frameIn(line))
    })
    socket.on('error', () => undefined)
    socket.on('close', () => on.ended())
    return {
      send: ({ id, number, text }) => say({ type: 'send', messageId: id, number, text }),
      pong: (n, cursor) => say({ type: 'pong', n, ...(cursor === undefined ? {} : { cursor }) }),
      end: () => socket.terminate(),
    }
  }

export const byEvents =
  ({ session, cookie, origin }: Visit): Carrier =>
  ({ device, resume }, on) => {
    const place = `${origin()}/api/v1/sessions/${session}`
    const gone = new AbortController()
    const after = resume === undefined ? '' : `&after=${resume.logId}.${resume.seq}.${resume.id}`
    const headers = { cookie, origin: new URL(place).origin }
    void follow(
      `${place}/events?device=${device}${after}`,
      { headers: { ...headers, accept: 'text/event-stream' }, signal: gone.signal },
      on,
    )
    return {
      send: (question) => void post(`${place}/messages`, { headers, signal: gone.signal, device, question }, on),
      pong: () => undefined,
      end: () => gone.abort(),
    }
  }

/** Reads events until the stream ends, for whatever reason. Never rejects. */
async function follow(url: string, request: RequestInit, on: LinkEvents): Promise<void> {
  try {
    const response = await fetch(url, request)
    if (response.status !== 200 || response.body === null) throw new Error(`no events: ${response.status}`)
    let rest = ''
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + chunk).split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) tell(block, on)
    }
  } catch {
    // Cut, refused or called off: in each case the page comes back.
  }
  on.ended()
}

function tell(block: string, on: LinkEvents): void {
  const field = (name: string): string | undefined => new RegExp(`^${name}: ?(.*)$`, 'm').exec(block)?.[1]
  const [event, data] = [field('event'), field('data')]
  if (event === undefined || data === undefined) return
  const fields: object = frameIn(data)
  on.frame(event === 'entry' ? { type: 'entry', entry: fields } : { ...fields, type: event })
}

interface Post {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly device: string
  readonly question: Question
}

/** Asks once; an answer that is none leaves it unknown, and the page asks again. Never rejects. */
async function post(url: string, { headers, signal, device, question }: Post, on: LinkEvents): Promise<void> {
  const { id, number, text } = question
  const body = JSON.stringify({ id, content: text, metadata: { numbered: { device, number } } })
  try {
    const response = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, signal })
    await response.text()
    if (response.ok) return on.frame({ type: 'accepted', messageId: id })
    const temporary = response.status >= 500 || response.status === 429 || response.status === 409
    const retryAfterMs = Number(response.headers.get('retry-after') ?? 0) * 1_000
    on.frame({ type: 'rejected', messageId: id, temporary, code: String(response.status), retryAfterMs })
  } catch {
    // Unknown.
  }
}
