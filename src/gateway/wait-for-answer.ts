/**
 * Waits until there is something to show for a question: its outcome, or other help while the agent is away. So people without
 * JavaScript mostly see the answer at once, and nobody waits for an agent that is known to be away.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { EMPTY_CONVERSATION, findQuestion, fold, isOpen, type Conversation } from '../conversation/conversation.ts'
import type { Cursor, MessageId, SessionId } from '../conversation/ids.ts'
import { PAGE_WAIT_LOOK_MS, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { cursorOf } from './read-conversation.ts'

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
  const bell = listen(log, session, signal)
  let place: Place = { conversation: EMPTY_CONVERSATION, cursor: undefined }
  try {
    while (!signal.aborted) {
      bell.reset()
      const next = await readOn(log, session, place)
      if (next === 'gone') return
      place = next
      const question = findQuestion(place.conversation, messageId)
      if (question === undefined || !isOpen(question) || question.status === 'queued') return
      await bell.rung()
      // An answer arrives in many small parts; looking at each of them would tell nothing new.
      if (question.status === 'delivered') await pause(clock, signal)
    }
  } finally {
    stopTimer()
    bell.stop()
  }
}

interface Place {
  readonly conversation: Conversation
  readonly cursor: Cursor | undefined
}

async function readOn(log: ConversationLog, session: SessionId, from: Place): Promise<Place | 'gone'> {
  let place = from
  for (;;) {
    const result = await log.read(session, place.cursor, READ_ENTRIES_MAX)
    if (result.type === 'gone') return 'gone'
    if (result.type === 'fork') {
      place = { conversation: EMPTY_CONVERSATION, cursor: undefined }
    } else {
      const conversation = fold(result.entries, place.conversation)
      place = { conversation, cursor: cursorOf(result.logId, conversation) }
      if (result.entries.length < READ_ENTRIES_MAX) return place
    }
  }
}

interface Bell {
  /** Forgets that it rang. */
  reset(): void
  /** Resolves when it has rung since the last reset, or the signal aborts. */
  rung(): Promise<void>
  stop(): void
}

function listen(log: ConversationLog, session: SessionId, signal: AbortSignal): Bell {
  let next = Promise.withResolvers<void>()
  const ring = (): void => next.resolve()
  const stopListening = log.onAppend(session, ring)
  signal.addEventListener('abort', ring, { once: true })
  return {
    reset() {
      next = Promise.withResolvers<void>()
      if (signal.aborted) next.resolve()
    },
    rung: () => next.promise,
    stop() {
      stopListening()
      signal.removeEventListener('abort', ring)
    },
  }
}

/** Waits a moment; ends at once, and without an error, when the signal aborts. */
const pause = (clock: Clock, signal: AbortSignal): Promise<void> =>
  clock.sleep(PAGE_WAIT_LOOK_MS, signal).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
