/**
 * The log's commands on Redis. Each is one function of `redis-functions.lua` on the keys of one partition, but for these:
 *
 * - Making and deleting a session also changes its visitor's list (`redis-visitors.ts`).
 * - `claim` first looks at the queues that may have changed (`redis-claims.ts`).
 * - `deleteExpired` and `tally` ask every partition; each answers for itself, at one moment of its own.
 *
 * Nothing that is read is kept here, so nothing hides what a fail-over has taken back.
 */
import type { TurnBody } from '../conversation/entry.ts'
import {
  mintEntryId,
  mintLogId,
  mintTurnId,
  SERVER_DEVICE,
  type Cursor,
  type DeviceId,
  type SessionId,
  type TurnId,
  type VisitorId,
} from '../conversation/ids.ts'
import { REDIS_SETTLED_SOON_MS } from '../conversation/limits.ts'
import type {
  AnnouncedProcess,
  AskResult,
  Claim,
  CreateSessionResult,
  NewQuestion,
  NewSession,
  QuestionTally,
  ReadResult,
  Session,
  StopResult,
  WriteResult,
} from './conversation-log.ts'
import { endOf, sumOf } from './ledger.ts'
import { accepted, checkReadLimit, countOf, decideAsk, decideWrite } from './log-decisions.ts'
import { LogError } from './log-error.ts'
import { factsOf, NUMBER, repeated, stopBodies } from './redis-bodies.ts'
import { RedisClaims } from './redis-claims.ts'
import { toLogError } from './redis-errors.ts'
import type { Reply } from './redis-connection.ts'
import { REDIS_FORMAT } from './redis-library.ts'
import { partitionAt, sessionKey, sessionKeys, type Partition, type Partitions } from './redis-partitions.ts'
import { probeRedis } from './redis-probe.ts'
import type { QueueNews } from './redis-queues.ts'
import {
  expiringIn,
  headAt,
  listOf,
  logIdAt,
  numberAt,
  readIn,
  SESSION_FIELDS,
  sessionIn,
  tallyIn,
  textAt,
  turnIn,
  visitorAt,
} from './redis-replies.ts'
import { WriteRounds } from './redis-rounds.ts'
import type { RedisServers } from './redis-servers.ts'
import { countIn, type RedisSettling } from './redis-settling.ts'
import { RedisVisitors } from './redis-visitors.ts'
import { bodyText } from './stored-entry.ts'
import type { AsyncLog, LogPorts } from './sync-log.ts'

export interface RedisStoreOptions extends LogPorts {
  readonly servers: RedisServers
  readonly partitions: Partitions
  /** Names this process among the holders of leases and the senders of bells; new for each start of it. */
  readonly process: string
  /** Whose clock leases run on: Redis' own, the only one that processes share, unless a test brings its own. */
  readonly leaseNow: () => string
  /** Finds out what is settled; without it, whatever is accepted counts. */
  readonly settling: RedisSettling | undefined
}

export class RedisStore implements AsyncLog {
  readonly #options: RedisStoreOptions
  readonly #claims: RedisClaims
  readonly #rounds = new WriteRounds()
  readonly #visitors: RedisVisitors

  constructor(options: RedisStoreOptions) {
    this.#options = options
    this.#claims = new RedisClaims(options)
    this.#visitors = new RedisVisitors({ ...options, find: (id) => this.#find(id) })
  }

  /** A bell of another process. */
  rang(partition: Partition, news: QueueNews): void {
    this.#claims.rang(partition, news)
  }

  /** A server was lost, or another has its place: what was written there last may be gone. */
  serversChanged(): void {
    this.#visitors.serversChanged()
  }

  // ── sessions ───────────────────────────────────────────────────────────────

