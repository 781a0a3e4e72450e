/**
 * A session's log as server-sent events: the live link's twin, for networks that let no WebSocket through (PROTOCOL.md §10).
 *
 * Follows by pull: the log is read only when the reader has taken what it was given, and a bell only says that reading is worth
 * while. What is sent was read from the log, so it is durable. It knows no HTTP; the route around it does.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import type { Entry } from '../conversation/entry.ts'
import type { Head } from '../conversation/conversation.ts'
import { formatCursor, type Cursor, type DeviceId, type LogId, type SessionId } from '../conversation/ids.ts'
import { PING_INTERVAL_MS, READ_ENTRIES_MAX, RECONNECT_BASE_MS, RECONNECT_CAP_MS } from '../conversation/limits.ts'
import { isSameStanding, type BlockFrame, type ServiceStanding, type WelcomeFrame } from '../protocol/protocol.ts'
import type { Clock } from '../resilience/clock.ts'
import type { AnswerBlocks } from './answer-blocks.ts'
import { moveTerms, type Moves } from './drain.ts'
import type { OnStandingChange } from './gateway-context.ts'
import { MOVE_ON } from './held-response.ts'
import { LinkBlocks } from './link-blocks.ts'
import { readConversation } from './read-conversation.ts'
import { snapshotWindow } from './snapshot-window.ts'

export interface EventStreamPorts {
  readonly log: ConversationLog
  readonly clock: Clock
  readonly standing: () => ServiceStanding
  readonly onStandingChange?: OnStandingChange
  readonly blocks: AnswerBlocks
  readonly drain: Moves
}

export interface EventStreamRequest {
  readonly session: SessionId
  /** Where the reader stands; `unknown`: it names a place that cannot be on any log; `undefined`: it has nothing yet. */
  readonly after: Cursor | 'unknown' | undefined
  /** A page that follows this way instead of by its live link: it is told what a link's frames tell, as whose the log counts it. */
  readonly device?: DeviceId | undefined
  /** Ends the stream, without an error. */
  readonly signal: AbortSignal
  /** How the reader was found to stand, and how many entries it has missed; called once, unless the session is gone. */
  readonly onPositioned: (how: 'resumed' | 'snapshot' | 'fork', missed: number) => void
}

export const EVENT_STREAM_EVENTS = ['welcome', 'entry', 'block', 'snapshot', 'level', 'ping', 'fork', 'drain', 'failed'] as const
export type EventName = (typeof EVENT_STREAM_EVENTS)[number]

/**
 * One event. `id` is the cursor to resume from when this event is the last that arrived: `undefined` leaves the one before it
 * in force, and an empty one takes it away.
 */
export function formatEvent(event: EventName, data: object, id?: string): string {
  const place = id === undefined ? '' : `id: ${id}\n`
  return `event: ${event}\n${place}data: ${JSON.stringify(data)}\n\n`
}

const HEARTBEAT = ':\n\n'

/** What the reader has been given. */
type Standing =
  | { readonly type: 'new' }
  /** It stands on no place of this log. */
  | { readonly type: 'lost' }
  /** Everything up to the cursor; `undefined`: the whole of an empty log. */
  | { readonly type: 'at'; readonly cursor: Cursor | undefined }

/**
 * The stream's text, in pieces of whole events. Ends when the session is gone or the signal aborts.
 *
 * @throws LogError when the store fails
 */
