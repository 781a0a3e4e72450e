import fc from 'fast-check'
import { test } from 'vitest'
import { accepted, ask, ClientLinkPlay, headAt, rejected, snapshotAt, welcome } from '../testing/client-link-play.ts'
import { SimulatedDevice } from '../testing/simulated-device.ts'

const connects = (play: ClientLinkPlay): ClientLinkPlay => play.opens().hears(welcome('snapshot', { head: headAt(5) }), snapshotAt(5))

test('[K19][K25] whatever device and link do, a tick that fell due changes what is due next', () => {
  const happening = fc.constantFrom(
    'ask',
    'open',
    'close',
    'silent',
    'heard',
    'broken',
    'evicted',
    'hint',
    'accept',
    'rate',
    'order',
    'woke',
  )
  fc.assert(
    fc.property(fc.array(fc.record({ happening, afterMs: fc.nat(12_000) }), { maxLength: 40 }), (moments) => {
      const device = new SimulatedDevice()
      const pages = [new ClientLinkPlay(device, 100), new ClientLinkPlay(device, 200)]
      for (const page of pages) page.chance = 0.5
      for (const page of pages) page.on({ type: 'start' })
      let asked = 0
      for (const [index, moment] of moments.entries()) {
        // Throws when a tick leads to the next one without time passing.
        for (const page of pages) page.pass(moment.afterMs)
        const page = pages[index % 2]
        if (page === undefined) continue
        const oldest = page.client.questions.find(({ state }) => state.status === 'sending')
        const number = oldest === undefined ? 1 : Number(oldest.messageId.slice(-12))
        if (moment.happening === 'ask') page.on(ask((asked += 1)))
        else if (moment.happening === 'open') connects(page)
        else if (moment.happening === 'close') page.closes()
        else if (moment.happening === 'silent') page.isDeviceSilent = true
        else if (moment.happening === 'heard') page.isDeviceSilent = false
        else if (moment.happening === 'broken') device.mode = device.mode === 'well' ? 'broken' : 'well'
        else if (moment.happening === 'evicted') device.evict()
        else if (moment.happening === 'hint') page.on({ type: 'hinted' })
        else if (moment.happening === 'accept') page.hears(accepted(number, 6))
        else if (moment.happening === 'rate') page.hears(rejected(number, 'rate', { retryAfterMs: 4_000 }))
        else if (moment.happening === 'order') page.hears(rejected(number, 'order', { expectedNumber: 1 }))
        else page.on({ type: 'woke' })
      }
    }),
  )
})
