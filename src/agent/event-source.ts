/**
 * Reads the data of server-sent events out of bytes, however they are cut, within bounds.
 */
import { createParser } from 'eventsource-parser'
import { AGENT_BODY_BYTES_MAX, AGENT_FRAME_BYTES_MAX } from '../conversation/limits.ts'
import { AgentError } from './agent-error.ts'

/**
 * The `data` of each event as it is complete. Other fields and comments mean nothing here, and an event that was begun and not
 * ended is none (WHATWG HTML, "Server-sent events").
 *
 * @throws AgentError `protocol` for bytes that are not UTF-8 and for more than the bounds allow; whatever `body` rejects with
 */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const complete: string[] = []
  let isTooLarge = false
  const parser = createParser({
    maxBufferSize: AGENT_FRAME_BYTES_MAX,
    onEvent: ({ data }) => void complete.push(data),
    onError: ({ type }) => {
      // Fields that are not of the form are ignored, as the standard says.
      isTooLarge ||= type === 'max-buffer-size-exceeded'
    },
  })
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > AGENT_BODY_BYTES_MAX) throw broken('the agent sent more than any answer needs')
    parser.feed(decode(decoder, chunk))
    yield* complete.splice(0)
    if (isTooLarge) throw broken('the agent sent an event that is too large')
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch (cause) {
    throw broken('the agent sent what is not UTF-8', cause)
  }
}

const broken = (message: string, cause?: unknown): AgentError => new AgentError('protocol', message, { isRetryable: false, cause })
