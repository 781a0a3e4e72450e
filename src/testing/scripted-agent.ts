/**
 * An agent that says what a script tells it to, when it tells it to: by events, never by sleeping.
 *
 * Each question it is asked becomes a `ScriptedCall`, on which a test, or a script, speaks. It can also misbehave
 * in the ways the port forbids, because real adapters may.
 */
import type { Agent, AgentEvent, CutShort, Question } from '../agent/agent.ts'

/** One question being answered. */
export interface ScriptedCall {
  readonly question: Question
  /** Whether the caller has cancelled. */
  readonly isCancelled: boolean
  /** Resolves when the caller cancels. */
  readonly cancelled: Promise<void>
  say(text: string, persona?: string): void
  finish(): void
  /** Ends the answer before it is whole, and says why. */
  cutShort(reason: CutShort): void
  /** Says what the answer took. */
  used(inputTokens: number, outputTokens: number): void
  /** Ends the stream without `finished`. */
  breakOff(): void
  fail(cause: Error): void
}

export interface ScriptedAgentOptions {
  /** Called with each question as it comes; without it a test speaks for itself, through `asked` and `calls`. */
  readonly script?: (call: ScriptedCall) => void
  /** Thrown by `answer` itself, before any stream exists. */
  readonly throwsAtOnce?: () => Error
  /** Goes on speaking after it was cancelled. */
  readonly ignoresCancel?: boolean
}

export interface ScriptedAgent extends Agent {
  /** Every question so far, oldest first. */
  readonly calls: readonly ScriptedCall[]
  /** The call number `count` (from 1), now or as soon as it is made. */
  asked(count: number): Promise<ScriptedCall>
  /** What `ping` rejects with from now on; `undefined` makes it answer. */
  failPing(cause: Error | undefined): void
}

/** Says `texts`, then finishes. */
export const answering =
  (...texts: readonly string[]) =>
  (call: ScriptedCall): void => {
    for (const text of texts) call.say(text)
    call.finish()
  }

type Line =
  | { readonly type: 'event'; readonly event: AgentEvent }
  | { readonly type: 'end' }
  | { readonly type: 'fail'; readonly cause: Error }

export function createScriptedAgent(options: ScriptedAgentOptions = {}): ScriptedAgent {
  const calls: ScriptedCall[] = []
  const waiting = new Map<number, PromiseWithResolvers<ScriptedCall>>()
  let pingFailure: Error | undefined
  return {
    description: 'scripted agent',
    calls,
    asked(count) {
      const made = calls[count - 1]
      if (made !== undefined) return Promise.resolve(made)
      const wait = waiting.get(count) ?? Promise.withResolvers<ScriptedCall>()
      waiting.set(count, wait)
      return wait.promise
    },
    answer(question, signal) {
      if (options.throwsAtOnce !== undefined) throw options.throwsAtOnce()
      const { call, stream } = createCall(question, signal, options.ignoresCancel ?? false)
      calls.push(call)
      waiting.get(calls.length)?.resolve(call)
      waiting.delete(calls.length)
      options.script?.(call)
      return stream
    },
    async ping(signal) {
      signal.throwIfAborted()
      if (pingFailure !== undefined) throw pingFailure
    },
    failPing(cause) {
      pingFailure = cause
    },
    async [Symbol.asyncDispose]() {},
  }
}

interface Call {
  readonly call: ScriptedCall
  readonly stream: AsyncIterable<AgentEvent>
}

function createCall(question: Question, signal: AbortSignal, ignoresCancel: boolean): Call {
  const lines: Line[] = []
  const cancelled = Promise.withResolvers<void>()
  let wake: (() => void) | undefined
  let isCancelled = false
  const tell = (line: Line): void => {
    lines.push(line)
    wake?.()
  }
  const onAbort = (): void => {
    isCancelled = true
    cancelled.resolve()
    if (!ignoresCancel) tell({ type: 'end' })
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })

  async function* stream(): AsyncGenerator<AgentEvent> {
    try {
      for (;;) {
        const line = lines.shift()
        if (line === undefined) {
          const { promise, resolve } = Promise.withResolvers<void>()
          wake = resolve
          await promise
          wake = undefined
        } else if (line.type === 'event') yield line.event
        else if (line.type === 'fail') throw line.cause
        else return
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  const call: ScriptedCall = {
    question,
    get isCancelled() {
      return isCancelled
    },
    cancelled: cancelled.promise,
    say: (text, persona) => tell({ type: 'event', event: { type: 'text', text, persona } }),
    finish() {
      tell({ type: 'event', event: { type: 'finished' } })
      tell({ type: 'end' })
    },
    cutShort(reason) {
      tell({ type: 'event', event: { type: 'cut-short', reason } })
      tell({ type: 'end' })
    },
    used: (inputTokens, outputTokens) => tell({ type: 'event', event: { type: 'usage', inputTokens, outputTokens } }),
    breakOff: () => tell({ type: 'end' }),
    fail: (cause) => tell({ type: 'fail', cause }),
  }
  return { call, stream: stream() }
}
