/**
 * Waits until there is something to show for a question: its outcome, or other help while the agent is away. So people without
 * JavaScript mostly see the answer at once, and nobody waits for an agent that is known to be away.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { findQuestion, isOpen } from '../conversation/conversation.ts'
import type { MessageId, SessionId } from '../conversation/ids.ts'
import type { Clock } from '../resilience/clock.ts'
import { followConversation } from './follow-conversation.ts'

export interface AwaitedAnswer {
  readonly session: SessionId
  readonly messageId: MessageId
  /** At most this long, in milliseconds. */
  readonly waitMs: number
  /** Ends the wait early: nobody is there any more, or the process is about to go. */
  readonly signal: AbortSignal
}

/**
 * Resolves when the question has its outcome, was given other help, is not in the session, or the time is over; the caller reads how it
 * stands then.
 *
 * @throws LogError when the store fails
 */
export async function waitForAnswer(log: ConversationLog, clock: Clock, awaited: AwaitedAnswer): Promise<void> {
  const { session, messageId } = awaited
  const over = new AbortController()
  const stopTimer = clock.schedule(awaited.waitMs, () => over.abort())
  const signal = AbortSignal.any([awaited.signal, over.signal])
  try {
    for await (const conversation of followConversation(log, clock, { session, signal })) {
      const question = findQuestion(conversation, messageId)
      if (question === undefined || !isOpen(question)) return
      // What is being cancelled has its outcome in a moment.
      if (question.status === 'queued' && !question.isStopping) return
    }
  } finally {
    stopTimer()
  }
}
