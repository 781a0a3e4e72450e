/** Who and what there is in one simulated world: sessions, their tabs, servers, a store, an agent, and the network between them. */
import { createHash } from 'node:crypto'
import { mintSessionId, type VisitorId } from '../conversation/ids.ts'
import type { NewSession } from '../conversation-log/conversation-log.ts'
import { DEFAULT_TURN_SETTINGS } from '../turns/turn-settings.ts'
import type { HistoryRecord } from './history.ts'
import type { PlantedBug } from './planted-bugs.ts'
import type { SeededRandom } from './seeded-random.ts'
import { SimulatedAgent } from './simulated-agent.ts'
import { SimulatedDevice } from './simulated-device.ts'
import { SimulatedForm } from './simulated-form.ts'
import { createSimulatedNetwork, type SimulatedNetwork } from './simulated-network.ts'
import { SimulatedCluster, SimulatedServer } from './simulated-server.ts'
import { SimulatedStore, type SimulatedStoreOptions, type StoreKind } from './simulated-store.ts'
import { SimulatedTab } from './simulated-tab.ts'
import type { StoreHearing } from './store-node.ts'
import { createWorld, type World } from './world.ts'

export interface Cast {
  readonly world: World
  readonly network: SimulatedNetwork
  readonly store: SimulatedStore
  readonly agent: SimulatedAgent
  readonly cluster: SimulatedCluster
  readonly servers: readonly SimulatedServer[]
  readonly sessions: readonly NewSession[]
  /** Everybody uses the same one. */
  readonly device: SimulatedDevice
  readonly tabs: readonly SimulatedTab[]
  readonly forms: readonly SimulatedForm[]
  /** By how much wall clocks are off. */
  readonly clocks: { storeOff: number }
}

export interface CastOptions {
  readonly random: SeededRandom
  readonly bug: PlantedBug
  readonly record: (entry: HistoryRecord) => void
}

/** Wall-clock milliseconds when a world begins. */
const EPOCH_MS = Date.UTC(2026, 0, 5, 9)
/** Longer than any clock jumps. */
const SESSION_TTL_MS = 7 * 24 * 60 * 60 * 1000
/** Few at a time, so that turns wait for one another. */
const CONCURRENCY = [1, 2, 32]
const POLLS_MS = [1_000, 2_500]

/** Sessions in which somebody posts forms. */
const FORMS = 0.3

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** What everything is made with. */
interface Stage extends CastOptions {
  readonly world: World
  readonly network: SimulatedNetwork
  /** How many there are of each. */
  readonly size: SeededRandom
  readonly clocks: Cast['clocks']
}

export function assemble(options: CastOptions): Cast {
  const { random } = options
  const world = createWorld()
  const network = createSimulatedNetwork(world, random.stream('network'))
  const stage: Stage = { ...options, world, network, size: random.stream('cast'), clocks: { storeOff: 0 } }
  const kind = stage.size.pick<StoreKind>(['file', 'shared', 'replicated', 'replicated'])
  const agent = createAgent(stage)
  const sessions = createSessions(stage)
  const store = createStore(stage, { kind, sessions, ring: (rings) => cluster.ring(rings) })
  const servers = createServers(stage, { store, agent, count: kind === 'file' ? 1 : stage.size.between(1, 3) })
  const cluster = new SimulatedCluster(servers, world, random.stream('cluster'))
  const device = new SimulatedDevice()
  device.seesAll = options.bug.seesAll === true
  const tabs = sessions.flatMap((session, number) => createTabs(stage, { session, number, cluster, store, device }))
  const forms = sessions.flatMap((session, number) => createForms(stage, { session, number, cluster, store }))
  return { world, network, store, agent, cluster, servers, sessions, device, tabs, forms, clocks: stage.clocks }
}

function createStore(
  { world, random, clocks, bug, record }: Stage,
  { kind, sessions, ring }: Pick<SimulatedStoreOptions, 'kind' | 'sessions'> & Pick<StoreHearing, 'ring'>,
): SimulatedStore {
  const wallNow = (): number => EPOCH_MS + world.now() + clocks.storeOff
  return new SimulatedStore({
    world,
    random: random.stream('store'),
    kind,
    wallNow,
    // The only clock that the processes of a shared store have in common is the store's own, and people set that.
    leaseNow: kind === 'file' ? () => world.now() : wallNow,
    sessions,
    bug: bug.store ?? {},
    hearing: {
      durable: (session, lineage, entry) => record({ type: 'durable', session, lineage, entry }),
      settled: (session, lineage, seq) => record({ type: 'settled', session, lineage, seq }),
      claimed: ({ session, turnId, fence }) => record({ type: 'claimed', session, turnId, fence }),
      deleted: (session, lineage) => record({ type: 'deleted', session, lineage }),
      branched: (branch) => record({ type: 'branch', ...branch }),
      ring,
    },
  })
}