  async createSession({ id, visitor, ttlMs }: NewSession): Promise<CreateSessionResult> {
    const added = await this.#visitors.add(visitor, id)
    if (added === 'full') {
      const existing = await this.findSession(id)
      if (existing === undefined) return { type: 'too-many' }
      return existing.visitor === visitor ? { type: 'existing', session: existing } : { type: 'taken' }
    }
    const logId = mintLogId(this.#options.random)
    const reply = listOf(await this.#call('create', id, [visitor, logId, String(ttlMs)]))
    const type = textAt(reply, 0)
    if (type === 'taken') {
      if (added === 'added') await this.#visitors.remove(visitor, [id])
      return { type }
    }
    const [createdAt, expiresAt, questions] = [numberAt(reply, 2), numberAt(reply, 3), numberAt(reply, 4)]
    const session: Session = { id, visitor, logId: logIdAt(reply, 1), createdAt, expiresAt, questions }
    if (type === 'existing') return { type, session }
    // A name from an earlier life of the session: its new life is the newest.
    if (added === 'known') await this.#visitors.addAsNewest(visitor, id)
    // Without its session no device could put a question back.
    await this.#settledSoon(id, reply)
    return { type: 'created', session }
  }

  async findSession(id: SessionId): Promise<Session | undefined> {
    const session = await this.#find(id)
    return session !== undefined && session.expiresAt > this.#options.clock.now() ? session : undefined
  }

  listSessions(visitor: VisitorId): Promise<readonly Session[]> {
    return this.#visitors.list(visitor)
  }

  async keepSession(id: SessionId): Promise<Session | undefined> {
    const reply = listOf(await this.#call('keep', id, []))
    return textAt(reply, 0) === 'gone' ? undefined : sessionIn(id, [String(REDIS_FORMAT), ...reply.slice(1)])
  }

  async deleteSession(id: SessionId): Promise<boolean> {
    return (await this.#erase(id, ['delete'])) > 0
  }

  async deleteExpired(limit: number): Promise<number> {
    const count = countOf(limit)
    if (count === 0) return 0
    const now = String(this.#options.clock.now())
    const found = await this.#askAll(({ expiry }) => ['ZRANGE', expiry, '-inf', now, 'BYSCORE', 'LIMIT', '0', String(count), 'WITHSCORES'])
    const expired = found.flatMap((reply) => {
      const list = listOf(reply)
      return Array.from({ length: list.length / 2 }, (_unused, index) => ({
        ...expiringIn(textAt(list, index * 2)),
        at: numberAt(list, index * 2 + 1),
      }))
    })
    const oldest = expired.toSorted((a, b) => a.at - b.at || (a.member < b.member ? -1 : 1)).slice(0, count)
    const erased = await Promise.all(oldest.map(({ session, member }) => this.#erase(session, ['expire', member])))
    return erased.reduce((sum, each) => sum + each, 0)
  }

  // ── questions ──────────────────────────────────────────────────────────────

  async ask(id: SessionId, question: NewQuestion): Promise<AskResult> {
    const { random, partitions, clock } = this.#options
    const { messageId, device, text, inReplyTo } = question
    const [turnId, entryId, at] = [mintTurnId(random), mintEntryId(random), clock.now()]
    const body = bodyText({ kind: 'message', messageId, turnId, device, number: 0, text, inReplyTo })
    // Quotes inside a text are escaped, so this stands only where the number does.
    const cut = body.indexOf(NUMBER) + NUMBER.length
    const number = question.number === undefined ? '' : String(question.number)
    const parts = [messageId, turnId, entryId, device, number, body.slice(0, cut), body.slice(cut + 1)]
    const reply = listOf(await this.#call('ask', id, parts, at))
    const type = textAt(reply, 0)
    // A browser keeps a question until it is settled. Whoever asks by form or API keeps nothing: for them it is settled first.
    const isAccepted = type === 'accepted' || type === 'earlier'
    if (isAccepted && device === SERVER_DEVICE) await this.#settledSoon(id, reply)
    switch (type) {
      case 'gone':
      case 'overload':
        return { type }
      case 'order':
        return { type, expected: numberAt(reply, 1) }
      case 'earlier':
        return repeated(reply, question)
      case 'unnumbered':
        decideAsk({ head: undefined, earlier: undefined, lastNumber: numberAt(reply, 1) - 1, openTurns: 0 }, question, turnId)
        throw new LogError('corrupt', 'R4: a function and its decision differ about a number')
      case 'accepted': {
        this.rang(partitions.ofSession(id), 'work')
        this.#touched(id)
        this.#visitors.addAgain(visitorAt(reply, 4), id)
        const message = { kind: 'message', messageId, turnId, device, number: numberAt(reply, 3), text, inReplyTo } as const
        return accepted(logIdAt(reply, 1), { ...message, seq: numberAt(reply, 2), id: entryId, at }, false)
      }
      default:
        throw unknownReply(type)
    }
  }

  async stop(id: SessionId, turnId: TurnId): Promise<StopResult> {
    const { random, leaseNow, partitions } = this.#options
    const { wish, end } = stopBodies(turnId)
    const args = [turnId, leaseNow(), mintEntryId(random), wish, mintEntryId(random), ...end]
    const reply = listOf(await this.#call('stop', id, args))
    const type = textAt(reply, 0)
    switch (type) {
      case 'gone':
      case 'already':
        return { type }
      case 'requested':
        this.#touched(id)
        return { type }
      case 'stopped':
        this.#touched(id)
        this.rang(partitions.ofSession(id), 'again')
        return { type, askedAt: numberAt(reply, 1) }
      default:
        throw unknownReply(type)
    }
  }

  async lastNumber(id: SessionId, device: DeviceId): Promise<number> {
    const field = `d:${device}`
    const partition = this.#options.partitions.ofSession(id)
    const fields = listOf(await this.#options.servers.send(partition, ['HMGET', sessionKey(partition, id), ...SESSION_FIELDS, field]))
    const session = sessionIn(id, fields)
    const last = fields[SESSION_FIELDS.length]
    return session === undefined || session.expiresAt <= this.#options.clock.now() || last === null ? 0 : Number(last)
  }

  async read(id: SessionId, after: Cursor | undefined, limit: number): Promise<ReadResult> {
    checkReadLimit(limit)
    // What was written and given up is settled before anything is read: done by now, or never.
    for (const doubt of this.#rounds.doubtsOf(id)) {
      const { turnId, fence } = doubt.claim
      await this.#call('round', id, [turnId, String(fence), String(doubt.round)])
      this.#rounds.resolved(doubt)
    }
    const cursor = after === undefined ? ['', '', ''] : [String(after.seq), after.id, after.logId]
    const result = readIn(listOf(await this.#call('read', id, [...cursor, String(limit)])), after?.seq ?? 0, after?.id)
    if (result.type === 'gone') return result
    const seq = result.head?.seq ?? 0
    if (this.#options.settling === undefined) return { ...result, settled: seq }
    if (result.settled < seq) this.#touched(id)
    return result
  }

  // ── turns ──────────────────────────────────────────────────────────────────

  claim(_owner: string, leaseMs: number, limit: number): Promise<readonly Claim[]> {
    return this.#claims.claim('ready', leaseMs, limit)
  }

  claimUntold(_owner: string, leaseMs: number, limit: number): Promise<readonly Claim[]> {
    return this.#claims.claim('untold', leaseMs, limit)
  }

  async renew({ session, turnId, fence }: Claim, leaseMs: number): Promise<boolean> {
    return (await this.#call('renew', session, [turnId, String(fence), this.#options.leaseNow(), String(leaseMs)])) === 1
  }

  async release({ session, turnId, fence }: Claim): Promise<void> {
    await this.#call('release', session, [turnId, String(fence)])
    this.rang(this.#options.partitions.ofSession(session), 'again')
  }

  async write(claim: Claim, bodies: readonly TurnBody[]): Promise<WriteResult> {
    const { session, turnId, fence } = claim
    const end = bodies.find((body) => body.kind === 'turn-ended')
    const entries = bodies.flatMap((body) => [...factsOf(body, turnId), mintEntryId(this.#options.random), bodyText(body)])
    const round = this.#rounds.of(claim)
    const args = [turnId, String(fence), String(round), end === undefined ? '' : endOf(end), ...entries]
    let reply: readonly Reply[]
    try {
      reply = listOf(await this.#call('write', session, args))
    } catch (error) {
      this.#rounds.doubt(claim)
      throw error
    }
    const type = textAt(reply, 0)
    switch (type) {
      case 'fenced':
        this.#rounds.forget(claim)
        return { type }
      case 'refused':
        // The same facts to the same decision: it says what is wrong.
        decideWrite(turnIn(turnId, textAt(reply, 1)), fence, bodies)
        throw new LogError('corrupt', 'R5: a function and its decision differ about a write')
      case 'written': {
        this.#touched(session)
        if (end !== undefined) {
          this.#rounds.forget(claim)
          this.rang(this.#options.partitions.ofSession(session), 'again')
        }
        const head = headAt(reply, 1)
        if (head === undefined) throw new LogError('corrupt', 'R6: a session with a turn has no entries')
        return { type, head }
      }
      default:
        throw unknownReply(type)
    }
  }

  // ── the whole ──────────────────────────────────────────────────────────────

  /** One partition has the list, wherever the sessions are. */
  async announce({ id, about }: AnnouncedProcess, leaseMs: number): Promise<readonly AnnouncedProcess[]> {
    const partition = partitionAt(this.#options.partitions, 0)
    const said = listOf(await this.#options.servers.call(partition, 'announce', [partition.processes], [id, String(leaseMs), about]))
    return Array.from({ length: said.length / 2 }, (_unused, at) => ({ id: textAt(said, at * 2), about: textAt(said, at * 2 + 1) }))
  }

  probe(): Promise<void> {
    return probeRedis(this.#options)
  }

  async tally(): Promise<QuestionTally> {
    const { servers, partitions, clock } = this.#options
    const now = String(clock.now())
    const asked = partitions.all.map((partition) => {
      const { meta, ready, untold, leased, expiry } = partition
      return servers.call(partition, 'tally', [meta, ready, untold, leased, expiry], [now])
    })
    return sumOf((await Promise.all(asked)).map(tallyIn))
  }

  // ── what they have in common ───────────────────────────────────────────────

  #call(name: string, session: SessionId, args: readonly string[], now = this.#options.clock.now()): Promise<Reply> {
    const { servers, partitions, process } = this.#options
    const partition = partitions.ofSession(session)
    return servers.call(partition, name, sessionKeys(partition, session), [process, session, String(now), ...args])
  }

  /** Something of this session may not be settled yet. */
  #touched(session: SessionId): void {
    const { servers, partitions, settling } = this.#options
    const partition = partitions.ofSession(session)
    settling?.touched(servers.serverOf(partition), partition)
  }

  /** Waits, but not for long, until what the reply tells of is settled. */
  async #settledSoon(session: SessionId, reply: readonly Reply[]): Promise<void> {
    const { servers, partitions, settling } = this.#options
    const partition = partitions.ofSession(session)
    await settling?.whenSettled(servers.serverOf(partition), partition, countIn(reply), REDIS_SETTLED_SOON_MS)
  }

  /** Asks every partition; gives what answered, unless nothing did. */
  async #askAll(command: (partition: Partition) => readonly string[]): Promise<readonly Reply[]> {
    const { servers, partitions } = this.#options
    const settled = await Promise.allSettled(partitions.all.map((partition) => servers.send(partition, command(partition))))
    const answers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    const [failed] = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    if (answers.length === 0) throw toLogError(failed)
    return answers
  }

  /** The session that is there, also when its time is over. */
  async #find(id: SessionId): Promise<Session | undefined> {
    const partition = this.#options.partitions.ofSession(id)
    return sessionIn(id, listOf(await this.#options.servers.send(partition, ['HMGET', sessionKey(partition, id), ...SESSION_FIELDS])))
  }

  /** How many sessions it took out for whoever asked: 1 or 0. */
  async #erase(id: SessionId, how: readonly string[]): Promise<number> {
    const reply = listOf(await this.#call('erase', id, how))
    const visitor = textAt(reply, 1) === '' ? undefined : visitorAt(reply, 1)
    if (visitor !== undefined) await this.#visitors.remove(visitor, [id])
    // What somebody deleted must not come back.
    const erased = numberAt(reply, 0)
    if (erased > 0 && how[0] === 'delete') await this.#settledSoon(id, reply)
    return erased
  }
}

const unknownReply = (type: string): LogError => new LogError('corrupt', `R10: a function answered ${type}`)
