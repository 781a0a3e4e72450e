/** Makes a fault happen in a simulated world. */
import type { Cast } from './cast.ts'
import type { Fault } from './faults.ts'
import type { SimulatedServer } from './simulated-server.ts'

/** What a fault hit. */
export interface Strike {
  /** Whether something was under way there: a turn, or a question on its way. */
  readonly isInFlight: boolean
}

const BLOCKADES = { 'network refuses': 'refuse', 'network silent': 'silent', 'network swallows': 'swallow' } as const

const anyOf = <Value>(list: readonly Value[], target: number): Value | undefined => list[target % Math.max(1, list.length)]

/** Does it; `undefined` when there was nothing to hit. */
export function strike(cast: Cast, fault: Fault): Strike | undefined {
  const isInFlight =
    cast.servers.some(({ running }) => running.length > 0) || [...cast.tabs, ...cast.forms].some(({ unsettled }) => unsettled > 0)
  return hit(cast, fault) ? { isInFlight } : undefined
}

function hit(cast: Cast, fault: Fault): boolean {
  switch (fault.kind) {
    case 'link cut':
    case 'link swallows':
    case 'link held':
      return hitLink(cast, fault)
    case 'network refuses':
    case 'network silent':
    case 'network swallows':
      cast.network.block(BLOCKADES[fault.kind])
      cast.world.after(fault.forMs, () => cast.network.block('no'))
      return true
    case 'bells lost':
      cast.cluster.deafFor(fault.forMs)
      return true
    case 'readers slow':
    case 'server crash':
    case 'server drain':
    case 'server pause':
    case 'server clock jumps': {
      // Those that have something to lose, if any.
      const busy = cast.servers.filter(({ running }) => running.length > 0)
      const server = anyOf(busy.length > 0 ? busy : cast.servers, fault.target)
      return server?.isAlive === true && hitServer(server, fault)
    }
    case 'store slow':
    case 'store away':
    case 'store full':
    case 'store stalls':
    case 'store clock jumps':
      return hitStore(cast, fault)
    case 'replica lags':
      return cast.store.lag(fault.target, fault.forMs)
    case 'store fails over':
      // One replica falls behind, and is the one that is promoted.
      if (!cast.store.lag(fault.target, fault.forMs + 1)) return false
      cast.world.after(fault.forMs, () => cast.store.failOver(fault.target))
      return true
    case 'store is split':
      return cast.store.partition(fault.target, partOf(cast.servers, fault.target), fault.forMs)
    case 'backup restored':
      // Nobody has a file open whose copy is put back.
      if (cast.servers.length === 1) cast.servers[0]?.crash(fault.target * 50)
      cast.store.restoreBackup()
      return true
    case 'tab reload':
    case 'tab crash':
    case 'tab freeze':
    case 'device offline':
    case 'sockets blocked':
      return hitTab(cast, fault)
    case 'agent mood':
      cast.agent.become(fault.mood)
      if (fault.mood !== 'away') agentBack(cast)
      cast.world.after(fault.forMs, () => recover(cast))
      return true
    case 'device storage':
      return hitDevice(cast, fault)
    case 'session deleted':
      return deleteSession(cast, fault)
  }
}

function hitLink({ network }: Cast, { kind, target, forMs, directions }: Fault): boolean {
  const connection = anyOf(
    [...network.connections].filter(({ isOpen }) => isOpen),
    target,
  )
  if (connection === undefined) return false
  if (kind === 'link cut') connection.cut()
  else if (kind === 'link held') connection.hold(forMs)
  else connection.swallow(directions)
  return true
}

function hitServer(server: SimulatedServer, { kind, target, forMs }: Fault): boolean {
  if (kind === 'server crash') server.crash(forMs)
  else if (kind === 'server drain') server.drain(target * 100, forMs)
  else if (kind === 'server pause') server.pauseFor(forMs)
  else if (kind === 'server clock jumps') server.clockJumps(signed(forMs, target))
  else server.readersSlowFor(forMs)
  return true
}

function hitStore({ store, clocks }: Cast, { kind, target, forMs }: Fault): boolean {
  if (kind === 'store slow') store.slowFor(forMs)
  else if (kind === 'store away') store.awayFor(forMs)
  else if (kind === 'store full') store.fullFor(forMs)
  else if (kind === 'store stalls') store.stallFor(forMs)
  else clocks.storeOff += signed(forMs, target)
  return true
}

function hitTab({ tabs }: Cast, { kind, target, forMs }: Fault): boolean {
  const tab = anyOf(tabs, target)
  if (kind === 'tab reload' || kind === 'tab crash') tab?.reload(forMs)
  else if (kind === 'tab freeze') tab?.freezeFor(forMs)
  else if (kind === 'sockets blocked') tab?.blockSocketsFor(forMs)
  else tab?.offlineFor(forMs)
  return tab !== undefined
}

function deleteSession({ sessions, store }: Cast, { target }: Fault): boolean {
  const session = anyOf(sessions, target)
  if (session === undefined) return false
  store.portOf('somebody').submit({ name: 'deleteSession', args: [session.id] }, () => undefined)
  return true
}

/** Without room, or without an answer but an error. */
function hitDevice(cast: Cast, { target, forMs }: Fault): boolean {
  cast.device.mode = target % 2 === 0 ? 'full' : 'broken'
  cast.world.after(forMs, () => healDevice(cast))
  return true
}

/** Some of the servers, perhaps all, never none. */
const partOf = (servers: readonly SimulatedServer[], target: number): readonly string[] => {
  const names = servers.map(({ name }) => name)
  const some = names.filter((_name, index) => (target & (1 << index)) !== 0)
  return some.length > 0 ? some : names
}

/** Clocks jump forward and back. */
const signed = (ms: number, target: number): number => (target % 2 === 0 ? ms : -ms)

/** Everything that was made to fail works again. */
export function heal(cast: Cast): void {
  healDevice(cast)
  cast.network.block('no')
  recover(cast)
}

function healDevice({ device }: Cast): void {
  device.mode = 'well'
}

function recover(cast: Cast): void {
  cast.agent.become('well')
  agentBack(cast)
}

function agentBack({ servers }: Cast): void {
  for (const server of servers) server.agentBack()
}