export async function* eventStream(ports: EventStreamPorts, request: EventStreamRequest): AsyncGenerator<string, void, void> {
  const { log } = ports
  const { session, after, signal } = request
  const blocks = new LinkBlocks(ports.blocks)
  // Listens before the first read, so that nothing appended in between goes unnoticed.
  const bell = listen(ports, session, signal)
  try {
    let service = ports.standing()
    yield `retry: ${RECONNECT_BASE_MS}\n\n${formatEvent('level', service)}`
    const voice = await voiceOf(ports, request)
    let standing = await standingOf(log, session, after, blocks)
    let [isPositioned, isAskedToMove] = [false, false]
    let spokeAt = ports.clock.monotonic()
    while (!signal.aborted && standing !== 'gone') {
      bell.reset()
      const step: Step | 'gone' = await readOn(log, session, standing, blocks)
      if (step === 'gone') return
      if (!isPositioned) request.onPositioned(step.how, step.missed)
      yield* voice.stands(step, isPositioned)
      isPositioned = true
      yield* step.pieces
      standing = step.standing
      if (!isSameStanding(service, ports.standing())) {
        service = ports.standing()
        yield formatEvent('level', service)
      }
      const { plan } = ports.drain
      if (plan !== undefined && !isAskedToMove) yield* voice.mayMove(moveTerms(plan, ports.clock.monotonic()))
      isAskedToMove = plan !== undefined
      const isSilent = !step.isMore && (await bell.rung()) === 'silence'
      // Also while there is much to say: it tells how much is settled.
      if (!isSilent && ports.clock.monotonic() - spokeAt < PING_INTERVAL_MS) continue
      spokeAt = ports.clock.monotonic()
      yield voice.heartbeat(step)
    }
    if (signal.reason === MOVE_ON) yield* voice.farewell()
  } finally {
    bell.stop()
  }
}

async function standingOf(
  log: ConversationLog,
  session: SessionId,
  after: EventStreamRequest['after'],
  blocks: LinkBlocks,
): Promise<Standing | 'gone'> {
  if (after === undefined) return { type: 'new' }
  if (after === 'unknown') return { type: 'lost' }
  // Answers that go on after the cursor are rendered with what came before it.
  const before = await readConversation(log, session, after.seq)
  if (before === 'gone') return 'gone'
  blocks.learn(before.conversation)
  // Whether the cursor is on the log, reading on will tell.
  return { type: 'at', cursor: after }
}

/** What is said of the stream itself. */
interface Voice {
  /** Before the first pieces, and before those that take the place of what was there. */
  stands(step: Step, isAgain: boolean): Iterable<string>
  heartbeat(step: Step): string
  /** The process goes away: the reader had better follow another one. */
  mayMove(terms: ReturnType<typeof moveTerms>): Iterable<string>
  /** The stream ends, and nothing is wrong. */
  farewell(): Iterable<string>
}

const PLAIN: Voice = {
  stands: ({ how }) => (how === 'fork' ? [formatEvent('fork', {}, '')] : []),
  heartbeat: () => HEARTBEAT,
  // Its stream ends when it is its turn.
  mayMove: () => [],
  farewell: () => [],
}

/** To a page, the same as the frames of these names. */
async function voiceOf({ log, standing: service }: EventStreamPorts, { session, device }: EventStreamRequest): Promise<Voice> {
  const found = device === undefined ? undefined : await log.findSession(session)
  if (device === undefined || found === undefined) return PLAIN
  const lastNumber = await log.lastNumber(session, device)
  let pings = 0
  return {
    stands({ how, head, settled, standing }, isAgain) {
      if (isAgain && how !== 'fork') return []
      const welcome: Omit<WelcomeFrame, 'type'> = {
        session,
        logId: standing.cursor?.logId ?? found.logId,
        head,
        outcome: how,
        durability: log.profile.durability,
        settled,
        lastNumber,
        pingMs: PING_INTERVAL_MS,
        // Requests that are under way together may overtake one another.
        maxInFlight: 1,
        reconnect: { baseMs: RECONNECT_BASE_MS, capMs: RECONNECT_CAP_MS },
        ...service(),
      }
      return [formatEvent('welcome', welcome, how === 'fork' ? '' : undefined)]
    },
    heartbeat({ head, settled }) {
      pings += 1
      return formatEvent('ping', { n: pings, head, settled })
    },
    mayMove: (terms) => [formatEvent('drain', terms)],
    farewell: () => [formatEvent('drain', { afterMs: 0, windowMs: 0, deadlineMs: 0 })],
  }
}

