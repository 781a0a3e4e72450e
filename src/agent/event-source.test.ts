import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AGENT_BODY_BYTES_MAX, AGENT_FRAME_BYTES_MAX } from '../conversation/limits.ts'
import { AgentError } from './agent-error.ts'
import { readEvents } from './event-source.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

async function* bodyOf(chunks: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function read(...chunks: readonly (Uint8Array | string)[]): Promise<readonly string[]> {
  const events: string[] = []
  const body = bodyOf(chunks.map((chunk) => (typeof chunk === 'string' ? bytesOf(chunk) : chunk)))
  for await (const data of readEvents(body)) events.push(data)
  return events
}

async function failureOf(reading: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([reading])
  return result.status === 'rejected' ? result.reason : undefined
}

/** `bytes` cut at each of the places. */
function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].toSorted((a, b) => a - b)
  return [...sorted, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : sorted[index - 1], end))
}

test('[A34] events are read whole wherever their bytes are cut, inside a character and a line end included', async () => {
  const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll(/[\r\n\0]/g, ' '))
  const property = fc.asyncProperty(
    fc.array(text, { minLength: 1, maxLength: 5 }),
    fc.array(fc.nat(), { maxLength: 12 }),
    fc.constantFrom('\n', '\r\n', '\r'),
    async (texts, places, lineEnd) => {
      const stream = texts.map((data) => `: a comment${lineEnd}id: 7${lineEnd}data: ${data}${lineEnd}${lineEnd}`).join('')
      expect(await read(...cut(bytesOf(stream), places))).toEqual(texts)
    },
  )
  await fc.assert(property, { numRuns: 300, seed: 7 })
})

test('[A34] each byte may come alone', async () => {
  const stream = bytesOf('data: {"a":"é🙂"}\r\n\r\ndata: [DONE]\n\n')
  expect(await read(...Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual(['{"a":"é🙂"}', '[DONE]'])
})

test('[A34] lines of other fields mean nothing, data over several lines is one event, and an unfinished event is none', async () => {
  const stream = '\uFEFFretry: 5\nevent: error\n<html>\ndata: one\ndata:  two\n\n:\n\ndata: three\n'
  expect(await read(stream)).toEqual(['one\n two'])
})

test.each([
  ['that are not UTF-8', ['data: ok\n\n', Uint8Array.of(0x64, 0xff, 0x0a)], 'not UTF-8'],
  ['of one event without end', ['data: ', 'x'.repeat(AGENT_FRAME_BYTES_MAX), 'x'], 'too large'],
  [
    'of many lines of one event',
    ['data: ', 'x'.repeat(AGENT_FRAME_BYTES_MAX / 2), '\ndata: ', 'x'.repeat(AGENT_FRAME_BYTES_MAX / 2), 'x\n'],
    'too large',
  ],
])('[A34] bytes %s are a protocol failure that repeats nothing', async (_what, chunks, words) => {
  const failure = await failureOf(read(...chunks))
  expect(failure).toBeInstanceOf(AgentError)
  expect(failure).toMatchObject({ kind: 'protocol', isRetryable: false, message: expect.stringContaining(words) })
  expect(String(failure)).not.toContain('xx')
})

test('[A34] a body has an end, though nothing in it is too large', async () => {
  const comment = bytesOf(`:${'.'.repeat(1024 * 1024 - 2)}\n`)
  const chunks = Array.from({ length: AGENT_BODY_BYTES_MAX / comment.length }, () => comment)
  expect(await read(...chunks)).toEqual([])
  expect(await failureOf(read(...chunks, '\n'))).toMatchObject({
    kind: 'protocol',
    message: expect.stringContaining('more than any answer'),
  })
})

test('[A34] what the connection breaks with is handed on', async () => {
  const cause = Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield bytesOf('data: one\n\nda')
    throw cause
  }
  const seen: string[] = []
  const readAll = async (): Promise<void> => {
    for await (const data of readEvents(breaking())) seen.push(data)
  }
  expect([await failureOf(readAll()), seen]).toEqual([cause, ['one']])
})
