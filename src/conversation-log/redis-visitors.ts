/**
 * Visitors' lists of their sessions. A list is in its visitor's partition and a session in its own, so no step changes both.
 *
 * The name is written before its session is made and taken out after the session is gone. A crash in between leaves a name without a
 * session, never a session that its visitor cannot see; whoever reads the list passes over such names, and takes them out
 * when nobody can be about to make the session any more. A fail-over that takes back a name is mended by the next question.
 */
import type { SessionId, VisitorId } from '../conversation/ids.ts'
import { REDIS_SESSIONS_NAMED_MAX, SESSIONS_PER_VISITOR_MAX } from '../conversation/limits.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Session } from './conversation-log.ts'
import { LogError } from './log-error.ts'
import { visitorKey, type Partitions } from './redis-partitions.ts'
import { listOf, namesIn, numberAt } from './redis-replies.ts'
import type { RedisServers } from './redis-servers.ts'

/** A name that was put into a list this long ago is not about to get its session. */
const GRACE_US = 30_000_000

export interface RedisVisitorsOptions {
  readonly servers: RedisServers
  readonly partitions: Partitions
  readonly clock: Clock
  /** The session that is there, also when its time is over. */
  readonly find: (id: SessionId) => Promise<Session | undefined>
}

export class RedisVisitors {
  readonly #options: RedisVisitorsOptions
  /** Sessions that were put into their list since the servers last changed. */
  readonly #named = new Set<SessionId>()

  constructor(options: RedisVisitorsOptions) {
    this.#options = options
  }

  /** What was written last may be gone. */
  serversChanged(): void {
    this.#named.clear()
  }

  /** The visitor's living sessions, newest first. */
  async list(visitor: VisitorId): Promise<readonly Session[]> {
    const { own, stale } = await this.#read(visitor)
    await this.remove(visitor, stale)
    return own
  }

  /** Makes room where names stand for no session any more; `known` when the name was there. */
  async add(visitor: VisitorId, id: SessionId): Promise<'added' | 'known' | 'full'> {
    const added = await this.#add(visitor, id)
    if (added !== 'full') return added
    const { stale } = await this.#read(visitor)
    await this.remove(visitor, stale)
    return stale.length > 0 ? this.#add(visitor, id) : added
  }

  /** Makes the session the newest of its visitor's: it is another life of one that was in the list. */
  async addAsNewest(visitor: VisitorId, id: SessionId): Promise<void> {
    const partition = this.#options.partitions.ofVisitor(visitor)
    await this.#options.servers.call(partition, 'renewest', [visitorKey(partition, visitor)], [id])
  }

  /** Takes names out. One that stays costs its visitor a place until the list is read again, so failing to is no failure. */
  async remove(visitor: VisitorId, sessions: readonly SessionId[]): Promise<void> {
    for (const id of sessions) this.#named.delete(id)
    if (sessions.length === 0) return
    const partition = this.#options.partitions.ofVisitor(visitor)
    await this.#options.servers.send(partition, ['ZREM', visitorKey(partition, visitor), ...sessions]).catch(() => undefined)
  }

  /** Puts a session that lives into the list, once after every change of the servers. Nobody waits for it. */
  addAgain(visitor: VisitorId, id: SessionId): void {
    if (this.#named.has(id)) return
    if (this.#named.size >= REDIS_SESSIONS_NAMED_MAX) this.#named.clear()
    this.#named.add(id)
    // The next question tries again.
    void this.#add(visitor, id).catch(() => this.#named.delete(id))
  }

  async #add(visitor: VisitorId, id: SessionId): Promise<'added' | 'known' | 'full'> {
    const { servers, partitions } = this.#options
    const partition = partitions.ofVisitor(visitor)
    const reply = await servers.call(partition, 'enlist', [visitorKey(partition, visitor)], [id, String(SESSIONS_PER_VISITOR_MAX)])
    if (reply !== 'added' && reply !== 'known' && reply !== 'full') throw new LogError('corrupt', 'R11: a list answered something else')
    return reply
  }

  /** The visitor's living sessions, newest first, and names that stand for none and never will. */
  async #read(visitor: VisitorId): Promise<{ readonly own: readonly Session[]; readonly stale: readonly SessionId[] }> {
    const { servers, partitions, clock, find } = this.#options
    const partition = partitions.ofVisitor(visitor)
    const [listed, time] = await Promise.all([
      servers.send(partition, ['ZRANGE', visitorKey(partition, visitor), '0', '-1', 'REV', 'WITHSCORES']),
      servers.send(partition, ['TIME']),
    ])
    const nowUs = numberAt(listOf(time), 0) * 1_000_000
    const names = namesIn(listed)
    const found = await Promise.all(names.map(({ session }) => find(session)))
    const isOwn = (session: Session | undefined): session is Session =>
      session !== undefined && session.visitor === visitor && session.expiresAt > clock.now()
    const stale = names.filter(({ placedUs }, index) => !isOwn(found[index]) && (found[index] !== undefined || nowUs - placedUs > GRACE_US))
    return { own: found.filter(isOwn), stale: stale.map(({ session }) => session) }
  }
}
