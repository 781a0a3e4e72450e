import { expect, test } from 'vitest'
import { SNAPSHOT_ITEMS_MAX } from '../conversation/limits.ts'
import { accepted, ask, messageIdOf, open, questionAt, snapshotAt, welcome, type ClientLinkPlay } from '../testing/client-link-play.ts'
import { viewOfLink } from './link-view.ts'

const pendingOn = ({ client }: ClientLinkPlay) => viewOfLink(client).pending.map(({ messageId, state }) => [messageId, state])

test('[W21] a question stands below the conversation until the log shows it, and never in both places', () => {
  const play = open().on(ask(1))
  expect(pendingOn(play)).toEqual([[messageIdOf(1), 'unknown']])
  play.hears(accepted(1, 6))
  expect(pendingOn(play)).toEqual([[messageIdOf(1), 'accepted']])
  play.hears(questionAt(6, 1))
  expect(pendingOn(play)).toEqual([])
})

test('[W21] a question that a snapshot leaves out, because it is among the earlier ones, does not move below the conversation', () => {
  const play = open({ durability: 'memory' }).on(ask(1)).hears(accepted(1, 6), questionAt(6, 1))
  const later = questionAt(30, 2)
  if (later.type !== 'entry' || later.entry.kind !== 'message') throw new Error('no question')
  const item = { ...later.entry, kind: 'question', status: 'answered', isStopping: false, reason: undefined } as const
  const snapshot = { ...snapshotAt(30), items: [item], earlier: SNAPSHOT_ITEMS_MAX }
  play
    .closes()
    .comesBack()
    .hears(welcome('snapshot', { durability: 'memory' }), snapshot)
  expect(play.questions).toEqual({ 1: 'sending' })
  play.hears(accepted(1, 6, true))
  expect([play.questions, pendingOn(play)]).toEqual([{ 1: 'accepted' }, []])
})
