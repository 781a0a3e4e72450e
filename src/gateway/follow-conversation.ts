/**
 * A conversation as it grows: folded, and given out again after every change.
 *
 * Pulls: the log is read when the taker wants more, and a bell only says that reading is worth while.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { EMPTY_CONVERSATION, fold, type Conversation } from '../conversation/conversation.ts'
import type { Cursor, SessionId } from '../conversation/ids.ts'
import { PAGE_WAIT_LOOK_MS, READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import { cursorOf } from './read-conversation.ts'

/**
 * Ends, without an error, when the session is gone or the signal aborts.
 *
 * @throws LogError when the store fails
 */
export async function* followConversation(
  log: ConversationLog,
  clock: Clock,
  { session, signal }: { readonly session: SessionId; readonly signal: AbortSignal },
): AsyncGenerator<Conversation, void, void> {
  // Listens before the first read, so that nothing appended in between goes unnoticed.
  const bell = listen(log, session, signal)
  let place: Place = { conversation: EMPTY_CONVERSATION, cursor: undefined }
  try {
    while (!signal.aborted) {
      bell.reset()
      const next = await readOn(log, session, place)
      if (next === 'gone') return
      place = next
      yield place.conversation
      await bell.rung()
      // An answer arrives in many small parts; looking at each of them would tell nothing new.
      if (place.conversation.items.some((item) => item.kind === 'answer' && item.status === 'streaming')) await pause(clock, signal)
    }
  } finally {
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
