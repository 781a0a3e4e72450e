/**
 * What an owner knows of its own claim. Pure.
 *
 * The fence, not the lease, keeps two owners from writing at once; the lease keeps an owner that has lost touch with the store
 * from piling up work that may be refused. A lease that ran out is `lapsed`: nothing is written until the store says it is still held.
 */
import { backoffMs, type Backoff } from '../resilience/backoff.ts'
import type { Chance } from '../resilience/clock.ts'

export type Lease =
  | { readonly status: 'held'; readonly until: number; readonly renewal: Renewal }
  | { readonly status: 'lapsed'; readonly renewal: Renewal }

/** All times monotonic, in milliseconds. */
type Renewal =
  | { readonly status: 'due'; readonly at: number; readonly failures: number }
  | { readonly status: 'asked'; readonly since: number; readonly failures: number }

/** A lease that was given, or asked for, at `since`. */
export const heldSince = (since: number, leaseMs: number): Lease => ({
  status: 'held',
  until: since + leaseMs,
  renewal: { status: 'due', at: since + leaseMs / 3, failures: 0 },
})

/** The lease as it is at `now`: the same one, or lapsed. */
export const leaseAt = (lease: Lease, now: number): Lease =>
  lease.status === 'held' && lease.until <= now ? { status: 'lapsed', renewal: lease.renewal } : lease

/** The lease with its renewal asked for, or the same one while none is due. */
export function askRenewal(lease: Lease, now: number): Lease {
  const { renewal } = lease
  if (renewal.status === 'asked' || renewal.at > now) return lease
  return { ...lease, renewal: { status: 'asked', since: now, failures: renewal.failures } }
}

/** The lease once the store has said that it is still held. */
export const renewed = (lease: Lease, leaseMs: number): Lease =>
  lease.renewal.status === 'asked' ? heldSince(lease.renewal.since, leaseMs) : lease

/** The lease once the store has said that it is not held, while the result of a write that may have ended the turn is awaited. */
export const doubted = (now: number, leaseMs: number): Lease => ({
  status: 'lapsed',
  renewal: { status: 'due', at: now + leaseMs / 3, failures: 0 },
})

/** The lease after a renewal whose outcome is unknown; the next one waits. */
export function renewalFailed(lease: Lease, means: { readonly now: number; readonly backoff: Backoff; readonly chance: Chance }): Lease {
  const failures = lease.renewal.failures + 1
  return { ...lease, renewal: { status: 'due', at: means.now + backoffMs(means.backoff, failures, means.chance), failures } }
}

/** When the lease next needs attention, monotonic. */
export function leaseDeadline(lease: Lease): number | undefined {
  const times = [lease.status === 'held' ? lease.until : undefined, lease.renewal.status === 'due' ? lease.renewal.at : undefined]
  const known = times.filter((time) => time !== undefined)
  return known.length > 0 ? Math.min(...known) : undefined
}
