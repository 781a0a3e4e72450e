import { expect, test } from 'vitest'
import type { AnnouncedProcess } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { createSimulatedClock } from '../testing/simulated-clock.ts'
import { createProcessRegistry, type ProcessFacts } from './process-registry.ts'

const facts: Omit<ProcessFacts, 'id'> = {
  node: 'pod-2',
  version: '1.2.3',
  commit: 'abc1234',
  startedAt: 5,
  phase: 'draining',
  level: 'limited',
  isolated: ['ai-agent'],
}
const self: ProcessFacts = { ...facts, id: 'self', phase: 'running' }
const ALONE = { others: [], unreadable: 0, asOf: undefined, isShared: false, error: undefined }

/** A registry on a store whose other processes are `state.others`. */
function createPlay() {
  const clock = createSimulatedClock()
  const state = { others: [] as readonly AnnouncedProcess[], isAway: false, said: [] as (readonly [string, number])[] }
  const announce = async ({ id, about }: AnnouncedProcess, leaseMs: number) => {
    state.said.push([`${id} ${about}`, leaseMs])
    if (state.isAway) throw new LogError('unavailable', 'away')
    return state.others
  }
  return { clock, state, registry: createProcessRegistry({ log: { announce }, clock, self: () => self }) }
}

test('[O214] a process announces itself for longer than until it does again, and knows the others with when it heard of them', async () => {
  const { clock, state, registry } = createPlay()
  state.others = [{ id: 'other', about: JSON.stringify({ ...facts, new: 'field' }) }]
  registry.start()
  await clock.settle()
  expect(registry.known()).toEqual({ ...ALONE, isShared: true, others: [{ id: 'other', ...facts }], asOf: clock.now() })
  await clock.advance(10_000)
  expect(state.said.map(([, leaseMs]) => leaseMs)).toEqual([15_000, 15_000, 15_000])
  const { id, ...rest } = self
  expect(state.said[0]?.[0]).toBe(`${id} ${JSON.stringify(rest)}`)
})

test('[O214] while the store is away the last list stays with its age and what is wrong, until it is back', async () => {
  const { clock, state, registry } = createPlay()
  state.others = [{ id: 'other', about: JSON.stringify(facts) }]
  registry.start()
  await clock.settle()
  const at = clock.now()
  state.isAway = true
  await clock.advance(5_000)
  expect(registry.known()).toMatchObject({ others: [{ id: 'other' }], asOf: at, error: 'LogError unavailable' })
  state.isAway = false
  state.others = []
  await clock.advance(5_000)
  expect(registry.known()).toEqual({ ...ALONE, isShared: true, asOf: clock.now() })
})

test.each([
  ['no JSON', '{'],
  ['another form', '{"version":1}'],
  ['words', JSON.stringify({ ...facts, node: 'a name with <b>marks</b>' })],
])('[O214] a process that says %s is counted and not shown', async (_what, about) => {
  const { clock, state, registry } = createPlay()
  state.others = [{ id: 'other', about }]
  registry.start()
  await clock.settle()
  expect(registry.known()).toMatchObject({ others: [], unreadable: 1 })
})

test('[O214] whoever leaves says so, and says nothing after it', async () => {
  const { clock, state, registry } = createPlay()
  registry.start()
  await clock.settle()
  await registry.leave()
  await clock.advance(60_000)
  expect([state.said.map(([, leaseMs]) => leaseMs), clock.waiting]).toEqual([[15_000, 0], 0])
})

test('[O214] on a store of its own a process is alone', async () => {
  const registry = createProcessRegistry({ log: {}, clock: createSimulatedClock(), self: () => self })
  registry.start()
  await registry.leave()
  expect(registry.known()).toEqual(ALONE)
})
