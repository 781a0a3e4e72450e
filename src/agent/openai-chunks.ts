/**
 * What an OpenAI-compatible agent says about a chat completion, and the only way from the wire to it. Pure.
 *
 * What an agent adds beside the members we know is ignored; what it says in place of them is refused. Refusals never repeat the input.
 */
import * as v from 'valibot'
import { AgentError } from './agent-error.ts'
import type { AgentEvent, Question } from './agent.ts'

const maybe = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  )
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const failureSchema = v.object({ code: maybe(v.union([v.string(), v.number()])), type: maybe(v.string()) })
const usageSchema = v.object({ prompt_tokens: maybe(count), completion_tokens: maybe(count) })
const chunkSchema = v.object({
  error: maybe(v.unknown()),
  choices: maybe(
    v.array(
      v.object({
        index: maybe(count),
        delta: maybe(v.object({ content: maybe(v.string()), refusal: maybe(v.string()) })),
        finish_reason: maybe(v.string()),
      }),
    ),
  ),
  usage: maybe(usageSchema),
})

type End = Extract<AgentEvent, { readonly type: 'finished' | 'cut-short' }>
export type Usage = Extract<AgentEvent, { readonly type: 'usage' }>

/** What one chunk means. */
export interface Chunk {
  /** Empty for none. */
  readonly text: string
  readonly usage: Usage | undefined
  /** How the answer ended, if it did. */
  readonly end: End | undefined
}

/** The one line that is not JSON: nothing follows. */
export const DONE = '[DONE]'

/** The one choice that was asked for. */
const OURS = 0

const ENDS: ReadonlyMap<string, End> = new Map<string, End>([
  ['stop', { type: 'finished' }],
  ['length', { type: 'cut-short', reason: 'too-long' }],
  ['content_filter', { type: 'cut-short', reason: 'withheld' }],
])

/** @throws AgentError for a chunk of another form, an end that is none, and a failure that the agent tells of in the stream */
export function parseChunk(data: string): Chunk {
  const value = parseJson(data)
  if (Array.isArray(value)) throw broken('the agent sent another form: chunk')
  const result = v.safeParse(chunkSchema, value, { abortEarly: true })
  if (!result.success) throw broken(`the agent sent another form: ${v.getDotPath(result.issues[0]) ?? 'chunk'}`)
  const { error, choices = [], usage } = result.output
  if (error !== undefined) throw failureIn(error)
  const choice = choices.find(({ index }) => (index ?? OURS) === OURS)
  const { content = '', refusal = '' } = choice?.delta ?? {}
  return { text: content + refusal, usage: usage === undefined ? undefined : usageOf(usage), end: endOf(choice?.finish_reason) }
}

/** The body of a question. */
export const formatCompletion = (question: Question, model: string): string =>
  JSON.stringify({
    model,
    messages: [...question.history, { role: 'user', text: question.text }].map(({ role, text }) => ({ role, content: text })),
    stream: true,
    stream_options: { include_usage: true },
  })

/** What the body of a refusal says of itself, as far as it is of the form. */
export function refusalCode(body: string): string | undefined {
  const refusal = v.safeParse(v.object({ error: failureSchema }), parseLoosely(body))
  if (!refusal.success) return undefined
  const { code, type } = refusal.output.error
  return typeof code === 'string' ? code : type
}

function endOf(reason: string | undefined): End | undefined {
  // Some agents send an empty one until they send the real one.
  if (reason === undefined || reason === '') return undefined
  const end = ENDS.get(reason)
  // Tools, for example: none were offered, so there is nobody to use them.
  if (end === undefined) throw broken('the agent ended its answer in a way that is no end here')
  return end
}

const usageOf = (usage: v.InferOutput<typeof usageSchema>): Usage => ({
  type: 'usage',
  inputTokens: usage.prompt_tokens,
  outputTokens: usage.completion_tokens,
})

/** The status of the answer is gone by then; some agents repeat it in the failure. */
function failureIn(failure: unknown): AgentError {
  const parsed = v.safeParse(failureSchema, failure)
  const code = parsed.success ? parsed.output.code : undefined
  const status = Number(code)
  const isRetryable = !(status >= 400 && status < 500) || status === 408 || status === 425 || status === 429
  return status === 429 || status === 503
    ? new AgentError('busy', 'the agent is busy', { isRetryable })
    : new AgentError('error', 'the agent failed', { isRetryable })
}

function parseJson(data: string): unknown {
  const value = parseLoosely(data)
  if (value === undefined) throw broken('the agent sent what is not JSON')
  return value
}

/** `undefined` for what is not JSON: the parser's own words would repeat what the agent said. */
function parseLoosely(data: string): unknown {
  try {
    const value: unknown = JSON.parse(data)
    return value
  } catch {
    return undefined
  }
}

const broken = (message: string): AgentError => new AgentError('protocol', message, { isRetryable: false })
