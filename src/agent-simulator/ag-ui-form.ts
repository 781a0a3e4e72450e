/**
 * AG-UI over server-sent events as an agent sees it. Written from `docs/agent-protocol.md` alone and sharing nothing with the service's own
 * adapter, so that a misreading on either side shows. Pure.
 */
import * as v from 'valibot'
import { event, headerFacts, NEVER_SHOWN, NOT_TEXT, problemIn, wordsIn, type AnswerStream, type HttpForm } from './http-form.ts'

const text = v.pipe(v.string(), v.minLength(1))
const bodySchema = v.object({
  threadId: text,
  runId: text,
  protocolVersion: v.optional(text),
  messages: v.pipe(v.array(v.object({ id: text, role: text, content: v.string() })), v.minLength(1)),
  forwardedProps: v.optional(v.object({ attempt: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1) })),
})

type RunInput = v.InferOutput<typeof bodySchema>

export const agUiForm: HttpForm = {
  path: '/ag-ui',
  read(body, headers) {
    const result = v.safeParse(bodySchema, body, { abortEarly: true })
    if (!result.success) return { ok: false, problem: problemIn(result.issues[0]) }
    const { messages, forwardedProps } = result.output
    const last = messages.at(-1)
    if (last?.role !== 'user' || last.content === '') return { ok: false, problem: 'the last of messages must be a question of the user' }
    const question = { text: last.content, attempt: forwardedProps?.attempt ?? 1, ...headerFacts(headers) }
    return { ok: true, question, answer: (at, id) => runOf(result.output, at, id) }
  },
  refusal: (message) => ({ error: { message } }),
}

function runOf({ threadId, runId, messages }: RunInput, timestamp: number, messageId: string): AnswerStream {
  const say = (type: string, more: object): string => event({ type, timestamp, ...more })
  const content = (delta: string, id = messageId): string => say('TEXT_MESSAGE_CONTENT', { messageId: id, delta })
  const inputTokens = wordsIn(messages.map((message) => message.content))
  return {
    begin: [say('RUN_STARTED', { threadId, runId, protocolVersion: '1.0' }), say('TEXT_MESSAGE_START', { messageId, role: 'assistant' })],
    part: (delta) => [content(delta)],
    end: (outputTokens) => [
      say('TEXT_MESSAGE_END', { messageId }),
      say('RUN_FINISHED', {
        threadId,
        runId,
        outcome: { type: 'success' },
        usage: [{ model: 'simulator', inputTokens, outputTokens, totalTokens: inputTokens + outputTokens }],
      }),
    ],
    fail: [say('RUN_ERROR', { message: 'the simulator was told to fail' })],
    garbage(kind) {
      const stranger = `${messageId}-stranger`
      switch (kind) {
        case 'text':
          return [event('<html><body>502 Bad Gateway</body></html>')]
        case 'json':
          return [event('{"type":"TEXT_MESSAGE_CONT')]
        case 'form':
          return [say('TEXT_MESSAGE_CONTENT', { messageId, delta: { text: NEVER_SHOWN } })]
        case 'binary':
          return [NOT_TEXT]
        case 'stranger':
          return [
            say('TEXT_MESSAGE_START', { messageId: stranger, role: 'user' }),
            content(NEVER_SHOWN, stranger),
            say('TEXT_MESSAGE_END', { messageId: stranger }),
          ]
        case 'order':
          return [content(NEVER_SHOWN, stranger)]
      }
    },
  }
}
