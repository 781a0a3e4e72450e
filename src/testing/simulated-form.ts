/**
 * A person without JavaScript: posts a form to whichever server is there, and posts the same form again when nothing came back.
 */
import { mintMessageId, SERVER_DEVICE, type SessionId } from '../conversation/ids.ts'
import type { Durability } from '../conversation/durability.ts'
import type { AskResult, NewQuestion } from '../conversation-log/conversation-log.ts'
import type { HistoryRecord, TabFact } from './history.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedCluster } from './simulated-server.ts'
import type { World } from './world.ts'

export interface SimulatedFormOptions {
  readonly name: string
  readonly world: World
  readonly random: SeededRandom
  readonly cluster: SimulatedCluster
  readonly session: SessionId
  readonly epochMs: number
  readonly durability: Durability
  readonly record: (entry: HistoryRecord) => void
}

/** Whoever sees nothing for so long presses the button again. */
const PATIENCE_MS = 6_000

export class SimulatedForm {
  readonly #options: SimulatedFormOptions
  #asked = 0
  #waiting = 0

  constructor(options: SimulatedFormOptions) {
    this.#options = options
  }

  /** Questions that were posted and not answered for. */
  get unsettled(): number {
    return this.#waiting
  }

  ask(): void {
    const { name, world, random, epochMs } = this.#options
    this.#asked += 1
    this.#waiting += 1
    const text = `question ${this.#asked} of ${name}`
    const messageId = mintMessageId(epochMs + world.now(), (count) => random.bytes(count))
    this.#record({ type: 'typed', messageId, text })
    this.#post({ messageId, text, device: SERVER_DEVICE, number: undefined, inReplyTo: undefined })
  }

  #post(question: NewQuestion): void {
    const { cluster, session, world } = this.#options
    let isOver = false
    const takeBack = world.after(PATIENCE_MS, () => {
      isOver = true
      this.#post(question)
    })
    cluster.post(session, question, (result) => {
      if (isOver || (result !== undefined && !this.#isDone(question, result))) return
      isOver = true
      takeBack()
      // An error page, with the form still filled in.
      if (result === undefined) world.after(PATIENCE_MS / 2, () => this.#post(question))
    })
  }

  /** Whether the person knows what became of the question. */
  #isDone({ messageId }: NewQuestion, result: AskResult): boolean {
    switch (result.type) {
      case 'accepted':
        this.#waiting -= 1
        this.#record({ type: 'sent', messageId })
        if (this.#options.durability === 'fsync') {
          this.#record({ type: 'marked', seq: result.cursor.seq })
          this.#record({ type: 'forgot', messageId })
        } else this.#record({ type: 'gave away', messageId })
        return true
      case 'gone':
      case 'conflict':
        this.#waiting -= 1
        this.#record({ type: 'refused', messageId })
        return true
      case 'order':
      case 'overload':
        return false
    }
  }

  #record(fact: TabFact): void {
    const { record, session, name } = this.#options
    record({ ...fact, session, tab: name })
  }
}
