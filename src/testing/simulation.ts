/**
 * One seed, one history: browsers, a server, its store and its agent, everything that goes wrong between them, and whether the promise
 * held (SPEC §17). The parts run the very steps that production runs; only time, network, disk and chance are simulated.
 */
import { createHash } from 'node:crypto'
import { mintSessionId, type VisitorId } from '../conversation/ids.ts'
import { DEFAULT_TURN_SETTINGS } from '../turns/turn-settings.ts'
import { Checker } from './checker.ts'
import { faultsOf, laterFaultsOf, type Fault, type FaultKind } from './faults.ts'
import type { HistoryRecord, Violation } from './history.ts'
import type { PlantedBug } from './planted-bugs.ts'
import { seededRandom, type SeededRandom } from './seeded-random.ts'
import { SimulatedAgent } from './simulated-agent.ts'
import { createSimulatedNetwork, type SimulatedNetwork } from './simulated-network.ts'
import { SimulatedDevice } from './simulated-device.ts'
import { SimulatedServer } from './simulated-server.ts'
import { SimulatedStore } from './simulated-store.ts'
import { SimulatedTab } from './simulated-tab.ts'
import { createWorld, type World } from './world.ts'

export interface SimulationOptions {
  readonly seed: number
  /** Instead of the seed's own faults: what shrinking tries. */
  readonly faults?: readonly Fault[]
  readonly bug?: PlantedBug
}

export interface SimulationResult {
  readonly violations: readonly Violation[]
  readonly faults: readonly Fault[]
  readonly fired: ReadonlyMap<FaultKind, number>
  /** Faults that hit while a turn or a question was under way. */
  readonly hits: number
  readonly steps: number
  readonly questions: number
  /** Of everything that was written down. */
  readonly digest: string
}

const EPOCH_MS = Date.UTC(2026, 0, 5, 9)
/** Things go wrong until then … */
export const TROUBLE_MS = 60_000
/** … and everything must be well by then. */
const REST_MS = 360_000
const STEPS_MAX = 200_000
const QUESTIONS_PER_TAB_MAX = 5
const LOST_BELLS = 0.1
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
const VISITOR = 'simulated-visitor' as VisitorId

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

interface Cast {
  readonly world: World
  readonly network: SimulatedNetwork
  readonly store: SimulatedStore
  readonly agent: SimulatedAgent
  readonly server: SimulatedServer
  readonly tabs: readonly SimulatedTab[]
}

/** Plays one history to its end. The same options give the same result. */
export function simulate(options: SimulationOptions): SimulationResult {
  const random = seededRandom(options.seed)
  const checker = new Checker()
  const history = createHash('sha256')
  let questions = 0
  const record = (entry: HistoryRecord): void => {
    if (entry.type === 'typed') questions += 1
    history.update(JSON.stringify(entry))
    checker.record(entry)
  }
  const cast = assemble(random, options.bug ?? {}, record)
  const drawn = [...faultsOf(random.stream('faults'), TROUBLE_MS), ...laterFaultsOf(random.stream('later faults'), TROUBLE_MS)]
  const faults = options.faults ?? drawn
  const fired = new Map<FaultKind, number>()
  let hits = 0
  plan(cast, random.stream('people'))
  planCrashes(cast, random.stream('crashes'), record)
  for (const fault of faults) {
    cast.world.after(fault.at, () => {
      const inFlight = cast.server.running + cast.tabs.reduce((sum, tab) => sum + tab.unsettled, 0)
      const kills = strike(cast, fault)
      if (kills === undefined) return
      fired.set(fault.kind, (fired.get(fault.kind) ?? 0) + 1)
      if (inFlight > 0) hits += 1
      record({ type: 'fault', kind: fault.kind, kills })
    })
  }
  cast.world.after(TROUBLE_MS, () => heal(cast))
  const steps = cast.world.runUntil(REST_MS, STEPS_MAX)
  record({ type: 'rest' })
  const endless: readonly Violation[] = steps >= STEPS_MAX ? [{ invariant: 'I22', witness: `still moving after ${steps} steps` }] : []
  return { violations: [...checker.violations, ...endless], faults, fired, hits, steps, questions, digest: history.digest('hex') }
}

