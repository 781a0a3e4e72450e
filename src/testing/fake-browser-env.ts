/**
 * The browser behind a page, in memory: sockets that a test opens, feeds and closes, a clock that stands still, and a person's device.
 */
import { createHash } from 'node:crypto'
import type { Rung } from '../browser/client-link-state.ts'
import type { MessageId, TurnId } from '../conversation/ids.ts'
import type { BrowserEnv, BrowserSocket, PageEvent, SocketListener } from '../browser/browser-env.ts'
import { formatFrames, parseClientFrames } from '../protocol/parse-frame.ts'
import type { ClientFrame, ServerFrame } from '../protocol/protocol.ts'
import { seededRandom } from './seeded-random.ts'
import { createSimulatedClock, type SimulatedClock } from './simulated-clock.ts'
import type { SimulatedDevice } from './simulated-device.ts'

/** The other end of a page's socket. */
export class FakeBrowserSocket implements BrowserSocket {
  /** Each as it was sent. */
  readonly messages: string[] = []
  /** Codes the page closed it with. */
  readonly closes: number[] = []
  readonly #listener: SocketListener

  constructor(listener: SocketListener) {
    this.#listener = listener
  }

  send(text: string): void {
    this.messages.push(text)
  }

  close(code: number): void {
    this.closes.push(code)
  }

  open(): void {
    this.#listener.opened()
  }

  /** One message from the server. */
  say(...frames: readonly ServerFrame[]): void {
    this.#listener.received(formatFrames(frames))
  }

  /** Any text from the server. */
  babble(text: string): void {
    this.#listener.received(text)
  }

  /** Ends, as the browser tells it. */
  end(code: number): void {
    this.#listener.closed(code)
  }

  /** What the page said, in order. */
  get heard(): readonly ClientFrame[] {
    return this.messages
      .flatMap((message) => parseClientFrames(message))
      .map((parsed) => {
        if (!parsed.ok) throw new Error(`the page sent what is no frame: ${parsed.problem}`)
        return parsed.frame
      })
  }
}

export interface FakeBrowserEnv extends BrowserEnv {
  readonly clock: SimulatedClock
  /** Every socket that was dialled, the newest last. */
  readonly sockets: readonly FakeBrowserSocket[]
  isDeviceOnline: boolean
  /** What `digest` answers with, instead of the digest. */
  digestWith: ((text: string) => Promise<string | undefined>) | undefined
  /** Something happens to the page. */
  happen(event: PageEvent): void
  /** Another page has changed something on the device. */
  hint(): void
  /** How each socket was dialled. */
  readonly rungs: Rung[]
  rememberedRung: Rung | undefined
  /** As the page last gave it. */
  questionOf: (turnId: TurnId) => MessageId | undefined
  /** The device does not answer while this holds. */
  isDeviceSilent: boolean
}

/** @param device what keeps its questions; without one, nothing does */
export function createFakeBrowserEnv(device?: SimulatedDevice): FakeBrowserEnv {
  const hints: (() => void)[] = []
  const sockets: FakeBrowserSocket[] = []
  const listeners: ((event: PageEvent) => void)[] = []
  const random = seededRandom(7)
  const env: FakeBrowserEnv = {
    clock: createSimulatedClock(),
    chance: random.next,
    randomBytes: (count) => random.bytes(count),
    sockets,
    isDeviceOnline: true,
    digestWith: undefined,
    isOnline: () => env.isDeviceOnline,
    openSocket(listener) {
      env.rungs.push('socket')
      const socket = new FakeBrowserSocket(listener)
      sockets.push(socket)
      return socket
    },
    digest: (text) => env.digestWith?.(text) ?? Promise.resolve(createHash('sha256').update(text).digest('hex')),
    onPageEvent: (listener) => void listeners.push(listener),
    happen(event) {
      for (const listener of listeners) listener(event)
    },
    isDeviceSilent: false,
    openOutbox: (scope) =>
      device && {
        apply: (change) =>
          env.isDeviceSilent ? new Promise(() => undefined) : Promise.resolve(device.transact(change, scope, env.clock.now())),
        onHint: (listener) => void hints.push(listener),
      },
    hint() {
      for (const listener of hints) listener()
    },
    succeed: () => undefined,
    openEvents(listener, questionOf) {
      env.questionOf = questionOf
      env.rungs.push('events')
      const socket = new FakeBrowserSocket(listener)
      sockets.push(socket)
      return socket
    },
    questionOf: () => undefined,
    rungs: [],
    rememberedRung: undefined,
    formerRung: () => env.rememberedRung,
    rememberRung(rung) {
      env.rememberedRung = rung
    },
  }
  return env
}
