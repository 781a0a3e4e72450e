/** What Redis' acknowledgements are worth, from what its servers say of themselves. Pure. */
import type { Durability } from '../conversation/durability.ts'
import type { ServerFacts } from './redis-server-facts.ts'

export interface Guarantee {
  readonly durability: Durability
  /** What may take back what was acknowledged, one sentence each, for people on call. */
  readonly weaknesses: readonly string[]
}

const PERSISTENCE: Readonly<Record<Exclude<ServerFacts['persistence'], 'always'>, string>> = {
  everysec: 'it writes to disk once a second (appendfsync everysec), so its crash or a power loss may take the last seconds',
  no: 'it leaves writing to disk to the system (appendfsync no), so a power loss may take the last half minute',
  off: 'it keeps nothing on disk at every write (appendonly no), so its restart may take a lot',
  unknown: 'it does not say how it writes to disk, so the worst is assumed',
}

/**
 * @param facts of every server; `undefined` for one that has not been reached, of which nothing is promised
 * @param replicas that are waited for, 0 for none
 */
export function guaranteeOf(facts: readonly (ServerFacts | undefined)[], replicas: number): Guarantee {
  const known = facts.filter((each) => each !== undefined)
  if (replicas > 0) {
    const fewest = Math.min(...known.map((each) => each.replicas))
    const weakness = `REDIS_WAIT_REPLICAS asks for ${replicas} and ${fewest} connected: nothing is settled until they are`
    return { durability: 'replicated', weaknesses: fewest < replicas ? [weakness] : [] }
  }
  const failsOver = known.some((each) => each.replicas > 0)
  const isWhole = facts.length > 0 && known.length === facts.length
  const isSynced = isWhole && known.every(({ persistence }) => persistence === 'always')
  if (isSynced && !failsOver) return { durability: 'fsync', weaknesses: [] }
  const persistence = known.flatMap((each) => (each.persistence === 'always' ? [] : [PERSISTENCE[each.persistence]]))
  const failover = 'it has replicas and nobody waits for them (REDIS_WAIT_REPLICAS=0), so a fail-over may take the last moments'
  return { durability: 'best-effort', weaknesses: [...new Set([...persistence, ...(failsOver ? [failover] : [])])] }
}
