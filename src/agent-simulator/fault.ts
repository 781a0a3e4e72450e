/**
 * The ways the simulated agent can fail, as data: from JSON, from text, and back. Pure.
 *
 * The text form is one step after the other, separated by commas or lines: `error rate=0.5 count=3, refused ms=10000, normal`.
 */
import * as v from 'valibot'
import { SIMULATOR_SCRIPT_STEPS_MAX } from '../conversation/limits.ts'
import { expectationOf } from './expectation.ts'

const MS_MAX = 3_600_000
const COUNT_MAX = 1_000_000

const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))
const ms = (min = 0) => whole(min, MS_MAX)
const words = (standard: number) => v.optional(whole(0, 100_000), standard)

/** When a step strikes and how long it is in force; without `count` and `ms` for good. */
const bounds = {
  /** Chance that an occasion is struck at all. */
  rate: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1),
  /** Occasions until the next step. */
  count: v.optional(whole(1, COUNT_MAX)),
  /** Milliseconds until the next step. */
  ms: v.optional(ms(1)),
}

export const GARBAGE_KINDS = ['text', 'json', 'form', 'binary', 'stranger', 'order'] as const

const stepSchema = v.variant('fault', [
  v.strictObject({ fault: v.literal('normal'), ...bounds }),
  v.strictObject({ fault: v.literal('slow'), ...bounds, firstMs: v.optional(ms(), 8_000), chunkMs: v.optional(ms(), 500) }),
  v.strictObject({ fault: v.literal('hang'), ...bounds, afterWords: words(0) }),
  v.strictObject({ fault: v.literal('silent'), ...bounds }),
  v.strictObject({ fault: v.literal('error'), ...bounds, afterWords: words(0), retryable: v.optional(v.boolean(), true) }),
  v.strictObject({
    fault: v.literal('garbage'),
    ...bounds,
    afterWords: words(0),
    kind: v.optional(v.picklist([...GARBAGE_KINDS, 'any']), 'any'),
  }),
  v.strictObject({ fault: v.literal('cut'), ...bounds, afterWords: words(5) }),
  v.strictObject({ fault: v.literal('refused'), ...bounds, status: v.optional(whole(400, 599), 503) }),
  v.strictObject({ fault: v.literal('flapping'), ...bounds, upMs: v.optional(ms(1), 5_000), downMs: v.optional(ms(1), 5_000) }),
  v.strictObject({
    fault: v.literal('rate-limited'),
    ...bounds,
    /** Questions let through in each window. */
    allowed: v.optional(whole(0, COUNT_MAX), 0),
    windowMs: v.optional(ms(1), 10_000),
    at: v.optional(v.picklist(['question', 'handshake']), 'question'),
  }),
  v.strictObject({ fault: v.literal('dribble'), ...bounds, chunkMs: v.optional(ms(), 1_000) }),
])

/** One step of a script: a fault, its settings, and how long it is in force. */
export type Step = v.InferOutput<typeof stepSchema>
export type FaultName = Step['fault']

export const FAULT_NAMES: readonly FaultName[] = stepSchema.options.map((option) => option.entries.fault.literal)

/** What each fault does, for people. */
export const FAULT_MEANINGS: Readonly<Record<FaultName, string>> = {
  normal: 'answers as it should',
  slow: 'takes a long time to the first word, and between words',
  hang: 'takes the question and never answers it, but answers pings',
  silent: 'takes connections and says nothing at all, not even to pings',
  error: 'says that it failed',
  garbage: 'sends what nobody can understand',
  cut: 'breaks the connection in the middle of an answer',
  refused: 'takes no connections',
  flapping: 'is there and gone in turns',
  'rate-limited': 'asks to be left alone for a while',
  dribble: 'sends one letter at a time',
}

const planSchema = v.strictObject({
  script: v.pipe(v.array(stepSchema), v.minLength(1), v.maxLength(SIMULATOR_SCRIPT_STEPS_MAX)),
  /** Begins again after the last step, instead of being normal from then on. */
  repeat: v.optional(v.boolean(), false),
  /** All chance comes from it. */
  seed: v.optional(whole(0, 2 ** 32 - 1)),
})

/** A script of faults; without a seed the present one stays. */
export type Plan = v.InferOutput<typeof planSchema>

export interface Problem {
  /** Where it is: `script.0.rate`. Empty for the whole. */
  readonly path: string
  readonly problem: string
}

export type PlanResult = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly problems: readonly Problem[] }

/** The plan in a JSON value: `{ script: [step, …], repeat?, seed? }`, or one step on its own. */
export function parsePlan(value: unknown): PlanResult {
  const isStep = typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, 'fault')
  const result = v.safeParse(planSchema, isStep ? { script: [value] } : value)
  if (!result.success) return { ok: false, problems: result.issues.map(problemOf) }
  const endless = result.output.script.slice(0, -1).findIndex((step) => step.count === undefined && step.ms === undefined)
  if (endless === -1) return { ok: true, plan: result.output }
  return { ok: false, problems: [{ path: `script.${endless}`, problem: 'needs "count" or "ms": without either it never ends' }] }
}

const problemOf = (issue: v.BaseIssue<unknown>): Problem => ({ path: v.getDotPath(issue) ?? '', problem: problemIn(issue) })

function problemIn(issue: v.BaseIssue<unknown>): string {
  if (issue.expected === 'never') return 'is not a setting of this fault'
  if (issue.input === undefined) return 'is missing'
  return `must be ${isStepList(issue) ? STEP_LIST : expectationOf(issue)}`
}

const STEP_LIST = `a list of 1 to ${SIMULATOR_SCRIPT_STEPS_MAX} steps`
const isStepList = ({ type }: v.BaseIssue<unknown>): boolean => type === 'min_length' || type === 'max_length'

/** The plan in text: steps `name key=value …`, separated by commas or line ends; a last `repeat` makes it begin again. */
export function parsePlanText(text: string): PlanResult {
  const parts = text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const repeat = parts.at(-1) === 'repeat'
  const steps = (repeat ? parts.slice(0, -1) : parts).map(stepOfText)
  const problems = steps.flatMap((step, index) => (step.ok ? [] : [{ path: `script.${index}`, problem: step.problem }]))
  if (problems.length > 0) return { ok: false, problems }
  return parsePlan({ script: steps.flatMap((step) => (step.ok ? [step.value] : [])), repeat })
}

type StepText = { readonly ok: true; readonly value: Readonly<Record<string, unknown>> } | { readonly ok: false; readonly problem: string }

function stepOfText(text: string): StepText {
  const [fault = '', ...settings] = text.split(/\s+/)
  const fields = new Map<string, unknown>([['fault', fault]])
  for (const setting of settings) {
    const [, name = '', value = ''] = /^([a-zA-Z]+)=(\S+)$/.exec(setting) ?? []
    if (name === '') return { ok: false, problem: 'settings must be of the form name=value' }
    if (fields.has(name)) return { ok: false, problem: `"${name}" is given twice` }
    fields.set(name, valueOf(value))
  }
  return { ok: true, value: Object.fromEntries(fields) }
}

function valueOf(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text
}

/** A plan as the text that `parsePlanText` reads. */
export const formatPlan = ({ script, repeat }: Plan): string => [...script.map(formatStep), ...(repeat ? ['repeat'] : [])].join(', ')

/** One step as text; a rate of 1 goes without saying. */
export const formatStep = (step: Step): string =>
  [
    step.fault,
    ...Object.entries(step)
      .filter(([name, value]) => name !== 'fault' && value !== undefined && !(name === 'rate' && value === 1))
      .map(([name, value]) => `${name}=${String(value)}`),
  ].join(' ')
