/** The part of the contract that is about sessions: making, listing, expiry, deletion. */
import { expect, test } from 'vitest'
import { SERVER_DEVICE } from '../conversation/ids.ts'
import { SESSIONS_PER_VISITOR_MAX } from '../conversation/limits.ts'
import { answer, createWorld, expectAccepted, TTL_MS, type OpenLog } from './world.contract.ts'

export function describeSessionsOfLog(open: OpenLog): void {
  test('[L1] a session is made once, for its visitor only', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const [visitor, id] = [world.newVisitor(), world.newSessionId()]
    const first = await log.createSession({ id, visitor, ttlMs: TTL_MS })
    const session = await log.findSession(id)
    expect(first).toEqual({ type: 'created', session })
    expect(session).toMatchObject({ id, visitor, createdAt: clock.now(), expiresAt: clock.now() + TTL_MS, questions: 0 })
    expect(await log.createSession({ id, visitor, ttlMs: 1 })).toEqual({ type: 'existing', session })
    expect(await log.createSession({ id, visitor: world.newVisitor(), ttlMs: TTL_MS })).toEqual({ type: 'taken' })
    expect(await log.findSession(world.newSessionId())).toBeUndefined()
  })

  test('[L1] the same session made many times at once is made once', async () => {
    await using world = await createWorld(open)
    const [visitor, id] = [world.newVisitor(), world.newSessionId()]
    const results = await Promise.all(Array.from({ length: 20 }, () => world.log.createSession({ id, visitor, ttlMs: TTL_MS })))
    expect(results.filter(({ type }) => type === 'created')).toHaveLength(1)
    expect(results.filter(({ type }) => type === 'existing')).toHaveLength(19)
  })

  test('[L2] a visitor sees their own sessions, newest first', async () => {
    await using world = await createWorld(open)
    const visitor = world.newVisitor()
    const ids = [await world.begin(visitor), await world.begin(visitor), await world.begin(visitor)]
    await world.begin()
    expect((await world.log.listSessions(visitor)).map(({ id }) => id)).toEqual(ids.toReversed())
    expect(await world.log.listSessions(world.newVisitor())).toEqual([])
  })

  test('[L2] a visitor owns at most 100 sessions; deleting or expiry makes room', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const visitor = world.newVisitor()
    const make = () => log.createSession({ id: world.newSessionId(), visitor, ttlMs: TTL_MS })
    const [first] = await Promise.all(Array.from({ length: SESSIONS_PER_VISITOR_MAX }, make))
    expect(await make()).toEqual({ type: 'too-many' })
    expect(await log.listSessions(visitor)).toHaveLength(SESSIONS_PER_VISITOR_MAX)
    await log.deleteSession((first as { session: { id: Parameters<typeof log.deleteSession>[0] } }).session.id)
    expect(await make()).toMatchObject({ type: 'created' })
    expect(await make()).toEqual({ type: 'too-many' })
    clock.advanceSync(TTL_MS)
    expect(await make()).toMatchObject({ type: 'created' })
  })

  test('[L3] every question moves the end of a session on', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    clock.advanceSync(TTL_MS - 1)
    await world.ask(id)
    clock.advanceSync(TTL_MS - 1)
    expect(await log.findSession(id)).toMatchObject({ questions: 1, expiresAt: clock.now() + 1 })
    clock.advanceSync(1)
    expect(await log.findSession(id)).toBeUndefined()
  })

  test('[H60] a session that is kept has its whole life before it again, and one that is gone stays so', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    clock.advanceSync(TTL_MS - 1)
    const kept = await log.keepSession(id)
    expect(kept).toMatchObject({ id, questions: 0, expiresAt: clock.now() + TTL_MS })
    expect(await log.findSession(id)).toEqual(kept)
    world.clock.jump(-30_000)
    expect(await log.keepSession(id)).toEqual(kept)
    clock.advanceSync(TTL_MS + 30_000)
    expect([await log.keepSession(id), await log.findSession(id)]).toEqual([undefined, undefined])
    expect(await log.keepSession(world.newSessionId())).toBeUndefined()
  })

  test('[L3] a clock that was set back does not shorten a session', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    const { expiresAt } = (await world.log.findSession(id)) as { expiresAt: number }
    world.clock.jump(-30_000)
    await world.ask(id)
    expect(await world.log.findSession(id)).toMatchObject({ expiresAt })
  })

  test('[L3] an expired session is gone for every command, before it is removed as after', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const visitor = world.newVisitor()
    const id = await world.begin(visitor)
    const asked = await world.ask(id)
    const claim = await world.claimOne()
    clock.advanceSync(TTL_MS)
    const everything = async () => [
      await log.findSession(id),
      await log.listSessions(visitor),
      await log.ask(id, world.question()),
      await log.stop(id, asked.turnId),
      await log.lastNumber(id, SERVER_DEVICE),
      await log.read(id, asked.cursor, 1),
      await log.claim('other', TTL_MS, 1),
      await log.renew(claim, TTL_MS),
      await log.write(claim, answer(claim)),
      await log.deleteSession(id),
    ]
    const gone = [undefined, [], { type: 'gone' }, { type: 'gone' }, 0, { type: 'gone' }, [], false, { type: 'fenced' }, false]
    expect(await everything()).toEqual(gone)
    await log.deleteExpired(10)
    expect(await everything()).toEqual(gone)
  })

  test('[L3] expired sessions are removed a few at a time, and others stay', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    await Promise.all([world.begin(), world.begin(), world.begin()])
    clock.advanceSync(TTL_MS)
    const young = await world.begin()
    expect([await log.deleteExpired(2), await log.deleteExpired(2), await log.deleteExpired(2)]).toEqual([2, 1, 0])
    expect(await log.findSession(young)).toMatchObject({ id: young })
  })

  test('[L3] an id whose session has expired can be used again, by anybody and from the beginning', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    const { cursor } = await world.ask(id)
    world.clock.advanceSync(TTL_MS)
    expect(await world.log.createSession({ id, visitor: world.newVisitor(), ttlMs: TTL_MS })).toMatchObject({ type: 'created' })
    expect(await world.log.read(id, cursor, 1)).toMatchObject({ type: 'fork', head: undefined })
    expect(await world.log.claim('owner', TTL_MS, 1)).toEqual([])
  })

  test('[L4] a deleted session is gone with its turns, and no re-send brings it back', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const visitor = world.newVisitor()
    const [id, other] = [await world.begin(visitor), await world.begin(visitor)]
    const question = world.question()
    const { turnId } = expectAccepted(await log.ask(id, question))
    const claim = await world.claimOne()
    await world.ask(id)
    expect(await log.deleteSession(id)).toBe(true)
    expect(await log.deleteSession(id)).toBe(false)
    expect(await log.findSession(id)).toBeUndefined()
    expect((await log.listSessions(visitor)).map((session) => session.id)).toEqual([other])
    expect(await log.ask(id, question)).toEqual({ type: 'gone' })
    expect(await log.stop(id, turnId)).toEqual({ type: 'gone' })
    expect(await log.read(id, undefined, 1)).toEqual({ type: 'gone' })
    expect(await log.write(claim, answer(claim))).toEqual({ type: 'fenced' })
    expect(await log.renew(claim, TTL_MS)).toBe(false)
    expect(await log.claim('other', TTL_MS, 10)).toEqual([])
  })

  test('[L4] a session made anew under a deleted id has another log, in which old cursors are forks and old claims worth nothing', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const visitor = world.newVisitor()
    const id = await world.begin(visitor)
    const { cursor } = await world.ask(id)
    const claim = await world.claimOne()
    await log.deleteSession(id)
    await log.createSession({ id, visitor, ttlMs: TTL_MS })
    await world.ask(id)
    expect(await log.read(id, cursor, 1)).toMatchObject({ type: 'fork' })
    expect(await log.write(claim, answer(claim))).toEqual({ type: 'fenced' })
    expect(await world.entries(id)).toHaveLength(1)
  })
}
