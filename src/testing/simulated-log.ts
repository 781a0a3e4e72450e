/** The port of the conversation log over a simulated store to which nothing happens: how the store is shown to be one. */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { createDoorbells } from '../conversation-log/doorbells.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { portOf, type CommandName, type LogPorts, type ResultOf } from '../conversation-log/sync-log.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedStore, type StoreKind } from './simulated-store.ts'
import type { StoreAnswer } from './store-node.ts'
import { createWorld } from './world.ts'

const ignore = (): void => undefined

export function createSimulatedLog(kind: StoreKind, { clock }: Pick<LogPorts, 'clock'>): ConversationLog {
  const world = createWorld()
  const doorbells = createDoorbells()
  const store = new SimulatedStore({
    world,
    random: seededRandom(7),
    kind,
    wallNow: () => clock.now(),
    leaseNow: () => clock.monotonic(),
    sessions: [],
    bug: {},
    hearing: {
      durable: ignore,
      settled: ignore,
      claimed: ignore,
      deleted: ignore,
      branched: ignore,
      ring: (rings) => doorbells.ring(rings),
    },
  })
  const port = store.portOf('process/1')
  let isClosed = false
  return portOf({
    profile: () => ({ store: 'redis', durability: store.durability, isShared: true, description: `simulated, ${kind}` }),
    doorbells,
    submit: async (command) => {
      if (isClosed) throw new LogError('unavailable', 'the log is closed')
      const { promise, resolve, reject } = Promise.withResolvers<ResultOf<CommandName>>()
      const waiting = { isOver: false }
      port.submit(command, (answer: StoreAnswer) => {
        waiting.isOver = true
        if (answer.ok) resolve(answer.result)
        // What its caller got wrong is its caller's to hear.
        else reject(answer.error.cause ?? answer.error)
      })
      // Whoever asks at the same time is part of the same commit.
      queueMicrotask(() => {
        while (!waiting.isOver && world.runUntil(Number.MAX_SAFE_INTEGER, 1) > 0);
      })
      return promise
    },
    close: async () => {
      isClosed = true
    },
  })
}
