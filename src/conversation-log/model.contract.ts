/**
 * Random sequences of commands, answered by the adapter under test and by the memory log side by side.
 *
 * Ids that a log mints differ between the two, so both sides' are numbered in the order they appear and then compared.
 * Steps name what they mean by small numbers (the third claim, the second session), so that every step is possible and shrinks well.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fold } from '../conversation/conversation.ts'
import type { TurnBody } from '../conversation/entry.ts'
import { SERVER_DEVICE, type Cursor, type SessionId, type TurnId } from '../conversation/ids.ts'
import { missingIn, type Claim, type ConversationLog, type NewQuestion } from './conversation-log.ts'
import { createMemoryLog } from './memory-log.ts'
import {
  createWorld,
  ended,
  LEASE_MS,
  part,
  randomBytes,
  readAll,
  started,
  superseded,
  told,
  TTL_MS,
  type OpenLog,
  type World,
} from './world.contract.ts'

const RUNS = 60
const SEED = 20_260_105

const small = fc.nat(2)
const writePlan = fc.array(fc.constantFrom('next', 'next', 'next', 'part', 'supersede', 'end', 'again', 'notice', 'foreign'), {
  maxLength: 5,
})
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('create' as const), session: small, visitor: fc.nat(1) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      session: small,
      message: fc.nat(7),
      device: small,
      skew: fc.constantFrom(0, 0, 0, 0, -1, 1),
      text: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('stop' as const), session: small, turn: fc.nat(4) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('read' as const), session: small, cursor: fc.nat(20), limit: fc.integer({ min: 0, max: 5 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const), limit: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('claim untold' as const), limit: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), claim: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), claim: fc.nat(4) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('write' as const), claim: fc.nat(4), plan: writePlan }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 1, LEASE_MS - 1, LEASE_MS, LEASE_MS, LEASE_MS, TTL_MS / 3, TTL_MS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('look' as const), session: small, visitor: fc.nat(1), device: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), session: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('purge' as const), limit: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('keep' as const), session: small }) },
)
/** Sequences begin with sessions there, because without one there is little to try. */
const BEGINNING = [0, 1, 2].map((session) => ({ do: 'create' as const, session, visitor: session % 2 }))
/** What must have happened in the whole of a test, or it has shown less than it seems to. */
const MUST_HAPPEN = [
  'create created',
  'create existing',
  'create taken',
  'ask accepted',
  'ask accepted again',
  'ask conflict',
  'ask order',
  'ask gone',
  'stop requested',
  'stop stopped',
  'stop already',
  'stop gone',
  'read entries',
  'read fork',
  'read gone',
  'read refused',
  'claim some',
  'claim none',
  'claim untold some',
  'claim untold none',
  'renew true',
  'renew false',
  'write written',
  'write fenced',
  'write refused',
  'delete true',
  'delete false',
  'keep something',
  'keep undefined',
  'purge some',
  'purge none',
]
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never

export function describeAgainstMemory(open: OpenLog): void {
  test(
    '[L25][L110] random commands are answered and counted as the memory log does, and none loses a question',
    { timeout: 60_000 },
    async () => {
      await using world = await createWorld(open)
      await using model = createMemoryLog({ clock: world.clock, random: randomBytes(99) })
      const happened = new Set<string>()
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), async (steps) => {
          const cast = createCast(world)
          const sides = [createSide(world.log), createSide(model)] as const
          try {
            for (const each of [...BEGINNING, ...steps]) {
              if (each.do === 'wait') world.clock.advanceSync(each.ms)
              const [actual, expected] = [await perform(sides[0], cast, each), await perform(sides[1], cast, each)]
              happened.add(`${each.do} ${nameOf(expected)}`)
              expect({ step: each, answer: sides[0].rename(actual) }).toEqual({ step: each, answer: sides[1].rename(expected) })
              const [counted, tally] = [await world.log.tally(), await model.tally()]
              expect({ step: each, counted, missing: missingIn(counted) }).toEqual({ step: each, counted: tally, missing: 0 })
            }
            for (const session of cast.sessions) {
              const [actual, expected] = [await wholeLog(sides[0], session), await wholeLog(sides[1], session)]
              expect(sides[0].rename(actual)).toEqual(sides[1].rename(expected))
            }
          } finally {
            // The next sequence starts with both logs empty, whatever this one left.
            for (const session of cast.sessions) await Promise.all(sides.map(({ log }) => log.deleteSession(session)))
          }
        }),
        { numRuns: RUNS, seed: SEED },
      )
      expect([...happened]).toEqual(expect.arrayContaining(MUST_HAPPEN))
    },
  )
}

