/** People with pages at a few processes of ours on one Redis, and what became of what they asked. */
import { isDeepStrictEqual } from 'node:util'
import type { ConversationLog } from '../../src/conversation-log/conversation-log.ts'
import { readAll } from '../../src/conversation-log/world.contract.ts'
import { fold } from '../../src/conversation/conversation.ts'
import type { RedisAddress } from '../../src/conversation-log/redis-connection.ts'
import type { Entry } from '../../src/conversation/entry.ts'
import { isVisitorId, mintSessionId, type SessionId } from '../../src/conversation/ids.ts'
import { ChatPage } from './chat-page.ts'
import { startChatProcess, type ChatProcess } from './chat-process.ts'
import { newPrefix, random, type openLog } from './open-log.ts'
import { until } from './redis-process.ts'

type Options = Parameters<typeof openLog>[0]

export interface TownOptions extends Options {
  readonly processes: number
  readonly people: number
  /** Where each process connects, when they do not all connect to the same. */
  readonly entrances?: readonly RedisAddress[]
}

/** What became of what was asked. */
export interface Outcome {
  readonly asked: number
  /** Questions that are not in the log, or are there more than once. */
  readonly lost: readonly string[]
  /** People whose questions are not in the order they asked them in. */
  readonly reordered: number
  /** Questions that pages had been shown as saved, which the log had lost, and which are there again. */
  readonly repaired: number
  /** Questions that the log had promised to keep and lost all the same. */
  readonly broken: number
  /** Questions that are not answered, or more than once. */
  readonly unanswered: number
  /** Pages that show something else than the log. */
  readonly differing: number
}

export const NOTHING_WRONG: Omit<Outcome, 'repaired' | 'asked'> = { lost: [], reordered: 0, broken: 0, unanswered: 0, differing: 0 }

const SESSION_MS = 3_600_000

export class ChatTown implements AsyncDisposable {
  readonly pages: readonly ChatPage[]
  readonly processes: readonly ChatProcess[]

  private constructor(pages: readonly ChatPage[], processes: readonly ChatProcess[]) {
    this.pages = pages
    this.processes = processes
  }

  /** Resolves when every page has its link. */
  static async found({ processes: count, people, entrances, ...options }: TownOptions): Promise<ChatTown> {
    const keyPrefix = newPrefix()
    const names = Array.from({ length: count }, (_unused, index) => `process-${index}`)
    const processes = await Promise.all(
      names.map((name, index) => {
        const entrance = entrances?.[index]
        return startChatProcess({ keyPrefix, ...options, ...(entrance === undefined ? {} : { addresses: [entrance] }) }, name)
      }),
    )
    let links = 0
    const next = (): ChatProcess => {
      links += 1
      const process = processes[links % processes.length]
      if (process === undefined) throw new RangeError('a town has a process')
      return process
    }
    const pages = await Promise.all(
      Array.from({ length: people }, async () => {
        const [session, visitor] = [mintSessionId(random), mintSessionId(random)]
        if (!isVisitorId(visitor)) throw new TypeError('a session id has the form of a visitor id')
        await next().log.createSession({ id: session, visitor, ttlMs: SESSION_MS })
        return new ChatPage({ session, visitor, process: next })
      }),
    )
    const town = new ChatTown(pages, processes)
    await until(async () => pages.every(({ isOpen }) => isOpen) || undefined)
    return town
  }

  /** Each person asks that many questions more, as soon as there is room. */
  async everybodyAsks(questions: number): Promise<void> {
    await Promise.all(
      this.pages.map(async (page) => {
        for (let asked = 0; asked < questions; asked += 1) await until(async () => page.ask() || undefined)
      }),
    )
  }

  /** Every page loses its link and has the next one to the process after; resolves when all have it. */
  async everybodyMoves(): Promise<void> {
    for (const page of this.pages) page.loseLink()
    await until(async () => this.pages.every(({ isOpen }) => isOpen) || undefined)
  }

  /** Resolves when nothing is under way any more: all is settled, answered and shown. */
  async isQuiet(): Promise<void> {
    for (const page of this.pages) await until(async () => (await this.#isQuietAt(page)) || undefined)
  }

  async outcome(): Promise<Outcome> {
    const found = await Promise.all(this.pages.map(async (page) => ({ page, entries: await this.entries(page.session) })))
    const all = found.map(({ page, entries }) => outcomeOf(page, entries))
    const sum = (count: (one: Outcome) => number): number => all.reduce((total, one) => total + count(one), 0)
    return {
      asked: sum(({ asked }) => asked),
      lost: all.flatMap(({ lost }) => lost),
      reordered: sum(({ reordered }) => reordered),
      repaired: sum(({ repaired }) => repaired),
      broken: sum(({ broken }) => broken),
      unanswered: sum(({ unanswered }) => unanswered),
      differing: sum(({ differing }) => differing),
    }
  }

  entries(session: SessionId): Promise<readonly Entry[]> {
    return readAll(this.log, session)
  }

  get log(): ConversationLog {
    const [first] = this.processes
    if (first === undefined) throw new RangeError('a town has a process')
    return first.log
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const page of this.pages) page[Symbol.dispose]()
    await Promise.all(this.processes.map((process) => process[Symbol.asyncDispose]()))
  }

  async #isQuietAt(page: ChatPage): Promise<boolean> {
    if (page.unsettled > 0) return false
    const entries = await this.entries(page.session).catch(() => undefined)
    if (entries === undefined || !isDeepStrictEqual(page.items, fold(entries).items)) return false
    return entries.filter(({ kind }) => kind === 'turn-ended').length >= page.typed.length
  }
}

function outcomeOf(page: ChatPage, entries: readonly Entry[]): Outcome {
  const asked = entries.flatMap((entry) => (entry.kind === 'message' ? [entry] : []))
  const ids: readonly string[] = asked.map(({ messageId }) => messageId)
  const turns = new Map(asked.map(({ messageId, turnId }) => [messageId, turnId]))
  const endings = entries.flatMap((entry) => (entry.kind === 'turn-ended' ? [entry.turnId] : []))
  const there = page.typed.filter((id) => ids.indexOf(id) >= 0 && ids.indexOf(id) === ids.lastIndexOf(id))
  const isRepaired = (id: (typeof there)[number]): boolean => [...(page.turns.get(id) ?? [])].some((turn) => turn !== turns.get(id))
  return {
    asked: page.typed.length,
    lost: page.typed.filter((id) => !there.includes(id)),
    reordered: isDeepStrictEqual(ids, page.typed) ? 0 : 1,
    repaired: there.filter(isRepaired).length,
    broken: Array.from(page.entrusted).filter(([id, turn]) => turns.get(id) !== turn).length,
    unanswered: [...turns.values()].filter((turn) => endings.filter((ended) => ended === turn).length !== 1).length,
    differing: isDeepStrictEqual(page.items, fold(entries).items) ? 0 : 1,
  }
}
