/** The part of the contract that is about questions: numbering, repeats, refusals. */
import { expect, test } from 'vitest'
import { SERVER_DEVICE } from '../conversation/ids.ts'
import { OPEN_TURNS_MAX } from '../conversation/limits.ts'
import { answer, createWorld, expectAccepted, TTL_MS, type OpenLog } from './world.contract.ts'

export function describeQuestionsOfLog(open: OpenLog): void {
  test('[L5] a question is appended with its turn, and entries are linked', async () => {
    await using world = await createWorld(open)
    const { log, clock } = world
    const id = await world.begin()
    const first = world.question({ text: 'One\n\u202Etwo\u0000 \u{1F600} "three"', inReplyTo: undefined })
    const { cursor, turnId, number } = expectAccepted(await log.ask(id, first))
    const second = world.question({ inReplyTo: first.messageId })
    clock.advanceSync(5)
    await log.ask(id, second)
    const entries = await world.entries(id)
    const session = await log.findSession(id)
    expect({ cursor, number }).toEqual({ cursor: { logId: session?.logId, seq: 1, id: entries[0]?.id }, number: 1 })
    expect(entries).toEqual([
      { ...first, kind: 'message', seq: 1, id: cursor.id, prev: undefined, at: clock.now() - 5, turnId, number: 1 },
      {
        ...second,
        kind: 'message',
        seq: 2,
        id: entries[1]?.id,
        prev: cursor.id,
        at: clock.now(),
        turnId: (entries[1] as { turnId: unknown }).turnId,
        number: 2,
      },
    ])
    expect((await log.claim('owner', TTL_MS, 9)).map((claim) => claim.turnId)).toEqual([turnId])
  })

  test('[L6] the same question again gets the first answer and appends nothing, however late', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const question = world.question()
    const first = expectAccepted(await log.ask(id, question))
    await world.ask(id)
    const claim = await world.claimOne()
    await log.write(claim, answer(claim))
    const again = { ...first, duplicate: true }
    expect(first.duplicate).toBe(false)
    expect(await log.ask(id, question)).toEqual(again)
    expect(await log.ask(id, { ...question, device: world.newDevice(), number: 17 })).toEqual(again)
    expect(await world.entries(id)).toHaveLength(5)
    expect(await log.findSession(id)).toMatchObject({ questions: 2 })
  })

  test('[L6] an id belongs to its session: another session may use it', async () => {
    await using world = await createWorld(open)
    const question = world.question()
    for (const id of [await world.begin(), await world.begin()]) {
      expect(await world.log.ask(id, question)).toMatchObject({ type: 'accepted', duplicate: false })
    }
  })

  test('[L7] the same id with another text is a conflict', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    const question = world.question()
    await world.log.ask(id, question)
    expect(await world.log.ask(id, { ...question, text: `${question.text} ` })).toEqual({ type: 'conflict' })
    expect(await world.entries(id)).toHaveLength(1)
  })

  test('[L8] a device numbers its questions from 1 without gaps', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const device = world.newDevice()
    const send = (number: number) => log.ask(id, world.question({ device, number }))
    expect(await send(2)).toEqual({ type: 'order', expected: 1 })
    expect(await send(0)).toEqual({ type: 'order', expected: 1 })
    expect(await send(1)).toMatchObject({ type: 'accepted', number: 1 })
    expect(await send(1)).toEqual({ type: 'order', expected: 2 })
    expect(await send(3)).toEqual({ type: 'order', expected: 2 })
    expect(await send(2)).toMatchObject({ type: 'accepted', number: 2 })
    expect(await log.lastNumber(id, device)).toBe(2)
    expect(await log.lastNumber(id, world.newDevice())).toBe(0)
    expect(await world.entries(id)).toHaveLength(2)
  })

  test('[L8] devices count for themselves, and in each session anew', async () => {
    await using world = await createWorld(open)
    const device = world.newDevice()
    for (const id of [await world.begin(), await world.begin()]) {
      expect(await world.ask(id, { device, number: 1 })).toMatchObject({ number: 1 })
      expect(await world.ask(id, { device: world.newDevice(), number: 1 })).toMatchObject({ number: 1 })
      expect(await world.ask(id)).toMatchObject({ number: 1 })
      expect(await world.ask(id, { device, number: 2 })).toMatchObject({ number: 2 })
    }
  })

  test('[L9] the server device is numbered at append, and no other', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    expect(await world.ask(id)).toMatchObject({ number: 1 })
    expect(await world.ask(id)).toMatchObject({ number: 2 })
    expect(await log.lastNumber(id, SERVER_DEVICE)).toBe(2)
    await expect(log.ask(id, world.question({ device: world.newDevice() }))).rejects.toThrow(RangeError)
    expect(await world.entries(id)).toHaveLength(2)
  })

  test('[L10] the 21st open question is refused, a repeat is not, and an ended turn makes room', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const first = world.question()
    await log.ask(id, first)
    for (let count = 1; count < OPEN_TURNS_MAX; count += 1) await world.ask(id)
    const late = world.question()
    expect(await log.ask(id, late)).toEqual({ type: 'overload' })
    expect(await log.ask(id, first)).toMatchObject({ type: 'accepted', duplicate: true })
    const claim = await world.claimOne()
    await log.write(claim, answer(claim))
    expect(await log.ask(id, late)).toMatchObject({ type: 'accepted', number: OPEN_TURNS_MAX + 1, duplicate: false })
    expect(await log.ask(await world.begin(), world.question())).toMatchObject({ type: 'accepted' })
  })

  test('[L11] one question sent many times at once is one entry', async () => {
    await using world = await createWorld(open)
    const id = await world.begin()
    const question = world.question()
    const results = await Promise.all(Array.from({ length: 50 }, () => world.log.ask(id, question)))
    const accepted = results.map(expectAccepted)
    expect(accepted.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
    expect(new Set(accepted.map(({ cursor, turnId }) => `${cursor.id} ${turnId}`)).size).toBe(1)
    expect(await world.entries(id)).toHaveLength(1)
  })

  test('[L11] devices sending at once, each in order, are all appended in their order', async () => {
    await using world = await createWorld(open)
    const { log } = world
    const id = await world.begin()
    const devices = [world.newDevice(), world.newDevice(), world.newDevice()]
    const sends = [1, 2, 3, 4, 5].flatMap((number) => devices.map((device) => world.question({ device, number })))
    const results = await Promise.all(sends.map((question) => log.ask(id, question)))
    expect(results.map(({ type }) => type)).toEqual(sends.map(() => 'accepted'))
    const entries = await world.entries(id)
    expect(entries.map(({ seq }) => seq)).toEqual(sends.map((_send, index) => index + 1))
    expect(entries.map(({ prev }) => prev)).toEqual([undefined, ...entries.slice(0, -1).map((entry) => entry.id)])
    for (const device of devices) {
      const numbers = entries.flatMap((entry) => (entry.kind === 'message' && entry.device === device ? [entry.number] : []))
      expect(numbers).toEqual([1, 2, 3, 4, 5])
    }
  })
}
