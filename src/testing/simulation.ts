/**
 * One seed, one history: browsers, servers, their store and their agent, everything that goes wrong between them, and whether the promise
 * held (SPEC §17). The parts run the very steps that production runs; only time, network, disk and chance are simulated.
 */
import { createHash, type Hash } from 'node:crypto'
import { assemble, type Cast } from './cast.ts'
import { Checker } from './checker.ts'
import { faultsOf, type Fault, type FaultKind } from './faults.ts'
import type { HistoryRecord, Violation } from './history.ts'
import type { PlantedBug } from './planted-bugs.ts'
import { seededRandom, type SeededRandom } from './seeded-random.ts'
import { heal, strike } from './strikes.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Instead of the seed's own faults: what shrinking tries. */
  readonly faults?: readonly Fault[]
  readonly bug?: PlantedBug
  /** Whether the digest is wanted: it costs time. */
  readonly isDigested?: boolean
}

/** How often faults of a kind happened, and how often while a question or a turn was under way. */
export interface Fired {
  readonly times: number
  readonly inFlight: number
}

export interface SimulationResult {
  readonly violations: readonly Violation[]
  readonly faults: readonly Fault[]
  readonly fired: ReadonlyMap<FaultKind, Fired>
  readonly steps: number
  readonly simulatedMs: number
  readonly questions: number
  /** Questions that the store forgot, and those of them that were put back. */
  readonly forgotten: number
  readonly repaired: number
  /** Of everything that was written down; empty unless it was asked for. */
  readonly digest: string
}

/** Things go wrong until then … */
const TROUBLE_MS = 45_000
/** … and everything must be well by then. */
const REST_MS = 345_000
/** Whether it is, is looked at this often; it must be so twice, with a heartbeat of every link in between. */
const LOOK_MS = 16_000
const STEPS_MAX = 200_000
const QUESTIONS_PER_TAB_MAX = 5
/** Now and then somebody asks many at once, perhaps more than a page can hold. */
const BURSTS = 0.08
const BURST = [6, 12, 24]
/** How long into a fault somebody still begins. */
const AROUND_MS = 6_000

/** Plays one history to its end. The same options give the same result. */
export function simulate(options: SimulationOptions): SimulationResult {
  const random = seededRandom(options.seed)
  const checker = new Checker()
  const history = createHash('sha256')
  let questions = 0
  const record = (entry: HistoryRecord): void => {
    if (entry.type === 'typed') questions += 1
    if (options.isDigested === true) writeDown(history, entry)
    checker.record(entry)
  }
  const cast = assemble({ random, bug: options.bug ?? {}, record })
  const drawn = faultsOf(random.stream('faults'), { untilMs: TROUBLE_MS, hasReplicas: cast.store.durability === 'replicated' })
  const faults = options.faults ?? drawn
  const fired = new Map<FaultKind, Fired>()
  plan(cast, random.stream('people'), drawn)
  for (const fault of faults) {
    cast.world.after(fault.at, () => {
      const struck = strike(cast, fault)
      if (struck === undefined) return
      const { times, inFlight } = fired.get(fault.kind) ?? { times: 0, inFlight: 0 }
      fired.set(fault.kind, { times: times + 1, inFlight: inFlight + (struck.isInFlight ? 1 : 0) })
      record({ type: 'fault', kind: fault.kind })
    })
  }
  cast.world.after(TROUBLE_MS, () => heal(cast))
  const steps = runToRest(cast)
  record({ type: 'rest', lineage: cast.store.lineage })
  const endless: readonly Violation[] = steps >= STEPS_MAX ? [{ invariant: 'I22', witness: `still moving after ${steps} steps` }] : []
  const { missing } = cast.store
  const miscounted: readonly Violation[] = missing === 0 ? [] : [{ invariant: 'L110', witness: `the store misses ${missing} questions` }]
  const violations = [...checker.violations, ...endless, ...miscounted]
  const { forgotten, repaired } = checker
  return { violations, faults, fired, steps, simulatedMs: cast.world.now(), questions, forgotten, repaired, digest: history.digest('hex') }
}

/** A view is told by its place: the checker sees to it that nothing else is shown there. */
function writeDown(history: Hash, entry: HistoryRecord): void {
  history.update(JSON.stringify(entry.type === 'view' ? { ...entry, items: entry.items.length } : entry))
}

/** What the people at the tabs do: `drawn` are the seed's own faults, whichever of them happen. */
function plan({ world, tabs, forms }: Cast, random: SeededRandom, drawn: readonly Fault[]): void {
  // Mostly so that something is on its way when the fault comes.
  const when = (): number => {
    const { at, forMs } = random.pick(drawn)
    return random.happens(0.6) ? at + random.between(-1_500, Math.min(forMs, AROUND_MS) + 500) : random.between(0, TROUBLE_MS)
  }
  for (const form of forms) for (let left = random.between(1, 2); left > 0; left -= 1) world.after(when(), () => form.ask())
  for (const tab of tabs) {
    for (let left = random.between(1, QUESTIONS_PER_TAB_MAX); left > 0; left -= 1) {
      const at = when()
      world.after(at, () => tab.ask())
      // Twice in a row, as hurried people do.
      if (random.happens(0.2)) world.after(at, () => tab.ask())
      if (random.happens(0.15)) world.after(at + random.between(0, 3_000), () => tab.stop())
      // A tab may die at the very moment somebody asks: before, while or after the device keeps the question, or it is sent.
      if (random.happens(0.1)) world.after(at + random.between(0, random.pick([8, 200])), () => tab.reload(0))
    }
    if (!random.happens(BURSTS)) continue
    const at = when()
    for (let left = random.pick(BURST); left > 0; left -= 1) world.after(at, () => tab.ask())
  }
}

/** Lets time pass until all is well and stays so, or until it should be. Returns how many steps that took. */
function runToRest(cast: Cast): number {
  const { world } = cast
  let steps = world.runUntil(TROUBLE_MS, STEPS_MAX)
  let wellTimes = 0
  while (wellTimes < 2 && world.now() < REST_MS && steps < STEPS_MAX) {
    steps += world.runUntil(Math.min(REST_MS, world.now() + LOOK_MS), STEPS_MAX - steps)
    wellTimes = isWell(cast) ? wellTimes + 1 : 0
  }
  return steps
}

/** Every question has its end, and every page shows all of it and holds nothing. */
function isWell({ store, servers, tabs, forms }: Cast): boolean {
  const { contents } = store
  if (!store.isWhole) return false
  if (forms.some(({ unsettled }) => unsettled > 0)) return false
  if (servers.some((server) => !server.isAlive || server.running.length > 0)) return false
  if ([...contents.values()].some(({ openTurns }) => openTurns.length > 0)) return false
  return tabs.every((tab) => {
    const head = contents.get(tab.session)?.head
    return tab.unsettled === 0 && (head === undefined ? tab.isClosed || tab.head === undefined : tab.head?.id === head.id)
  })
}
