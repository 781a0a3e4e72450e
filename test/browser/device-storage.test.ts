/** What becomes of questions with the storage of real devices, and when their conversation has closed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { accessibilityFaults, ask, createSite, keeps, lossy, questionsIn, type Site, answerAll, until } from './browser.ts'

let site: Site
beforeAll(async () => {
  site = await createSite()
})
afterAll(() => site[Symbol.asyncDispose]())

describe('a device', () => {
  test('[K26][K39][W91] that forbids storage sends all the same, and leaves the question in the box until the server has it', async () => {
    const visitor = await site.visitor()
    await visitor.context.addInitScript(() => {
      indexedDB.open = () => {
        throw new DOMException('forbidden', 'SecurityError')
      }
    })
    const network = await lossy(visitor.context)
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    network.loses = 'questions'
    await ask(page, 'Not kept?')
    await until(page, 'Sending')
    expect(await page.getByLabel('Your question').inputValue()).toBe('Not kept?')
    network.loses = 'nothing'
    await network.cut()
    await answerAll(site.agent, 'Not kept?')
    await until(page, 'About Not kept?')
    expect(await page.getByLabel('Your question').inputValue()).toBe('')
    expect(await questionsIn(page)).toEqual(['Not kept?'])
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K25][K39] has each question on its disk before anything of it is sent', async () => {
    const visitor = await site.visitor()
    await visitor.context.addInitScript(() => {
      const order: string[] = []
      Object.assign(globalThis, { order })
      // oxlint-disable-next-line typescript/unbound-method -- it is called with its object
      IDBDatabase.prototype.transaction = new Proxy(IDBDatabase.prototype.transaction, {
        apply(target, database, terms) {
          const transaction: IDBTransaction = Reflect.apply(target, database, terms)
          const { mode, durability } = transaction
          if (mode === 'readwrite') transaction.addEventListener('complete', () => order.push(durability))
          return transaction
        },
      })
      // oxlint-disable-next-line typescript/unbound-method -- it is called with its object
      WebSocket.prototype.send = new Proxy(WebSocket.prototype.send, {
        apply(target, socket, [data]) {
          if (typeof data === 'string' && data.includes('"send"')) order.push('send')
          return Reflect.apply(target, socket, [data])
        },
      })
    })
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    await keeps(page, 0)
    await page.evaluate('order.length = 0')
    await ask(page, 'In order?')
    await answerAll(site.agent, 'In order?')
    await until(page, 'About In order?')
    await keeps(page, 0)
    const order = await page.evaluate<readonly string[]>('order')
    // It is kept and then taken to be sent.
    expect(order.slice(0, order.indexOf('send')).slice(-2)).toEqual(['strict', 'strict'])
    expect(new Set(order)).toEqual(new Set(['strict', 'send']))
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K39] whose storage a newer release has taken over goes on with it, as long as it knows its way there', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    await keeps(page, 0)
    const upgrade = (version: number, drops: readonly string[]): Promise<unknown> =>
      page.evaluate(
        ([to, dropped]) =>
          new Promise<void>((resolve, reject) => {
            const opening = indexedDB.open('chat', to)
            opening.onupgradeneeded = () => {
              for (const name of dropped) opening.result.deleteObjectStore(name)
            }
            opening.onblocked = () => reject(new Error('the page has it open'))
            opening.onsuccess = () => {
              opening.result.close()
              resolve()
            }
          }),
        [version, drops] as const,
      )
    await upgrade(2, [])
    const network = await lossy(visitor.context)
    await page.reload()
    await until(page, 'You have not asked anything yet.')
    network.loses = 'questions'
    await ask(page, 'Newer?')
    await keeps(page, 1)
    network.loses = 'nothing'
    await network.cut()
    await answerAll(site.agent, 'Newer?')
    await until(page, 'About Newer?')
    await keeps(page, 0)
    await upgrade(3, ['outbox'])
    await ask(page, 'Strange?')
    await answerAll(site.agent, 'Strange?')
    await until(page, 'About Strange?')
    expect(await questionsIn(page)).toEqual(['Newer?', 'Strange?'])
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K26][K35][K39] without room sends all the same, and one that was emptied by the browser keeps the next question', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    const devtools = await visitor.context.newCDPSession(page)
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 1 })
    await ask(page, 'No room?')
    await answerAll(site.agent, 'No room?')
    await until(page, 'About No room?')
    await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.url })
    await devtools.send('Storage.clearDataForOrigin', { origin: site.url, storageTypes: 'indexeddb' })
    await ask(page, 'Emptied?')
    await answerAll(site.agent, 'Emptied?')
    await until(page, 'About Emptied?')
    expect(await questionsIn(page)).toEqual(['No room?', 'Emptied?'])
    await keeps(page, 0)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })

  test('[K33][K34][K39] that somebody else used, or another release, sends nothing of theirs by itself', async () => {
    const visitor = await site.visitor()
    const page = await visitor.begin()
    await until(page, 'You have not asked anything yet.')
    await keeps(page, 0)
    await page.evaluate(async () => {
      const data = JSON.parse(document.getElementById('page-data')?.textContent ?? '')
      const { session, visitor: owner } = data
      const id = (last: number): string => `00000000-0000-7000-8000-00000000000${last}`
      const row = {
        form: 1,
        session,
        visitor: owner,
        messageId: id(1),
        text: 'Mine?',
        place: 1,
        keptAt: performance.timeOrigin + performance.now(),
      }
      const records = [
        row,
        { ...row, messageId: id(2), visitor: 'somebody else', text: 'Theirs?' },
        { form: 7, session, visitor: owner, messageId: id(3), text: 'From the future?', shape: 'unknown' },
        { ...row, messageId: id(4), text: 'x'.repeat(50_000) },
      ]
      await new Promise((resolve) => {
        const opening = indexedDB.open('chat')
        opening.onsuccess = () => {
          const transaction = opening.result.transaction('outbox', 'readwrite')
          for (const record of records) transaction.objectStore('outbox').put(record)
          transaction.oncomplete = resolve
        }
      })
    })
    await page.reload()
    await answerAll(site.agent, 'Mine?')
    await until(page, 'About Mine?')
    await until(page, 'You wrote this with another version of this page')
    await until(page, 'Not sent. We could not send this')
    expect(await page.getByText('Theirs?').count()).toBe(0)
    expect(await questionsIn(page)).toEqual(['Mine?'])
    await page.getByRole('button', { name: /Send now.*From the future/ }).click()
    await answerAll(site.agent, 'From the future?')
    await until(page, 'About From the future?')
    await page.getByRole('button', { name: /Delete.*xxx/ }).click()
    await keeps(page, 1)
    expect(visitor.faults).toEqual([])
    await visitor.context.close()
  })
})

test('[K40] a conversation that is deleted takes along what the device keeps for it, and leaves the rest', async () => {
  const visitor = await site.visitor()
  const network = await lossy(visitor.context)
  const page = await visitor.begin()
  await until(page, 'You have not asked anything yet.')
  const other = await visitor.begin()
  await until(other, 'You have not asked anything yet.')
  network.loses = 'questions'
  await ask(page, 'Goes?')
  await ask(other, 'Stays?')
  await keeps(other, 2)
  await page.getByRole('link', { name: 'Delete this conversation' }).click()
  await page.getByRole('button', { name: 'Delete this conversation' }).click()
  await page.getByRole('heading', { name: 'Your conversations' }).waitFor()
  await keeps(other, 1)
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})

test('[K38][W94][W95] a conversation that somebody deletes while a page of it is open keeps what waits, and says so', async () => {
  const visitor = await site.visitor()
  const network = await lossy(visitor.context)
  const page = await visitor.begin()
  await until(page, 'You have not asked anything yet.')
  network.loses = 'questions'
  await ask(page, 'Still here?')
  await keeps(page, 1)
  const session = new URL(page.url()).pathname.split('/').at(-1)
  await visitor.context.request.delete(`/api/v1/sessions/${session}`)
  await until(page, 'Not sent.')
  await page.locator('#messages').getByText('Still here?', { exact: true }).waitFor()
  expect(await accessibilityFaults(page)).toEqual([])
  await keeps(page, 1)
  await page.reload()
  await until(page, 'These questions are still on your device.')
  const box = page.getByRole('textbox', { name: 'Your question' })
  expect(await box.inputValue()).toBe('Still here?')
  const other = await visitor.begin()
  await ask(other, 'Not lost yet?')
  await keeps(other, 2)
  await page.goto('/conversations')
  await until(page, 'These questions are still on your device,')
  expect(await accessibilityFaults(page)).toEqual([])
  expect(await box.inputValue()).toBe('Still here?')
  await page.getByRole('button', { name: 'Delete from this device' }).click()
  await keeps(page, 1)
  await page.reload()
  await keeps(page, 1)
  expect(await page.getByText('These questions are still on your device,').isVisible()).toBe(false)
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})

test('[W94][K95] a conversation that has closed gives back what was never sent, and keeps it until a new one has it', async () => {
  const visitor = await site.visitor()
  const network = await lossy(visitor.context)
  const page = await visitor.begin()
  await until(page, 'You have not asked anything yet.')
  const url = page.url()
  network.loses = 'questions'
  for (const [index, text] of ['Too late?', 'This one, too?'].entries()) {
    await ask(page, text)
    await keeps(page, index + 1)
  }
  await page.close()
  const session = new URL(url).pathname.split('/').at(-1)
  await visitor.context.request.delete(`/api/v1/sessions/${session}`)
  const closed = await visitor.tab(url)
  await until(closed, 'These questions are still on your device.')
  const send = (): Promise<void> => closed.getByRole('button', { name: 'Send in a new conversation' }).first().click()
  const boxes = closed.getByRole('textbox', { name: 'Your question' })
  await boxes.nth(1).waitFor()
  expect(await accessibilityFaults(closed)).toEqual([])
  // The server gets it, and the device never hears of that.
  await closed.route('**/conversations', async (route) => {
    await route.fetch({ maxRedirects: 0 })
    await route.abort()
  })
  await send()
  await answerAll(site.agent, 'Too late?')
  await closed.unroute('**/conversations')
  await closed.goto(url)
  await boxes.nth(1).waitFor()
  await send()
  await until(closed, 'About Too late?')
  expect(await questionsIn(closed)).toEqual(['Too late?'])
  await keeps(closed, 1)
  await closed.goto(url)
  await boxes.first().waitFor()
  expect(await boxes.evaluateAll((all) => all.map((box) => (box instanceof HTMLTextAreaElement ? box.value : '')))).toEqual([
    'This one, too?',
  ])
  await closed.getByRole('button', { name: 'Delete from this device' }).click()
  await keeps(closed, 0)
  expect(await closed.getByText('These questions are still on your device.').isVisible()).toBe(false)
  expect(visitor.faults).toEqual([])
  await visitor.context.close()
})
