/** An HTTP answer that goes on for a while, read as it arrives. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { TEST_HOST, type TestGateway, type TestVisitor } from './test-gateway.ts'

/** An answer as it arrives over a real connection. */
export interface OpenStream extends AsyncDisposable {
  readonly answer: IncomingMessage
  /** Resolves with all text so far once it holds `what`. */
  until(what: string): Promise<string>
  /** Resolves with all text once the answer is whole. */
  whole(): Promise<string>
  leave(): void
}

interface Asking {
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: string
}

/** Asks a gateway that listens. A compressed answer is read as it arrives, too. */
export async function openStream(
  gateway: TestGateway,
  visitor: TestVisitor,
  { path, headers, method = 'GET' }: Asking,
): Promise<OpenStream> {
  const sent = httpRequest({
    host: '127.0.0.1',
    port: Number(gateway.server.info.port),
    method,
    path,
    headers: { host: TEST_HOST, cookie: visitor.cookie, ...headers },
  })
  const arrived = Promise.withResolvers<IncomingMessage>()
  sent.once('response', arrived.resolve).once('error', arrived.reject).end()
  const answer = await arrived.promise
  const body = answer.headers['content-encoding'] === 'gzip' ? answer.pipe(createGunzip()) : answer
  body.setEncoding('utf8')
  let text = ''
  const waiting = new Set<() => void>()
  body.on('data', (piece: string) => {
    text += piece
    for (const look of waiting) look()
  })
  const ended = once(body, 'end')
  // Whoever leaves early does not wait for the end.
  ended.catch(() => undefined)
  return {
    answer,
    async until(what) {
      const { promise, resolve } = Promise.withResolvers<string>()
      const look = (): void => {
        if (text.includes(what)) resolve(text)
      }
      waiting.add(look)
      look()
      return promise.finally(() => waiting.delete(look))
    },
    async whole() {
      await ended
      return text
    },
    leave: () => void sent.destroy(),
    async [Symbol.asyncDispose]() {
      sent.on('error', () => undefined)
      answer.on('error', () => undefined)
      body.on('error', () => undefined)
      sent.destroy()
    },
  }
}
