import { describe, expect, test } from 'vitest'
import { createMemoryLog } from '../conversation-log/memory-log.ts'
import { mintDeviceId, mintMessageId, type DeviceId } from '../conversation/ids.ts'
import { PING_INTERVAL_MS } from '../conversation/limits.ts'
import { parseServerFrames } from '../protocol/parse-frame.ts'
import { createSwitched, idOf, logIdOf, names, StreamPlay as Play, VISITOR, type SentEvent } from '../testing/event-stream-play.ts'
import { MOVE_ON } from './held-response.ts'

describe('a page’s link', () => {
  const deviceOf = (play: Play): DeviceId => mintDeviceId((count) => play.random.bytes(count))
  /** The frames that the events are, as the page reads them. */
  const framesOf = (events: readonly SentEvent[]): readonly unknown[] =>
    events.map(({ event, data }) => (event === 'entry' ? { type: event, entry: data } : { type: event, ...Object(data) }))

  test('[H55] is told where it stands before anything of the log, in frames that parse as the link’s do', async () => {
    const play = await Play.create()
    const device = deviceOf(play)
    await play.log.ask(play.session, {
      messageId: mintMessageId(0, (n) => play.random.bytes(n)),
      device,
      number: 1,
      text: 'One?',
      inReplyTo: undefined,
    })
    await play.answer('First.\n\nSecond.')
    const reader = play.open(undefined, play.log, device)
    const events = await reader.events()
    expect(names(events)).toEqual(['level', 'welcome', 'snapshot', 'block 0', 'block 1'])
    expect(events[1]).toEqual({
      event: 'welcome',
      id: undefined,
      data: {
        session: play.session,
        logId: await logIdOf(play),
        head: { seq: 4, id: await idOf(play, 4) },
        outcome: 'snapshot',
        durability: 'memory',
        settled: 0,
        lastNumber: 1,
        pingMs: PING_INTERVAL_MS,
        maxInFlight: 1,
        reconnect: { baseMs: 1_000, capMs: 30_000 },
        level: 'full',
      },
    })
    await play.ask('Two?')
    const entry = await reader.events()
    await play.clock.advance(PING_INTERVAL_MS)
    const more = [...entry, ...(await reader.events())]
    expect(names(more)).toEqual(['entry message', 'ping'])
    expect(more.at(-1)?.data).toEqual({ n: 1, head: { seq: 5, id: await idOf(play, 5) }, settled: 0 })
    const parsed = parseServerFrames(
      framesOf([...events, ...more])
        .map((frame) => JSON.stringify(frame))
        .join('\n'),
    )
    expect(parsed.filter(({ ok }) => !ok)).toEqual([])
  })

  test('[H55] resumes, and is told of another log with a welcome that takes its cursor away', async () => {
    const play = await Play.create()
    const cursor = await play.ask('One?')
    const switched = createSwitched(play.log)
    const reader = play.open(cursor, switched.log, deviceOf(play))
    expect((await reader.events()).map(({ event, data }) => [event, Object(data).outcome])).toEqual([
      ['level', undefined],
      ['welcome', 'resumed'],
    ])
    const another = createMemoryLog({ clock: play.clock, random: (count) => play.random.bytes(count) })
    await another.createSession({ id: play.session, visitor: VISITOR, ttlMs: 3_600_000 })
    switched.to(another)
    await play.ask('Rings the bell.')
    const events = await reader.events()
    expect(events.map(({ event, id, data }) => [event, id, Object(data).outcome])).toEqual([
      ['welcome', '', 'fork'],
      ['snapshot', '', undefined],
    ])
  })

  test('[H55] is asked to open another when it has lasted its time, and not when its server goes or its reader leaves', async () => {
    const play = await Play.create()
    const reader = play.open(undefined, play.log, deviceOf(play))
    await reader.events()
    play.over.abort(MOVE_ON)
    expect(await reader.text()).toBe('event: drain\ndata: {"afterMs":0,"windowMs":0,"deadlineMs":0}\n\nend')
    const other = await Play.create()
    const plain = other.open(undefined, other.log)
    const drained = other.open(undefined, other.log, deviceOf(other))
    await Promise.all([plain.events(), drained.events()])
    other.over.abort()
    expect([await plain.text(), await drained.text()]).toEqual(['end', 'end'])
  })

  test('[S21][H80] is asked once to move when its process drains, goes on until then, and no other reader is', async () => {
    const play = await Play.create()
    const [page, other] = [play.open(undefined, play.log, deviceOf(play)), play.open()]
    await Promise.all([page.events(), other.events()])
    void play.drain.begin(25_000)
    expect(await page.text()).toBe('event: drain\ndata: {"afterMs":0,"windowMs":1000,"deadlineMs":25000}\n\n')
    await play.ask('And then?')
    expect([names(await page.events()), names(await other.events())]).toEqual([['entry message'], ['entry message']])
  })

  test('[H55] hears a ping every 15 seconds, also while there is much to say', async () => {
    const play = await Play.create()
    const reader = play.open(undefined, play.log, deviceOf(play))
    await reader.events()
    await play.clock.advance(10_000)
    await play.ask('After ten seconds?')
    expect(names(await reader.events())).toEqual(['entry message'])
    await play.clock.advance(6_000)
    await play.ask('After sixteen?')
    expect(names(await reader.events())).toEqual(['ping', 'entry message'])
  })
})
