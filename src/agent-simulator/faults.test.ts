import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FAULT_MEANINGS, FAULT_NAMES, formatPlan, parsePlan, parsePlanText, type Plan, type Step } from './fault.ts'
import { advance, chanceAt, decide, doorOf, startFaults, stepInForce, type Decision, type FaultState, type Occasion } from './faults.ts'

function planOf(text: string): Plan {
  const parsed = parsePlanText(text)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.plan
}
const begin = (text: string, seed = 1): FaultState => startFaults(planOf(text), seed, 0)

/** Decisions at occasions one after the other. */
function play(text: string, occasions: readonly (readonly [Occasion, number])[], seed = 1): readonly Decision[] {
  let state = begin(text, seed)
  return occasions.map(([occasion, now]) => {
    const [next, decision] = decide(state, occasion, now)
    state = next
    return decision
  })
}
const questions = (count: number, now = 0): readonly (readonly [Occasion, number])[] =>
  Array.from({ length: count }, () => ['question', now])
const kindOf = (decision: Decision): string => (decision.type === 'answer' ? decision.ending.type : decision.type)

test('[M1] text and JSON say the same', () => {
  const text = 'error rate=0.5 count=3 afterWords=2 retryable=false, refused ms=10000 status=500, normal, repeat'
  const json = {
    script: [
      { fault: 'error', rate: 0.5, count: 3, afterWords: 2, retryable: false },
      { fault: 'refused', ms: 10_000, status: 500 },
      { fault: 'normal', ms: 1 },
    ],
    repeat: true,
  }
  expect(parsePlanText(text.replace('normal', 'normal ms=1'))).toEqual(parsePlan(json))
  expect(parsePlanText('cut\n')).toEqual(parsePlan({ fault: 'cut' }))
})

test.each(FAULT_NAMES)('[M1] %s has its defaults and a meaning, and can be written down again', (name) => {
  const plan = planOf(name)
  expect(plan.script).toHaveLength(1)
  expect(planOf(formatPlan(plan))).toEqual(plan)
  expect(FAULT_MEANINGS[name]).toMatch(/^[a-z]/)
})

test.each([
  ['', [{ path: 'script', problem: 'must be a list of 1 to 100 steps' }]],
  [Array.from({ length: 101 }, () => 'normal count=1').join(), [{ path: 'script', problem: 'must be a list of 1 to 100 steps' }]],
  ['broken', [{ path: 'script.0.fault', problem: `must be one of ${FAULT_NAMES.join(', ')}` }]],
  ['error rate', [{ path: 'script.0', problem: 'settings must be of the form name=value' }]],
  ['error rate=1 rate=1', [{ path: 'script.0', problem: '"rate" is given twice' }]],
  ['cut frob=1', [{ path: 'script.0.frob', problem: 'is not a setting of this fault' }]],
  ['normal, error', [{ path: 'script.0', problem: 'needs "count" or "ms": without either it never ends' }]],
  [
    'error rate=1.5 count=0 ms=0 afterWords=x retryable=1',
    [
      { path: 'script.0.rate', problem: 'must be 1 or less' },
      { path: 'script.0.count', problem: 'must be 1 or more' },
      { path: 'script.0.ms', problem: 'must be 1 or more' },
      { path: 'script.0.afterWords', problem: 'must be a number' },
      { path: 'script.0.retryable', problem: 'must be true or false' },
    ],
  ],
  ['slow firstMs=0.5', [{ path: 'script.0.firstMs', problem: 'must be a whole number' }]],
  ['garbage kind=x', [{ path: 'script.0.kind', problem: 'must be one of text, json, form, binary, stranger, order, any' }]],
])('[M1] %j is refused with what is wrong', (text, problems) => {
  expect(parsePlanText(text)).toEqual({ ok: false, problems })
})

test.each([
  undefined,
  null,
  1,
  'error',
  [],
  {},
  { script: 'error' },
  { script: [null] },
  { fault: 'error', extra: true },
  { script: [], x: 1 },
])('[M1] the JSON value %j is refused', (value) => {
  const parsed = parsePlan(value)
  expect(parsed.ok).toBe(false)
  expect(JSON.stringify(parsed)).not.toContain('extra":')
})

test('[M2] a step is in force for its count of occasions', () => {
  expect(play('error count=2, cut afterWords=1 count=1', questions(5)).map(kindOf)).toEqual(['error', 'error', 'cut', 'pass', 'pass'])
})

test('[M2] a step is in force for its time', () => {
  const at = [0, 999, 1_000, 2_999, 3_000].map((now) => ['question', now] as const)
  expect(play('error ms=1000, hang ms=2000', at).map(kindOf)).toEqual(['error', 'error', 'hang', 'hang', 'pass'])
})

test('[M2] count or time, whichever ends first', () => {
  const at = [0, 0, 0, 5_000].map((now) => ['question', now] as const)
  expect(play('error ms=1000 count=2, hang ms=1000', at).map(kindOf)).toEqual(['error', 'error', 'hang', 'pass'])
})

test('[M2] a script that repeats begins again', () => {
  expect(play('error count=1, normal count=2, repeat', questions(6)).map(kindOf)).toEqual([
    'error',
    'pass',
    'pass',
    'error',
    'pass',
    'pass',
  ])
})

