/** HTTP as bytes: what no well-behaved client would send, and what came back, byte for byte. */
import { connect } from 'node:net'

export interface RawAnswer {
  /** 0 when the connection was closed without an answer. */
  readonly status: number
  /** By name in lower case; several of one name are joined by a line feed. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

const NO_ANSWER: RawAnswer = { status: 0, headers: new Map(), body: '' }
const HEAD_END = '\r\n\r\n'

/** What ends without the server closing the connection: an open link, and a stream that goes on. */
const isOpenEnded = ({ status, headers }: RawAnswer): boolean =>
  status === 101 || headers.get('content-type')?.startsWith('text/event-stream') === true

/** Sends `bytes` over a connection of its own and reads until the server closes it, or has begun an answer that has no end. */
export async function exchange(origin: string, bytes: string | Buffer): Promise<RawAnswer> {
  const { hostname, port } = new URL(origin)
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  let received = ''
  const socket = connect(Number(port), hostname, () => void socket.write(bytes))
  socket.setEncoding('latin1')
  socket.on('data', (text) => {
    received += String(text)
    if (!received.includes(HEAD_END)) return
    const answer = parseAnswer(received)
    if (!isOpenEnded(answer)) return
    resolve(answer)
    socket.destroy()
  })
  // A server that has had enough may reset the connection after its answer.
  socket.on('error', (error) => (received === '' && !('code' in error && error.code === 'ECONNRESET') ? reject(error) : undefined))
  socket.once('close', () => resolve(parseAnswer(received)))
  return promise
}

function parseAnswer(raw: string): RawAnswer {
  // Being told to go on is no answer yet.
  const received = raw.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '')
  const end = received.indexOf(HEAD_END)
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1] ?? 0)
  if (end === -1 || status === 0) return NO_ANSWER
  const headers = new Map<string, string>()
  for (const line of received.slice(0, end).split('\r\n').slice(1)) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const before = headers.get(name)
    const value = line.slice(colon + 1).trim()
    headers.set(name, before === undefined ? value : `${before}\n${value}`)
  }
  return { status, headers, body: received.slice(end + HEAD_END.length) }
}
