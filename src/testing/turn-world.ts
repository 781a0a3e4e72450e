/**
 * A small world for the turn runner: a log in memory whose store can fail, an agent that says what it is told, and virtual time.
 */
import { createHash } from 'node:crypto'
import { fold, type Conversation } from '../conversation/conversation.ts'
import type { Entry } from '../conversation/entry.ts'
import {
  isVisitorId,
  mintMessageId,
  mintSessionId,
  SERVER_DEVICE,
  type MessageId,
  type SessionId,
  type TurnId,
} from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import type { TurnPorts } from '../turns/turn-driver.ts'
import { createTurnRunner, type TurnRunner } from '../turns/turn-runner.ts'
import { DEFAULT_TURN_SETTINGS, type TurnSettings } from '../turns/turn-settings.ts'
import { createFaultyLog, type FaultyLog } from './faulty-log.ts'
import { createTurnTrace } from '../telemetry/turn-trace.ts'
import { createRecordedEvents, type RecordedEvents } from './recorded-events.ts'
import { createScriptedAgent, type ScriptedAgent } from './scripted-agent.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from './simulated-clock.ts'

export interface TurnWorldOptions {
  readonly settings?: Partial<TurnSettings>
  readonly agent?: ScriptedAgent
  readonly clock?: SimulatedClock
  /** Sessions live this long without a question, in milliseconds. */
  readonly ttlMs?: number
}

export interface TurnWorld {
  readonly clock: SimulatedClock
  readonly log: FaultyLog
  readonly agent: ScriptedAgent
  readonly events: RecordedEvents
  readonly settings: TurnSettings
  /** What another runner on the same log is made from. */
  readonly ports: TurnPorts
  newSession(): Promise<SessionId>
  ask(session: SessionId, text?: string, inReplyTo?: MessageId): Promise<TurnId>
  /** A runner that runs. */
  runner(owner?: string, ports?: Partial<TurnPorts>): TurnRunner
  entries(session: SessionId): Promise<readonly Entry[]>
  conversation(session: SessionId): Promise<Conversation>
}

const digest = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex')

/** The same in every world. */
const ALWAYS: Pick<TurnPorts, 'digest' | 'agentPresence' | 'fallbackText' | 'traceOf'> = {
  digest,
  agentPresence: () => 'there',
  fallbackText: (question, situation) => `Other help (${situation}): ${question}`,
  traceOf: createTurnTrace('a secret'),
}

export function createTurnWorld(options: TurnWorldOptions = {}): TurnWorld {
  const clock = options.clock ?? createSimulatedClock()
  const random = seededRandom(11)
  const bytes = (count: number): Uint8Array => random.bytes(count)
  const log = createFaultyLog(createMemoryLog({ clock, random: bytes }))
  const agent = options.agent ?? createScriptedAgent()
  const events = createRecordedEvents()
  const settings = { ...DEFAULT_TURN_SETTINGS, storeBackoff: { baseMs: 500, capMs: 2_000 }, ...options.settings }
  const ports: TurnPorts = {
    log,
    agent,
    clock,
    chance: () => random.next(),
    ...ALWAYS,
    events,
    settings,
  }

  const entries = async (session: SessionId): Promise<readonly Entry[]> => {
    const found: Entry[] = []
    const logId = (await log.findSession(session))?.logId
    for (;;) {
      const last = found.at(-1)
      const after = last === undefined || logId === undefined ? undefined : { logId, seq: last.seq, id: last.id }
      const read = await log.read(session, after, READ_ENTRIES_MAX)
      if (read.type !== 'entries') throw new Error(`the log is ${read.type}`)
      found.push(...read.entries)
      if (found.length >= (read.head?.seq ?? 0)) return found
    }
  }

  return {
    clock,
    log,
    agent,
    events,
    settings,
    ports,
    async newSession() {
      const visitor = mintSessionId(bytes)
      if (!isVisitorId(visitor)) throw new TypeError('a session id has the form of a visitor id')
      const made = await log.createSession({ id: mintSessionId(bytes), visitor, ttlMs: options.ttlMs ?? 172_800_000 })
      if (made.type !== 'created') throw new Error(`no session: ${made.type}`)
      return made.session.id
    },
    async ask(session, text = 'How do I renew?', inReplyTo?: MessageId) {
      const messageId = mintMessageId(clock.now(), bytes)
      const asked = await log.ask(session, { messageId, device: SERVER_DEVICE, number: undefined, text, inReplyTo })
      if (asked.type !== 'accepted') throw new Error(`not accepted: ${asked.type}`)
      return asked.turnId
    },
    runner(owner = 'one', given = {}) {
      const runner = createTurnRunner({ ...ports, ...given, owner })
      runner.run()
      return runner
    },
    entries,
    conversation: async (session) => fold(await entries(session)),
  }
}
