/**
 * Claiming turns: partitions are asked by what is known of their queues, so that whoever looks for work does not ask all of them.
 */
import type { Clock } from '../resilience/clock.ts'
import type { Claim } from './conversation-log.ts'
import { countOf } from './log-decisions.ts'
import { toLogError } from './redis-errors.ts'
import { partitionAt, type Partition, type Partitions } from './redis-partitions.ts'
import { PLACES_SHOWN, QueueHints, type QueueNews } from './redis-queues.ts'
import { claimsIn, type PlacedClaim } from './redis-replies.ts'
import type { RedisServers } from './redis-servers.ts'

type QueueName = 'ready' | 'untold'

/** Looks and claims that one `claim` may take; others who claim at the same time make for more. */
const CLAIM_STEPS_MAX = 6

export interface RedisClaimsOptions {
  readonly clock: Clock
  readonly servers: Pick<RedisServers, 'call'>
  readonly partitions: Partitions
  readonly process: string
  readonly leaseNow: () => string
}

export class RedisClaims {
  readonly #options: RedisClaimsOptions
  /** The queue of sessions' oldest turns, and that of turns without other help. */
  readonly #queues: Readonly<Record<QueueName, QueueHints>>

  constructor(options: RedisClaimsOptions) {
    this.#options = options
    const count = options.partitions.all.length
    this.#queues = { ready: new QueueHints(count), untold: new QueueHints(count) }
  }

  /** Something was heard of the partition's queues. */
  rang({ index }: Partition, news: QueueNews): void {
    this.#queues.ready.rang(index, news)
    this.#queues.untold.rang(index, news)
  }

  /**
   * Claims up to `limit` turns of the queue. Holders are processes, not owners: there is one owner a process, and only this process knows
   * its own rounds.
   *
   * @throws LogError when no partition answers
   */
  async claim(name: QueueName, leaseMs: number, limit: number): Promise<readonly Claim[]> {
    const { clock, process, leaseNow, servers, partitions } = this.#options
    const queues = this.#queues[name]
    const wanted = countOf(limit)
    const claims: PlacedClaim[] = []
    const failures: unknown[] = []
    let answers = 0
    const ask = async (index: number, count: number): Promise<void> => {
      const partition = partitionAt(partitions, index)
      const { meta, ready, untold, leased } = partition
      const args = [process, String(clock.now()), leaseNow(), String(leaseMs), String(count), String(PLACES_SHOWN), name]
      try {
        const got = claimsIn(await servers.call(partition, 'claim', [meta, ready, untold, leased], args))
        queues.learnt(index, got.view, clock.monotonic())
        claims.push(...got.claims)
        answers += 1
      } catch (error) {
        queues.failed(index)
        failures.push(error)
      }
    }
    for (let steps = 0; steps < CLAIM_STEPS_MAX && claims.length < wanted; steps += 1) {
      const plan = queues.plan(wanted - claims.length, clock.monotonic())
      if (plan.size === 0) break
      await Promise.all(Array.from(plan, ([index, count]) => ask(index, count)))
    }
    // A Cluster of which a part is away gives what the others have.
    if (answers === 0 && failures.length > 0) throw toLogError(failures[0])
    return claims.toSorted((a, b) => a.place - b.place).map(({ claim }) => claim)
  }
}