/** An answer in one word or two. */
function nameOf(answer: unknown): string {
  if (Array.isArray(answer)) return answer.length > 0 ? 'some' : 'none'
  if (typeof answer === 'number') return answer > 0 ? 'some' : 'none'
  if (typeof answer !== 'object' || answer === null) return String(answer)
  if ('refused' in answer) return 'refused'
  return 'type' in answer ? `${String(answer.type)}${'duplicate' in answer && answer.duplicate === true ? ' again' : ''}` : 'something'
}

interface Progress {
  readonly attempt: number
  readonly parts: number
  readonly chars: number
  readonly isSuperseded: boolean
}

/** One log and what it has answered so far. */
interface Side {
  readonly log: ConversationLog
  readonly claims: Claim[]
  readonly cursors: Cursor[]
  readonly turns: TurnId[]
  readonly progress: Map<TurnId, Progress>
  readonly rename: (answer: unknown) => unknown
}

function createSide(log: ConversationLog): Side {
  const names = new Map<string, string>()
  const rename = (answer: unknown): unknown => {
    if (typeof answer === 'string' && /^[0-9a-f]{24}$/.test(answer)) {
      const name = names.get(answer) ?? `id ${names.size + 1}`
      names.set(answer, name)
      return name
    }
    if (Array.isArray(answer)) return answer.map(rename)
    if (typeof answer === 'object' && answer !== null)
      return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, rename(value)]))
    return answer
  }
  return { log, claims: [], cursors: [], turns: [], progress: new Map(), rename }
}

/** Who and what one sequence is about; the same for both sides. */
interface Cast {
  readonly sessions: readonly SessionId[]
  readonly visitors: readonly ReturnType<World['newVisitor']>[]
  readonly devices: readonly NewQuestion['device'][]
  readonly messages: readonly NewQuestion['messageId'][]
}

const createCast = (world: World): Cast => ({
  sessions: [world.newSessionId(), world.newSessionId(), world.newSessionId()],
  visitors: [world.newVisitor(), world.newVisitor()],
  devices: [SERVER_DEVICE, world.newDevice(), world.newDevice()],
  messages: Array.from({ length: 8 }, () => world.question().messageId),
})

/** Counted from the newest, so that most steps concern what is going on. */
const at = <Value>(list: readonly Value[], index: number): Value | undefined => list.at(-1 - (index % Math.max(1, list.length)))

/** The answer, or the name of the error: commands that are wrong in themselves must be refused alike. */
async function perform(side: Side, cast: Cast, each: Step): Promise<unknown> {
  try {
    return await answerTo(side, cast, each)
  } catch (error) {
    if (error instanceof RangeError) return { refused: error.message }
    throw error
  }
}