function assemble(random: SeededRandom, bug: PlantedBug, record: (entry: HistoryRecord) => void): Cast {
  const world = createWorld()
  const session = mintSessionId((count) => random.stream('ids').bytes(count))
  const network = createSimulatedNetwork(world, random.stream('network'))
  const agent = new SimulatedAgent(world, random.stream('agent'), {
    asked: (question) => record({ type: 'asked', ...question }),
    turnedAway: ({ turnId }) => record({ type: 'turned away', turnId }),
  })
  const bells = random.stream('bells')
  const bugs = random.stream('bugs')
  let server: SimulatedServer | undefined
  const store = new SimulatedStore({
    world,
    random: random.stream('store'),
    epochMs: EPOCH_MS,
    session: { id: session, visitor: VISITOR, ttlMs: 2 * REST_MS },
    bug,
    onDurable: (entry) => record({ type: 'durable', entry }),
    // A missed doorbell costs latency and never data.
    onRing: (rings) => {
      if (!bells.happens(LOST_BELLS)) server?.rung(rings)
    },
  })
  server = new SimulatedServer({
    world,
    random: random.stream('server'),
    store,
    agent,
    links: { session, tamper: (effects) => bug.link?.(effects, bugs) ?? effects },
    turns: {
      epochMs: EPOCH_MS,
      settings: DEFAULT_TURN_SETTINGS,
      leaseLost: () => record({ type: 'fault', kind: 'lease lost', kills: 1 }),
      tamper: (effects) => bug.turn?.(effects, bugs) ?? effects,
    },
  })
  const there = server
  const device = new SimulatedDevice()
  const tabs: readonly SimulatedTab[] = Array.from({ length: random.stream('cast').between(1, 2) }, (_unused, index) => {
    const name = `tab-${index + 1}`
    return new SimulatedTab({
      name,
      world,
      random: random.stream(name),
      network,
      accept: (connection) => there.accept(connection),
      session,
      device,
      hint: () => {
        for (const other of tabs) if (other !== tabs[index]) world.after(2, () => other.hinted())
      },
      epochMs: EPOCH_MS,
      digest: sha256,
      record,
      tamper: (client, effects) => bug.client?.(client, effects) ?? [client, effects],
      garble: (client, event) => bug.garble?.(client, event) ?? event,
    })
  })
  return { world, network, store, agent, server, tabs }
}

/** What the people at the tabs do. */
function plan({ world, tabs }: Cast, random: SeededRandom): void {
  for (const tab of tabs) {
    for (let left = random.between(1, QUESTIONS_PER_TAB_MAX); left > 0; left -= 1) {
      const at = random.between(0, TROUBLE_MS)
      world.after(at, () => tab.ask())
      // Twice in a row, as hurried people do.
      if (random.happens(0.2)) world.after(at, () => tab.ask())
      if (random.happens(0.15)) world.after(at + random.between(0, 3_000), () => tab.stop())
    }
  }
}

/** A tab may die at the very moment somebody asks: before, while or after the device keeps the question, or it is sent. */
function planCrashes({ world, tabs }: Cast, random: SeededRandom, record: (entry: HistoryRecord) => void): void {
  for (const tab of tabs) {
    if (!random.happens(0.4)) continue
    const at = random.between(0, TROUBLE_MS)
    for (let left = random.between(1, 3); left > 0; left -= 1) world.after(at, () => tab.ask())
    world.after(at + random.between(0, random.pick([8, 200])), () => {
      tab.reload()
      record({ type: 'fault', kind: 'tab reload', kills: 0 })
    })
  }
}

/** Does it, and says how many owners of turns it may have cost; `undefined` when there was nothing to hit. */
function strike(cast: Cast, fault: Fault): number | undefined {
  const { network, store, agent, server, tabs } = cast
  const open = [...network.connections].filter((connection) => connection.isOpen)
  const connection = open[fault.target % Math.max(1, open.length)]
  const tab = tabs[fault.target % tabs.length]
  switch (fault.kind) {
    case 'link cut':
      connection?.cut()
      return connection === undefined ? undefined : 0
    case 'link swallows':
      connection?.swallow(fault.directions)
      return connection === undefined ? undefined : 0
    case 'network refuses':
    case 'network silent':
      network.block(fault.kind === 'network refuses' ? 'refuse' : 'silent')
      cast.world.after(fault.forMs, () => network.block('no'))
      return 0
    case 'server crash': {
      if (!server.isAlive) return undefined
      const lost = server.running
      server.crash(fault.forMs)
      return lost
    }
    case 'server drain':
      if (!server.isAlive) return undefined
      server.drain(fault.forMs)
      return 0
    case 'readers slow':
      server.readersSlowFor(fault.forMs)
      return 0
    case 'server pause':
      server.pauseFor(fault.forMs)
      return 0
    case 'store slow':
      store.slowFor(fault.forMs)
      return 0
    case 'store away':
      store.awayFor(fault.forMs)
      return 0
    case 'tab reload':
      tab?.reload()
      return 0
    case 'tab freeze':
      tab?.freezeFor(fault.forMs)
      return 0
    case 'agent mood':
      agent.become(fault.mood)
      if (fault.mood !== 'away') server.agentBack()
      cast.world.after(fault.forMs, () => recover(cast))
      return 0
  }
}

function heal(cast: Cast): void {
  cast.network.block('no')
  recover(cast)
}

function recover({ agent, server }: Cast): void {
  agent.become('well')
  server.agentBack()
}
