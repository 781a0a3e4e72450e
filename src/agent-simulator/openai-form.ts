/**
 * OpenAI-compatible chat completions as an agent sees them. Written from `docs/agent-protocol.md` alone and sharing nothing with the service's
 * own adapter, so that a misreading on either side shows. Pure.
 */
import * as v from 'valibot'
import { event, headerFacts, NEVER_SHOWN, NOT_TEXT, problemIn, wordsIn, type AnswerStream, type HttpForm } from './http-form.ts'

const text = v.pipe(v.string(), v.minLength(1))
const bodySchema = v.object({
  model: text,
  messages: v.pipe(
    v.array(v.object({ role: v.picklist(['system', 'developer', 'user', 'assistant']), content: v.string() })),
    v.minLength(1),
  ),
  stream: v.literal(true),
  stream_options: v.optional(v.object({ include_usage: v.optional(v.boolean(), false) })),
})

/** What the simulator's models are called, whatever is asked for. */
const MODELS = { object: 'list', data: [{ id: 'simulator', object: 'model', created: 0, owned_by: 'agent-simulator' }] }

/** The answer to `GET` below the same address. */
export const MODELS_PATH = '/v1/models'
export const modelsBody = (): string => JSON.stringify(MODELS)

type Completion = v.InferOutput<typeof bodySchema>

export const openAiForm: HttpForm = {
  path: '/v1/chat/completions',
  read(body, headers) {
    const result = v.safeParse(bodySchema, body, { abortEarly: true })
    if (!result.success) return { ok: false, problem: problemIn(result.issues[0]) }
    const last = result.output.messages.at(-1)
    if (last?.role !== 'user' || last.content === '') return { ok: false, problem: 'the last of messages must be a question of the user' }
    const question = { text: last.content, attempt: 1, ...headerFacts(headers) }
    return { ok: true, question, answer: (at, id) => completionOf(result.output, at, id) }
  },
  refusal: (message) => ({ error: { message, type: 'invalid_request_error', param: null, code: null } }),
}

function completionOf({ model, messages, stream_options: options }: Completion, at: number, id: string): AnswerStream {
  const envelope = { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created: Math.floor(at / 1_000), model }
  const chunk = (delta: object, finishReason: string | null = null, index = 0): string =>
    event({ ...envelope, choices: [{ index, delta, finish_reason: finishReason }] })
  const promptTokens = wordsIn(messages.map(({ content }) => content))
  const usage = (words: number): string =>
    event({
      ...envelope,
      choices: [],
      usage: { prompt_tokens: promptTokens, completion_tokens: words, total_tokens: promptTokens + words },
    })
  return {
    begin: [chunk({ role: 'assistant', content: '' })],
    part: (content) => [chunk({ content })],
    end: (words) => [chunk({}, 'stop'), ...(options?.include_usage === true ? [usage(words)] : []), event('[DONE]')],
    fail: [event({ error: { message: 'the simulator was told to fail', type: 'server_error', param: null, code: null } })],
    garbage(kind) {
      switch (kind) {
        case 'text':
          return [event('<html><body>502 Bad Gateway</body></html>')]
        case 'json':
          return [event('{"id":"1","choi')]
        case 'form':
          return [chunk({ content: { text: NEVER_SHOWN } })]
        case 'binary':
          return [NOT_TEXT]
        case 'stranger':
          return [chunk({ content: NEVER_SHOWN }, null, 1), chunk({}, 'stop', 1)]
        case 'order':
          return [chunk({}, 'tool_calls')]
      }
    },
  }
}