test('[M3] the same seed gives the same faults, and another seed others', () => {
  const run = (seed: number): readonly string[] => play('error rate=0.5', questions(64), seed).map(kindOf)
  expect(run(7)).toEqual(run(7))
  expect(run(7)).not.toEqual(run(8))
})

test('[M3] a rate strikes that share of the occasions', () => {
  const struck = play('error rate=0.3', questions(10_000)).filter((decision) => decision.type === 'answer').length
  expect(struck).toBeGreaterThan(2_850)
  expect(struck).toBeLessThan(3_150)
})

test('[M3] a rate of 0 never strikes and a rate of 1 always does', () => {
  expect(new Set(play('error rate=0', questions(500)).map(kindOf))).toEqual(new Set(['pass']))
  expect(new Set(play('error', questions(500)).map(kindOf))).toEqual(new Set(['error']))
})

test('[M3] chance lies in [0, 1), whatever seed and place', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(), (seed, place) => {
      const chance = chanceAt(seed, place)
      expect(chance).toBeGreaterThanOrEqual(0)
      expect(chance).toBeLessThan(1)
    }),
  )
})

test('[M3] a plan brings its own seed or takes the one that is there', () => {
  expect(startFaults({ ...planOf('normal'), seed: 5 }, 1, 0).seed).toBe(5)
  expect(startFaults(planOf('normal'), 1, 0).seed).toBe(1)
})

test.each([
  ['normal', 'question'],
  ['slow', 'question'],
  ['hang', 'question'],
  ['error', 'question'],
  ['garbage', 'question'],
  ['cut', 'question'],
  ['dribble', 'question'],
  ['rate-limited', 'question'],
  ['rate-limited at=handshake', 'handshake'],
  ['silent', 'handshake'],
  ['refused', 'handshake'],
  ['flapping', 'handshake'],
] as const)('[M4] %s counts and strikes at the %s only', (text, occasion) => {
  const other = occasion === 'question' ? 'handshake' : 'question'
  const state = begin(text)
  expect(decide(state, other, 0)).toEqual([state, { type: 'pass' }])
  expect(decide(state, occasion, 0)[0]).toMatchObject({ used: 1, occasions: 1 })
})

test('[M4] flapping lets in while it is up and refuses while it is down', () => {
  const at = [0, 1_999, 2_000, 4_999, 5_000, 7_000].map((now) => ['handshake', now] as const)
  expect(play('flapping upMs=2000 downMs=3000', at).map(kindOf)).toEqual(['pass', 'pass', 'refuse', 'refuse', 'pass', 'refuse'])
})

test('[M4] rate limiting lets so many through in each window and says when the next one begins', () => {
  const at = [0, 100, 400, 1_000, 1_001, 1_002].map((now) => ['question', now] as const)
  expect(play('rate-limited allowed=2 windowMs=1000', at)).toEqual([
    { type: 'pass' },
    { type: 'pass' },
    { type: 'limit', retryAfterMs: 600 },
    { type: 'pass' },
    { type: 'pass' },
    { type: 'limit', retryAfterMs: 998 },
  ])
})

test.each([
  ['normal', 0, 'open'],
  ['error', 0, 'open'],
  ['silent', 0, 'silent'],
  ['silent rate=0.5', 0, 'open'],
  ['refused', 0, 'refusing'],
  ['refused rate=0.5', 0, 'open'],
  ['refused ms=100', 100, 'open'],
  ['flapping', 0, 'open'],
  ['flapping', 5_000, 'gone'],
  ['flapping', 10_000, 'open'],
] as const)('[M14] under %s after %i ms the door is %s', (text, now, door) => {
  expect(doorOf(begin(text), now)).toBe(door)
})

const step = fc.record({ fault: fc.constant('error' as const), rate: fc.constant(1), ms: fc.integer({ min: 1, max: 50 }) })

test('[M5] a repeating script is where its time puts it, however it got there', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), fc.nat(5_000), fc.nat(5_000), (steps, first, more) => {
      const script: readonly Step[] = steps.map((given) => ({ ...given, afterWords: 0, retryable: true }))
      const start = startFaults({ script: [...script], repeat: true }, 1, 0)
      const at = first + more
      const stepped = advance(advance(start, first), at)
      expect(stepped).toEqual(advance(start, at))
      const lap = steps.reduce((sum, { ms }) => sum + ms, 0)
      let left = at % lap
      const expected = steps.findIndex(({ ms }) => (left -= ms) < 0)
      expect(stepped.index).toBe(expected)
    }),
  )
})

test('[M5] a year later costs no more than a moment', () => {
  const year = 365 * 86_400_000
  expect(stepInForce(advance(begin('error ms=1, normal ms=1 count=1, repeat'), year + 1)).fault).toBe('normal')
})

test('[M2] advancing within a step changes nothing', () => {
  const state = begin('error ms=1000')
  expect(advance(state, 999)).toBe(state)
})

test('[M1] what was given is not repeated', () => {
  const parsed = parsePlan({ script: [{ fault: 'my-secret', rate: 'my-secret' }], repeat: 'my-secret' })
  expect(parsed.ok).toBe(false)
  expect(JSON.stringify(parsed)).not.toContain('my-secret')
})
