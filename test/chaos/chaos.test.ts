/** A bounded run on each store: a few faults, all of one seed. Longer: `npm run chaos`, docs/chaos.md. */
import { copyFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createClock } from '../../src/app/ports.ts'
import { temporaryFolder } from '../server-process.ts'
import { runChaos } from './chaos.ts'
import type { StoreKind } from './schedule.ts'

const LONG_ENOUGH = { timeout: 150_000 }

async function expectPromiseKept(store: StoreKind, seed: number, faults: number): Promise<void> {
  using folder = temporaryFolder()
  const options = { people: 6, thinkMs: 1_200, leaseMs: 2_000, folder: folder.path, clock: createClock(), say: () => undefined }
  const { counts, violations, history, hits } = await runChaos({ seed, store, faults, awayMaxMs: 3_000, ...options })
  // Where a person finds it.
  const kept = path.join(os.tmpdir(), path.basename(history))
  if (violations.length > 0 || counts.open > 0) copyFileSync(history, kept)
  const where = `seed ${seed}, history in ${kept}`
  expect({ where, violations }).toEqual({ where, violations: [] })
  const { sent, acknowledged, answered, lost, twice, outOfOrder, open } = counts
  const whole = { where, acknowledged: sent, answered: sent, lost: 0, twice: 0, outOfOrder: 0, open: 0 }
  expect({ where, acknowledged, answered, lost, twice, outOfOrder, open }).toEqual(whole)
  // A run in which nobody asked, or nothing was hit, proves nothing.
  expect({ where, faults: counts.faults, hasAsked: sent > 10, hasHit: hits > 0 }).toEqual({ where, faults, hasAsked: true, hasHit: true })
}

test.concurrent(
  '[O232] on SQLite, with its server killed and frozen under load, a recorder outside sees the promise kept',
  LONG_ENOUGH,
  () => expectPromiseKept('sqlite', 237, 3),
)

test.concurrent(
  '[O233] on Redis, with it and its three servers killed and frozen, a recorder outside sees the promise kept',
  LONG_ENOUGH,
  () => expectPromiseKept('redis', 253, 6),
)
