/**
 * Bugs put in on purpose. A checker that does not find them proves nothing about those it was not shown.
 *
 * Each changes one decision of one part, as a mistake in that part would; everything else stays as it is.
 */
import type { ClientEffect, ClientEvent, ClientLink } from '../browser/client-link-state.ts'
import { fit, type Head } from '../conversation/conversation.ts'
import type { Entry, TurnBody } from '../conversation/entry.ts'
import { mintMessageId, SERVER_DEVICE, type Cursor, type EntryId, type SessionId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim, NewSession } from '../conversation-log/conversation-log.ts'
import type { OpenTurn } from '../conversation-log/log-decisions.ts'
import type { MemoryStore } from '../conversation-log/memory-log.ts'
import type { LogCommand } from '../conversation-log/sync-log.ts'
import type { LinkEffect } from '../gateway/server-link-state.ts'
import type { Parsed } from '../protocol/parse-frame.ts'
import type { ServerFrame, WelcomeFrame } from '../protocol/protocol.ts'
import type { TurnSettings } from '../turns/turn-settings.ts'
import type { TurnEffect } from '../turns/turn-state.ts'
import type { AskedOfAgent } from './simulated-agent.ts'
import type { SeededRandom } from './seeded-random.ts'

export interface PlantedBug {
  /** What a turn decided. */
  readonly turn?: (effects: readonly TurnEffect[], random: SeededRandom) => readonly TurnEffect[]
  readonly turnSettings?: Partial<TurnSettings>
  /** What the agent is asked. */
  readonly asks?: (question: AskedOfAgent) => AskedOfAgent
  /** What the server's end of a link decided. */
  readonly link?: (effects: readonly LinkEffect[], random: SeededRandom) => readonly LinkEffect[]
  /** What the browser's end of a link decided. */
  readonly client?: Deciding
  /** What it knows and hears before it decides. */
  readonly hears?: Hearing
  /** The page takes what its device keeps of other visitors and sessions for its own. */
  readonly seesAll?: true
  /** The page takes questions that it has no room for. */
  readonly ignoresRoom?: true
  readonly store?: StoreBug
}

export interface StoreBug {
  /** It answers before it has committed, and a crash takes back what it answered. */
  readonly acknowledgesEarly?: true
  /** What it is asked. */
  readonly command?: BentCommand
  /** Whom it gives a turn to. */
  readonly claim?: (claim: Claim) => Claim
  /** It takes writes of a turn from processes that do not hold it. */
  readonly ignoresOwners?: true
  /** One replica is enough to call something settled. */
  readonly settlesWithOne?: true
}