function createServers(
  { world, random, size, bug }: Stage,
  { store, agent, count }: Pick<Cast, 'store' | 'agent'> & { readonly count: number },
): readonly SimulatedServer[] {
  const settings = { ...DEFAULT_TURN_SETTINGS, concurrency: size.pick(CONCURRENCY), pollMs: size.pick(POLLS_MS), ...bug.turnSettings }
  const bugs = random.stream('bugs')
  return Array.from({ length: count }, (_unused, index) => {
    const name = `server-${index + 1}`
    return new SimulatedServer({
      name,
      world,
      random: random.stream(name),
      store,
      agent,
      epochMs: EPOCH_MS,
      links: { tamper: (effects) => bug.link?.(effects, bugs) ?? effects },
      turns: { settings, tamper: (effects) => bug.turn?.(effects, bugs) ?? effects, bend: (question) => bug.asks?.(question) ?? question },
    })
  })
}

/** Of which session, and to whom they talk. */
interface Of {
  readonly session: NewSession
  readonly number: number
  readonly cluster: SimulatedCluster
  readonly store: SimulatedStore
}

function createTabs(
  { world, network, random, size, bug, record }: Stage,
  { session, number, cluster, device }: Of & Pick<Cast, 'device'>,
): readonly SimulatedTab[] {
  const tabs: readonly SimulatedTab[] = Array.from({ length: size.pick([1, 1, 2, 2, 3]) }, (_unused, index) => {
    const name = `tab-${number + 1}.${index + 1}`
    return new SimulatedTab({
      name,
      world,
      random: random.stream(name),
      network,
      accept: (connection) => cluster.accept(connection, session.visitor),
      session: session.id,
      device,
      visitor: session.visitor,
      hint: () => {
        for (const other of tabs) if (other !== tabs[index]) world.after(2, () => other.hinted())
      },
      epochMs: EPOCH_MS,
      digest: sha256,
      record,
      tamper: bug.client ?? ((client, effects) => [client, effects]),
      bend: (client, event) => bug.hears?.(client, event, world.now()) ?? [client, event],
      ignoresRoom: bug.ignoresRoom === true,
    })
  })
  return tabs
}

function createForms({ world, random, size, record }: Stage, { session, number, cluster, store }: Of): readonly SimulatedForm[] {
  if (!size.happens(FORMS)) return []
  const name = `form-${number + 1}`
  const means = { name, world, cluster, record, session: session.id, random: random.stream(name) }
  return [new SimulatedForm({ ...means, epochMs: EPOCH_MS, durability: store.durability })]
}

function createAgent({ world, random, record }: Stage): SimulatedAgent {
  return new SimulatedAgent(world, random.stream('agent'), {
    asked: (call, { session, turnId, fence, text, before }) => record({ type: 'asked', session, turnId, call, fence, text, before }),
    said: (call, { session, turnId }, text) => record({ type: 'said', session, turnId, call, text }),
    turnedAway: (call, { session, turnId }) => record({ type: 'turned away', session, turnId, call }),
  })
}

/** One or a few, of one visitor or of several. */
function createSessions({ size, random }: Stage): readonly NewSession[] {
  const ids = random.stream('ids')
  const bytes = (count: number): Uint8Array => ids.bytes(count)
  const visitors = [visitorNamed('simulated-visitor-1'), size.happens(0.7) ? visitorNamed('simulated-visitor-2') : undefined]
  return Array.from({ length: size.pick([1, 1, 1, 2, 2, 3]) }, (_unused, index) => ({
    id: mintSessionId(bytes),
    visitor: visitors[index % visitors.length] ?? visitorNamed('simulated-visitor-1'),
    ttlMs: SESSION_TTL_MS,
  }))
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any text of the form will do
const visitorNamed = (name: string): VisitorId => name as VisitorId
