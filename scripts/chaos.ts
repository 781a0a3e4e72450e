/**
 * `npm run chaos -- --minutes 10 --seed N [--store sqlite|redis]`: real servers under load, killed and frozen, and what became of
 * every question (docs/chaos.md). The exit code is 1 when the promise was broken, or when the run proves nothing.
 */
import { mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { createClock } from '../src/app/ports.ts'
import { runChaos } from '../test/chaos/chaos.ts'
import { describeFault, drawFaults, faultsIn, STORES, type StoreKind } from '../test/chaos/schedule.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    store: { type: 'string', default: 'sqlite' },
    people: { type: 'string', default: '12' },
    folder: { type: 'string', default: path.join(os.tmpdir(), 'chat-chaos') },
    'only-schedule': { type: 'boolean', default: false },
  },
})

const number = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (!(value >= least && value <= most)) throw new RangeError(`--${name} takes a number from ${least} to ${most}`)
  return value
}
const isStore = (text: string): text is StoreKind => STORES.some((store) => store === text)
const { store, folder } = values
if (!isStore(store)) throw new RangeError(`--store takes one of ${STORES.join(', ')}`)
const minutes = number('minutes', values.minutes, 0.1, 24 * 60)
const seed = Math.floor(number('seed', values.seed, 0, 2 ** 31 - 1))
const people = Math.floor(number('people', values.people, 1, 20))
/** Mostly longer than the lease, so that turns are taken over from servers that wake up later. */
const schedule = { seed, store, faults: faultsIn(minutes, store), awayMaxMs: 7_000 }

if (values['only-schedule']) {
  for (const fault of drawFaults(schedule)) console.log(describeFault(fault))
} else {
  mkdirSync(folder, { recursive: true })
  console.log(`seed ${seed}, ${store}, ${schedule.faults} faults, ${people} people`)
  const options = { ...schedule, people, folder, thinkMs: 6_000, leaseMs: 2_000, clock: createClock(), say: console.log }
  const { counts, violations, history, cut, hits } = await runChaos(options)
  console.log(`history: ${history}`)
  console.log({ ...counts, cut, hits })
  for (const { invariant, witness } of violations) console.error(`✗ ${invariant}: ${witness}`)
  if (hits === 0) console.error('✗ no fault hit an answer under way: the run proves nothing')
  if (counts.open > 0) console.error(`✗ ${counts.open} questions have no outcome`)
  process.exitCode = violations.length === 0 && hits > 0 && counts.open === 0 ? 0 : 1
}
