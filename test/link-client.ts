/** A page's live link, by hand: what a test says goes out, what the server says can be waited for. */
import { once } from 'node:events'
import { WebSocket } from 'ws'

export interface Frame {
  readonly type: string
  readonly [field: string]: unknown
}

export interface LinkClient extends AsyncDisposable {
  send(...frames: readonly object[]): void
  /** Whatever it is. */
  sendRaw(text: string): void
  /** The first frame of this type, past or to come. */
  frame(type: string): Promise<Frame>
  /** All so far. */
  readonly frames: readonly Frame[]
  /** Resolves with the close code. */
  readonly closed: Promise<number>
}

export const DEVICE = 'd'.repeat(24)

/** Opens the link as the visitor with this cookie. @throws Error when the upgrade is refused */
export async function openLink(url: string, cookie: string, headers: Readonly<Record<string, string>> = {}): Promise<LinkClient> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, 'chat.v1', { headers: { cookie, origin: url, ...headers } })
  const frames: Frame[] = []
  const waiting = new Set<() => void>()
  const closed = new Promise<number>((resolve) => {
    socket.once('close', resolve)
  })
  socket.on('message', (data) => {
    const text = Buffer.isBuffer(data) ? data.toString('utf8') : ''
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the protocol has tests of its own
    frames.push(...text.split('\n').map((line) => JSON.parse(line) as Frame))
    for (const look of waiting) look()
  })
  await once(socket, 'open')
  // One that comes later is told by the close.
  socket.on('error', () => undefined)
  return {
    frames,
    send: (...sent) => socket.send(sent.map((frame) => JSON.stringify(frame)).join('\n')),
    sendRaw: (text) => socket.send(text),
    frame: (type) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = frames.find((frame) => frame.type === type)
          if (found === undefined) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    closed,
    async [Symbol.asyncDispose]() {
      socket.terminate()
      await closed
    },
  }
}