export interface StoreFacts {
  readonly memory: MemoryStore
  readonly sessions: readonly NewSession[]
  readonly random: SeededRandom
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** `before` is what the page knew when `event` happened. */
type Deciding = (
  client: ClientLink,
  effects: readonly ClientEffect[],
  before: ClientLink,
  event: ClientEvent,
) => readonly [ClientLink, readonly ClientEffect[]]
type Hearing = (client: ClientLink, event: ClientEvent, now: number) => readonly [ClientLink, ClientEvent]
type BentCommand = (command: LogCommand, store: StoreFacts) => LogCommand

/** A question that the store has had for `ageMs` is asked as if it were another. */
const forgetsIds =
  (ageMs: number): BentCommand =>
  (command, { memory, random, now }) => {
    if (command.name !== 'ask') return command
    const [session, question] = command.args
    const known = memory.read(session, undefined, READ_ENTRIES_MAX)
    const isMine = (entry: Entry): boolean => entry.kind === 'message' && entry.messageId === question.messageId && entry.at <= now - ageMs
    if (known.type !== 'entries' || !known.entries.some(isMine)) return command
    const messageId = mintMessageId(0, (count) => random.bytes(count))
    return { name: 'ask', args: [session, { ...question, messageId, device: SERVER_DEVICE, number: undefined }] }
  }

/** Every owner that ever held a turn may write it, and what it writes is put where the turn stands now. */
const takesAnyFence: BentCommand = (command, { memory }) => {
  if (command.name !== 'write' && command.name !== 'renew' && command.name !== 'release') return command
  const [{ session, turnId, fence }] = command.args
  const turn = memory
    .snapshot()
    .sessions.get(session)
    ?.openTurns.find((open) => open.turn.turnId === turnId)?.turn
  if (turn === undefined || turn.fence === fence) return command
  const claim = { ...command.args[0], fence: turn.fence }
  if (command.name === 'release') return { name: 'release', args: [claim] }
  if (command.name === 'renew') return { name: 'renew', args: [claim, command.args[1]] }
  return { name: 'write', args: [claim, putAt(turn, command.args[1])] }
}

/** The bodies as if they were meant for the turn as it is. */
function putAt(turn: OpenTurn, bodies: readonly TurnBody[]): readonly TurnBody[] {
  let { attempt, parts, chars } = turn
  return bodies.flatMap((body): readonly TurnBody[] => {
    switch (body.kind) {
      case 'turn-started': {
        const isCut = chars > 0
        ;[attempt, parts, chars] = [attempt + 1, 0, 0]
        const started = { ...body, attempt, fence: turn.fence }
        return isCut ? [{ kind: 'turn-superseded', turnId: turn.turnId, attempt: attempt - 1 }, started] : [started]
      }
      case 'answer-part':
        parts += 1
        chars += body.text.length
        return [{ ...body, attempt, index: parts - 1 }]
      case 'turn-ended':
        return [{ ...body, attempt, parts, chars }]
      case 'turn-superseded':
        return []
      case 'notice':
        return [body]
    }
  })
}

/** A place in the log is found by its number alone. */
const readsByNumber: BentCommand = (command, { memory }) => {
  if (command.name !== 'read') return command
  const [session, after, limit] = command.args
  const own = after === undefined ? undefined : idAt(memory, session, after.seq)
  return after === undefined || own === undefined ? command : { name: 'read', args: [session, { ...after, id: own }, limit] }
}

function idAt(memory: MemoryStore, session: SessionId, seq: number): EntryId | undefined {
  for (let after: Cursor | undefined; ;) {
    const read = memory.read(session, after, READ_ENTRIES_MAX)
    const last = read.type === 'entries' ? read.entries.at(-1) : undefined
    if (read.type !== 'entries' || last === undefined) return undefined
    if (last.seq >= seq) return read.entries.find((entry) => entry.seq === seq)?.id
    after = { logId: read.logId, seq: last.seq, id: last.id }
  }
}

/** What was accepted up to `seq` counts as accepted still. */
const stillAccepted = (client: ClientLink, before: ClientLink, seq: number): ClientLink => ({
  ...client,
  questions: client.questions.map((question) => {
    const was = before.questions.find(({ messageId }) => messageId === question.messageId)
    return was?.state.status === 'accepted' && was.state.seq <= seq ? { ...question, state: was.state } : question
  }),
})

/** A heartbeat that says only how long the log is. */
function withoutId(parsed: Parsed<ServerFrame>, { view }: ClientLink): Parsed<ServerFrame> {
  const own = view.conversation.head
  if (!parsed.ok || parsed.frame.type !== 'ping' || own === undefined || parsed.frame.head?.seq !== own.seq) return parsed
  return { ok: true, frame: { ...parsed.frame, head: own } }
}

const forkIn = (event: ClientEvent): WelcomeFrame | undefined =>
  event.type === 'frames'
    ? event.frames.flatMap((parsed) =>
        parsed.ok && parsed.frame.type === 'welcome' && parsed.frame.outcome === 'fork' ? [parsed.frame] : [],
      )[0]
    : undefined

/** Changes each entry that arrives and does not fit as `how` says. */
const bending =
  (how: 'hole' | 'seen', bent: (entry: Entry, head: Head | undefined) => Entry): Hearing =>
  (client, event) => {
    if (event.type !== 'frames') return [client, event]
    let { head } = client.view.conversation
    const frames = event.frames.map((parsed): Parsed<ServerFrame> => {
      if (!parsed.ok || parsed.frame.type !== 'entry' || fit(head, parsed.frame.entry) !== how) return parsed
      const entry = bent(parsed.frame.entry, head)
      head = entry
      return { ok: true, frame: { type: 'entry', entry } }
    })
    return [client, { ...event, frames }]
  }

const next = (entry: Entry, head: Head | undefined): Entry => ({ ...entry, seq: (head?.seq ?? 0) + 1, prev: head?.id })

const bodiesOf =
  (change: (body: TurnBody) => TurnBody) =>
  (effects: readonly TurnEffect[]): readonly TurnEffect[] =>
    effects.map((effect) => (effect.type === 'write' ? { ...effect, bodies: effect.bodies.map(change) } : effect))

export const PLANTED_BUGS = {
  'acknowledged before it is durable': { store: { acknowledgesEarly: true } },
  'a repeated question is stored again': { store: { command: forgetsIds(0) } },
  'the key of a question expires': { store: { command: forgetsIds(5_000) } },
  'no fence': { store: { command: takesAnyFence, ignoresOwners: true } },
  'a turn is taken over without a new fence': {
    store: { command: takesAnyFence, ignoresOwners: true, claim: (claim) => ({ ...claim, fence: 1 }) },
  },
  'settled is said when one replica has it': { store: { settlesWithOne: true } },
  'a question brings a deleted session back': {
    store: {
      command: (command, { memory, sessions }) => {
        const session = command.name === 'ask' ? sessions.find(({ id }) => id === command.args[0]) : undefined
        if (session !== undefined) memory.createSession(session)
        return command
      },
    },
  },
  'a read goes to another session': {
    store: {
      command: (command, { sessions, random }) =>
        command.name === 'read' && random.happens(0.02)
          ? { name: 'read', args: [random.pick(sessions).id, undefined, command.args[2]] }
          : command,
    },
  },
  'accepted is said before the log was asked': {
    link: (effects) =>
      effects.flatMap((effect): readonly LinkEffect[] => {
        if (effect.type !== 'ask' || effect.question.number === undefined) return [effect]
        const { messageId, number } = effect.question
        return [{ type: 'send', frames: [{ type: 'accepted', messageId, number, seq: 1, duplicate: false }] }, effect]
      }),
  },
  'nobody looks at the log again': {
    link: (effects, random) => effects.filter((effect) => effect.type !== 'read' || random.happens(0.5)),
  },
  'the outbox is emptied on send': {
    client: (client, effects) => [{ ...client, questions: client.questions.filter(({ state }) => state.status !== 'sending') }, effects],
  },
  'the device forgets what is sent': {
    client: (client, effects) => {
      const sent = effects.flatMap((effect) => (effect.type === 'send' ? effect.frames : []))
      const messageIds = sent.flatMap((frame) => (frame.type === 'send' ? [frame.messageId] : []))
      return [client, messageIds.length === 0 ? effects : [...effects, { type: 'store', change: { type: 'forget', messageIds } }]]
    },
  },
  'kept is said before it is written': {
    client: (client, effects) => [
      { ...client, questions: client.questions.map((one) => (one.state.status === 'keeping' ? { ...one, isKept: true } : one)) },
      effects,
    ],
  },
  'what the device keeps is sent the newest first': {
    hears: (client, event) => [
      client,
      event.type === 'stored' ? { ...event, rows: event.rows.map((row) => ({ ...row, place: -row.place })) } : event,
    ],
  },
  'what the device keeps of others is sent too': { seesAll: true },
  'a question is forgotten when it is accepted': {
    client: (client, effects) => [{ ...client, questions: client.questions.filter(({ state }) => state.status !== 'accepted') }, effects],
  },
  'nothing is sent again after a fork': {
    client: (client, effects, before, event) => [
      forkIn(event) === undefined ? client : stillAccepted(client, before, Number.POSITIVE_INFINITY),
      effects,
    ],
  },
  'what another log has the place for is taken to be in it': {
    client: (client, effects, before, event) => {
      const fork = forkIn(event)
      return [fork === undefined ? client : stillAccepted(client, before, fork.head?.seq ?? 0), effects]
    },
  },
  'a fork is not said': { client: (client, effects) => [{ ...client, forks: 0 }, effects] },
  'a cursor has no id': { store: { command: readsByNumber } },
  'neither cursors nor heartbeats say which log they are of': {
    store: { command: readsByNumber },
    hears: (client, event) =>
      event.type === 'frames' ? [client, { ...event, frames: event.frames.map((parsed) => withoutId(parsed, client)) }] : [client, event],
  },
  'a full page drops questions': { ignoresRoom: true },
  'entries are applied over a hole': {
    link: (effects, random) =>
      effects.map((effect) =>
        effect.type === 'deliver' && effect.entries.length > 1 && random.happens(0.5)
          ? { ...effect, entries: effect.entries.slice(1) }
          : effect,
      ),
    hears: bending('hole', next),
  },
  'repeated entries are applied': {
    link: (effects, random) =>
      effects.flatMap((effect) => (effect.type === 'deliver' && random.happens(0.1) ? [effect, effect] : [effect])),
    hears: bending('seen', next),
  },
  'an older socket is heard': {
    hears: (client, event) =>
      event.type === 'frames' && client.link.status === 'open' ? [client, { ...event, socket: client.link.socket }] : [client, event],
  },
  'silence is not noticed': {
    hears: (client, event, now) =>
      client.link.status === 'open' ? [{ ...client, link: { ...client.link, heardAt: now, probeBy: undefined } }, event] : [client, event],
  },
  'a hello without a welcome is waited for': {
    client: (client, effects) =>
      client.link.status === 'greeting'
        ? [{ ...client, link: { ...client.link, by: Number.POSITIVE_INFINITY } }, effects]
        : [client, effects],
  },
  'the cursor runs ahead': {
    client: (client, effects) => [
      client,
      effects.map((effect) =>
        effect.type === 'send'
          ? {
              ...effect,
              frames: effect.frames.map((frame) =>
                frame.type === 'pong' && frame.cursor !== undefined
                  ? { ...frame, cursor: { ...frame.cursor, seq: frame.cursor.seq + 1 } }
                  : frame,
              ),
            }
          : effect,
      ),
    ],
  },
  'a turn never ends': {
    turn: (effects) => effects.filter((effect) => effect.type !== 'write' || effect.bodies.every(({ kind }) => kind !== 'turn-ended')),
  },
  'the agent is asked twice': {
    turn: (effects, random) => effects.flatMap((effect) => (effect.type === 'ask' && random.happens(0.3) ? [effect, effect] : [effect])),
  },
  'the agent has all the time in the world': {
    turnSettings: {
      firstTextTimeoutMs: Number.POSITIVE_INFINITY,
      idleTimeoutMs: Number.POSITIVE_INFINITY,
      deadlineMs: Number.POSITIVE_INFINITY,
    },
  },
  'the agent is not told what was said before': { asks: (question) => ({ ...question, before: question.before.slice(2) }) },
  'the digest is of another text': { turn: bodiesOf((body) => (body.kind === 'turn-ended' ? { ...body, sha256: '0'.repeat(64) } : body)) },
  'a part is lost on its way to the log': {
    turn: bodiesOf((body) => (body.kind === 'answer-part' ? { ...body, text: body.text.slice(0, -1) || body.text } : body)),
  },
} as const satisfies Readonly<Record<string, PlantedBug>>
