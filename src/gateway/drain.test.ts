import { EventEmitter } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  DRAIN_GOODBYES_MAX_MS,
  DRAIN_GOODBYE_MS,
  DRAIN_LINKS_PER_SECOND,
  DRAIN_MOVE_GRACE_MS,
  DRAIN_WINDOW_MIN_MS,
} from '../conversation/limits.ts'
import { createSimulatedClock, type SimulatedClock } from '../testing/simulated-clock.ts'
import { Drain, type EndableLink } from './drain.ts'

const LIMIT_MS = 25_000

/** A link whose other end closes it when it is told to, or does not. */
class FakeLink extends EventEmitter implements EndableLink {
  readonly leaving: AbortSignal
  leftAt: number | undefined
  isCut = false

  constructor(drain: Drain, clock: SimulatedClock, isPolite = true) {
    super()
    this.leaving = drain.hold(this)
    this.leaving.addEventListener('abort', () => {
      this.leftAt = clock.monotonic()
      if (isPolite) this.emit('close')
    })
  }

  terminate(): void {
    this.isCut = true
    this.emit('close')
  }

  /** The page has found another process. */
  moves(): void {
    this.emit('close')
  }
}

interface Play {
  readonly clock: SimulatedClock
  readonly drain: Drain
  readonly link: (isPolite?: boolean) => FakeLink
}

function play(isShared = true): Play {
  const clock = createSimulatedClock()
  const drain = new Drain({ clock, isShared })
  return { clock, drain, link: (isPolite) => new FakeLink(drain, clock, isPolite) }
}

/** A promise, and whether it has come to its end. */
function observe<Value>(result: Promise<Value>): { readonly result: Promise<Value>; isSettled(): boolean } {
  let isSettled = false
  const settle = async (): Promise<void> => {
    await result
    isSettled = true
  }
  void settle()
  return { result, isSettled: () => isSettled }
}

describe('while links can move', () => {
  test('[S21][S22] it waits until all have gone, and no longer', async () => {
    const { clock, drain, link } = play()
    const links = [link(), link()]
    const begun = observe(drain.begin(LIMIT_MS))
    expect([drain.begun.aborted, drain.over.aborted]).toEqual([true, false])
    await clock.advance(600)
    links[0]?.moves()
    await clock.settle()
    expect(begun.isSettled()).toBe(false)
    links[1]?.moves()
    await begun.result
    expect(await drain.end()).toEqual({ moved: 2, told: 0, cut: 0 })
    expect([clock.monotonic(), clock.waiting]).toEqual([600, 0])
  })

  test.each([
    ['the window and a grace', LIMIT_MS, DRAIN_WINDOW_MIN_MS + DRAIN_MOVE_GRACE_MS],
    ['its own time', 4_000, 4_000],
  ])('[S22] it waits for those that do not move for %s', async (_what, limitMs, waitMs) => {
    const { clock, drain, link } = play()
    const { leaving } = link()
    const begun = observe(drain.begin(limitMs))
    await clock.advance(waitMs - 1)
    expect(begun.isSettled()).toBe(false)
    await clock.advance(1)
    await begun.result
    expect(leaving.aborted).toBe(false)
    expect(drain.plan).toEqual({ windowEndsAt: DRAIN_WINDOW_MIN_MS, deadlineAt: limitMs })
  })

  test('[S21] the more links there are, the longer the window, and there is always time left to try again', () => {
    const { drain, link } = play()
    for (let count = 0; count < 4 * DRAIN_LINKS_PER_SECOND; count += 1) link()
    void drain.begin(LIMIT_MS)
    expect(drain.plan).toEqual({ windowEndsAt: 4_000, deadlineAt: LIMIT_MS })
    const crowd = play()
    for (let count = 0; count < 4 * DRAIN_LINKS_PER_SECOND; count += 1) crowd.link()
    void crowd.drain.begin(6_000)
    expect(crowd.drain.plan).toEqual({ windowEndsAt: 3_000, deadlineAt: 6_000 })
  })

  test('[S22] without anybody to wait for it does not wait, and so it is where nobody else could take a link or there is no time', async () => {
    const alone = play(false)
    const kept = alone.link()
    await alone.drain.begin(LIMIT_MS)
    expect([alone.drain.plan, kept.leaving.aborted]).toEqual([undefined, false])
    const hurried = play()
    hurried.link()
    await hurried.drain.begin(0)
    expect(hurried.drain.plan).toBeUndefined()
    await play().drain.begin(LIMIT_MS)
  })

  test('[S21] who wants to hear of it does so once, unless it has gone before', () => {
    const { drain } = play()
    const heard: string[] = []
    drain.onPlan(() => heard.push('one'))
    drain.onPlan(() => heard.push('other'))()
    void drain.begin(LIMIT_MS)
    void drain.begin(LIMIT_MS)
    expect(heard).toEqual(['one'])
  })
})

describe('at the end', () => {
  test('[S22][S23] those that are left say goodbye one after another, and are cut when they do not', async () => {
    const { clock, drain, link } = play()
    const links = [link(), link(false), link()]
    const moved = link()
    const begun = drain.begin(LIMIT_MS)
    moved.moves()
    await clock.advance(LIMIT_MS)
    await begun
    const ended = observe(drain.end())
    expect(drain.over.aborted).toBe(true)
    await clock.advance(10)
    expect(links.map(({ leftAt = 0 }) => leftAt - LIMIT_MS)).toEqual([0, 2, 4])
    expect(ended.isSettled()).toBe(false)
    await clock.advance(DRAIN_GOODBYE_MS)
    expect(await ended.result).toEqual({ moved: 1, told: 3, cut: 1 })
    expect(links.map(({ isCut }) => isCut)).toEqual([false, true, false])
    expect(clock.waiting).toBe(0)
  })

  test('[S23] ever so many have said goodbye within a few seconds', async () => {
    const { clock, drain, link } = play(false)
    const links = Array.from({ length: 1.2 * (DRAIN_GOODBYES_MAX_MS / 1_000) * DRAIN_LINKS_PER_SECOND }, () => link())
    const ended = drain.end()
    clock.advanceSync(DRAIN_GOODBYES_MAX_MS)
    expect(await ended).toEqual({ moved: 0, told: links.length, cut: 0 })
    expect(clock.monotonic()).toBe(DRAIN_GOODBYES_MAX_MS)
  })

  test('[S22] it need not have begun before, and happens once', async () => {
    const { clock, drain, link } = play()
    const { leaving } = link()
    const both = [drain.end(), drain.end()]
    expect(drain.begun.aborted).toBe(true)
    await clock.advance(1)
    expect(leaving.aborted).toBe(true)
    expect(await Promise.all(both)).toEqual([
      { moved: 0, told: 1, cut: 0 },
      { moved: 0, told: 1, cut: 0 },
    ])
  })
})