async function answerTo(side: Side, cast: Cast, each: Step): Promise<unknown> {
  const { log } = side
  switch (each.do) {
    case 'create':
      return log.createSession({ id: pick(cast.sessions, each.session), visitor: pick(cast.visitors, each.visitor), ttlMs: TTL_MS })
    case 'ask': {
      const asked = await log.ask(pick(cast.sessions, each.session), await questionOf(side, cast, each))
      if (asked.type === 'accepted') {
        side.cursors.push(asked.cursor)
        side.turns.push(asked.turnId)
      }
      return asked
    }
    case 'stop': {
      const turn = at(side.turns, each.turn)
      return turn === undefined ? 'nothing to stop' : log.stop(pick(cast.sessions, each.session), turn)
    }
    case 'read': {
      const read = await log.read(
        pick(cast.sessions, each.session),
        each.cursor === 0 ? undefined : at(side.cursors, each.cursor - 1),
        each.limit,
      )
      if (read.type === 'entries' && read.head !== undefined) side.cursors.push({ logId: read.logId, ...read.head })
      // What is settled differs by what the stores survive [L15], not by what they hold.
      return read.type === 'gone' ? read : { ...read, settled: undefined }
    }
    case 'claim':
    case 'claim untold': {
      const terms = ['owner', LEASE_MS, each.limit] as const
      const claims = each.do === 'claim' ? await log.claim(...terms) : await log.claimUntold(...terms)
      side.claims.push(...claims)
      return claims
    }
    case 'renew':
    case 'release': {
      const claim = at(side.claims, each.claim)
      if (claim === undefined) return 'nothing claimed'
      return each.do === 'renew' ? log.renew(claim, LEASE_MS) : log.release(claim)
    }
    case 'write': {
      const claim = at(side.claims, each.claim)
      if (claim === undefined) return 'nothing claimed'
      const { bodies, progress } = compose(side, cast, { claim, plan: each.plan })
      const result = await log.write(claim, bodies)
      if (result.type === 'written') side.progress.set(claim.turnId, progress)
      return result
    }
    case 'look':
      return [
        await log.findSession(pick(cast.sessions, each.session)),
        await log.listSessions(pick(cast.visitors, each.visitor)),
        await log.lastNumber(pick(cast.sessions, each.session), pick(cast.devices, each.device)),
      ]
    case 'delete':
      return log.deleteSession(pick(cast.sessions, each.session))
    case 'keep':
      return log.keepSession(pick(cast.sessions, each.session))
    case 'purge':
      return log.deleteExpired(each.limit)
    case 'wait':
      return undefined
  }
}

function pick<Value>(list: readonly Value[], index: number): Value {
  const value = list[index]
  if (value === undefined) throw new TypeError('a step names what the cast does not have')
  return value
}

async function questionOf(side: Side, cast: Cast, each: Step & { readonly do: 'ask' }): Promise<NewQuestion> {
  const device = pick(cast.devices, each.device)
  const last = await side.log.lastNumber(pick(cast.sessions, each.session), device)
  return {
    messageId: pick(cast.messages, each.message),
    device,
    number: device === SERVER_DEVICE ? undefined : last + 1 + each.skew,
    text: `question ${each.message}${each.text === 1 ? ' otherwise' : ''}`,
    inReplyTo: undefined,
  }
}

interface WritePlan {
  readonly claim: Claim
  readonly plan: (Step & { readonly do: 'write' })['plan']
}

/** Bodies that mostly fit what the turn has come to; some plans break a rule on purpose. */
function compose(
  side: Side,
  cast: Cast,
  { claim, plan }: WritePlan,
): { readonly bodies: readonly TurnBody[]; readonly progress: Progress } {
  let progress = side.progress.get(claim.turnId) ?? { attempt: 0, parts: 0, chars: 0, isSuperseded: false }
  const bodies = plan.map((move): TurnBody => {
    const { attempt, parts, chars, isSuperseded } = progress
    switch (move) {
      case 'next':
        if (attempt > 0 && !isSuperseded) {
          progress = { ...progress, parts: parts + 1, chars: chars + 2 }
          return part(claim, 'ab', parts, attempt)
        }
        progress = { attempt: attempt + 1, parts: 0, chars: 0, isSuperseded: false }
        return started(claim, attempt + 1)
      case 'part':
        progress = { ...progress, parts: parts + 1, chars: chars + 1 }
        return part(claim, 'c', parts, attempt)
      case 'supersede':
        progress = { ...progress, isSuperseded: true }
        return superseded(claim, attempt)
      case 'end':
        return ended(claim, { attempt, parts, chars })
      case 'again':
        progress = { attempt: attempt + 1, parts: 0, chars: 0, isSuperseded: false }
        return started(claim, attempt + 1)
      case 'notice':
        return told(claim, pick(cast.messages, 0))
      case 'foreign':
        return ended({ ...claim, turnId: side.turns[0] ?? claim.turnId }, { attempt, parts, chars })
    }
  })
  return { bodies, progress }
}

/** Everything in the session, checked by the fold that people see it through. */
async function wholeLog(side: Side, session: SessionId): Promise<unknown> {
  if ((await side.log.findSession(session)) === undefined) return 'gone'
  const entries = await readAll(side.log, session)
  return [entries, fold(entries).items.length]
}
