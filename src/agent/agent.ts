/**
 * The port of an AI agent. One adapter a file. Adapters know one wire each and nothing of logs, turns or browsers.
 */
import type { MessageId, SessionId, TurnId, VisitorId } from '../conversation/ids.ts'

/** One earlier exchange, oldest first. */
export interface HistoryItem {
  /** The same in every question of the session. */
  readonly id: MessageId | TurnId
  readonly role: 'user' | 'assistant'
  readonly text: string
}

/** One question for the agent. `turnId` is the idempotency key: the same turn may be asked again after a crash. */
export interface Question {
  readonly session: SessionId
  readonly visitor: VisitorId
  readonly turnId: TurnId
  readonly messageId: MessageId
  readonly attempt: number
  readonly text: string
  readonly history: readonly HistoryItem[]
  /** Milliseconds left for the whole answer; relative, so that clocks need not agree. */
  readonly deadlineMs: number
  /** The header of that name (W3C Trace Context): every attempt at a question is a step of the question's one trace. */
  readonly traceparent: string
}

export type AgentEvent =
  | { readonly type: 'text'; readonly text: string; readonly persona: string | undefined }
  /** What the answer took, where the agent says so: once, right before the end. */
  | { readonly type: 'usage'; readonly inputTokens: number | undefined; readonly outputTokens: number | undefined }
  /** The agent itself ended the answer before it was whole: at its limit of length, or because a filter of its own withheld the rest. */
  | { readonly type: 'cut-short'; readonly reason: CutShort }
  /** The answer is whole. A stream that ends with neither this nor `cut-short` was cut off. */
  | { readonly type: 'finished' }

export type CutShort = 'too-long' | 'withheld'

export interface Agent extends AsyncDisposable {
  /** For the start-up lines and the log: protocol and host, without credentials. */
  readonly description: string
  /**
   * Streams the answer. Aborting `signal` cancels at the agent too and ends the stream at once.
   *
   * @throws AgentError for every failure of the agent or its connection, before or after the first text.
   */
  answer(question: Question, signal: AbortSignal): AsyncIterable<AgentEvent>
  /** Resolves when the agent has answered a ping of this very call, outside any conversation. */
  ping(signal: AbortSignal): Promise<void>
}