interface Step {
  readonly how: 'resumed' | 'snapshot' | 'fork'
  /** Entries between where a reader that resumes stood and the end of the log. */
  readonly missed: number
  readonly pieces: Iterable<string>
  /** Once all pieces have gone out. */
  readonly standing: Extract<Standing, { type: 'at' }>
  /** Where the log stands, and how much of it survives without the reader. */
  readonly head: Head | undefined
  readonly settled: number
  /** There may be more to read at once. */
  readonly isMore: boolean
}

async function readOn(log: ConversationLog, session: SessionId, standing: Standing, blocks: LinkBlocks): Promise<Step | 'gone'> {
  if (standing.type !== 'at') return showAnew(log, session, standing.type === 'lost' ? 'fork' : 'snapshot', blocks)
  const read = await log.read(session, standing.cursor, READ_ENTRIES_MAX)
  if (read.type === 'gone') return 'gone'
  if (read.type === 'fork') return showAnew(log, session, 'fork', blocks)
  const { logId, entries, head, settled } = read
  const last = entries.at(-1)
  return {
    how: 'resumed',
    missed: Math.max(0, (head?.seq ?? 0) - (standing.cursor?.seq ?? 0)),
    pieces: entryPieces(logId, entries, blocks),
    standing: last === undefined ? standing : { type: 'at', cursor: { logId, seq: last.seq, id: last.id } },
    head,
    settled,
    isMore: entries.length === READ_ENTRIES_MAX,
  }
}

/** One piece an entry, so that no more is rendered than the reader takes. */
function* entryPieces(logId: LogId, entries: readonly Entry[], blocks: LinkBlocks): Generator<string, void, void> {
  for (const entry of entries) {
    const id = formatCursor({ logId, seq: entry.seq, id: entry.id })
    yield [...withPlace([{ event: 'entry', data: entry }, ...blocks.after(entry).map(blockEvent)], id)].join('')
  }
}

async function showAnew(log: ConversationLog, session: SessionId, how: 'snapshot' | 'fork', blocks: LinkBlocks): Promise<Step | 'gone'> {
  const read = await readConversation(log, session)
  if (read === 'gone') return 'gone'
  const { conversation, cursor, settled } = read
  const { items, earlier } = snapshotWindow(conversation.items)
  const snapshot: ServerEvent = { event: 'snapshot', data: { head: conversation.head, items, earlier } }
  const shown = withPlace([snapshot, ...blocks.of(items).map(blockEvent)], cursor === undefined ? '' : formatCursor(cursor))
  return { how, missed: 0, pieces: shown, standing: { type: 'at', cursor }, head: conversation.head, settled, isMore: false }
}

interface ServerEvent {
  readonly event: EventName
  readonly data: object
}

const blockEvent = ({ type: event, ...data }: BlockFrame): ServerEvent => ({ event, data })

/** Only the last event carries the place: who was cut off in between gets all of them again. */
const withPlace = (events: readonly ServerEvent[], id: string): readonly string[] =>
  events.map(({ event, data }, index) => formatEvent(event, data, index === events.length - 1 ? id : undefined))

interface Bell {
  /** Forgets that it rang. */
  reset(): void
  /** Resolves when it has rung since the last reset, when nothing was heard for a heartbeat, or when the signal aborts. */
  rung(): Promise<'rung' | 'silence'>
  stop(): void
}

function listen({ log, clock, onStandingChange, drain }: EventStreamPorts, session: SessionId, signal: AbortSignal): Bell {
  let next = Promise.withResolvers<'rung' | 'silence'>()
  const ring = (): void => next.resolve('rung')
  const stopListening = log.onAppend(session, ring)
  const stopHearing = onStandingChange?.(ring)
  const stopWaiting = drain.onPlan(ring)
  signal.addEventListener('abort', ring, { once: true })
  return {
    reset() {
      next = Promise.withResolvers()
      if (signal.aborted) ring()
    },
    async rung() {
      const { promise, resolve } = next
      const cancel = clock.schedule(PING_INTERVAL_MS, () => resolve('silence'))
      const heard = await promise
      cancel()
      return heard
    },
    stop() {
      stopListening()
      stopHearing?.()
      stopWaiting()
      signal.removeEventListener('abort', ring)
    },
  }
}
