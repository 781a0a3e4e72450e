import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { fold } from '../conversation/conversation.ts'
import { mayReconnect } from '../protocol/close-codes.ts'
import { playLinkPair, type LinkPairResult } from './link-pair.ts'
import type { PairDurability } from './pair-store.ts'

const SEEDS = 200
const seeds = Array.from({ length: SEEDS }, (_unused, index) => index + 1)

/** What is wrong with how it went; nothing should be. */
function faults({ asked, client, log, wrongViews, closeCodes, isEndless }: LinkPairResult): readonly string[] {
  const inLog = log.flatMap((entry) => (entry.kind === 'message' ? [entry.messageId] : []))
  const truth = fold(log)
  const { conversation, earlier } = client.view
  const checks: Readonly<Record<string, boolean>> = {
    'the link is not open': client.link.status !== 'open',
    [`closed for good with ${closeCodes.join()}`]: closeCodes.some((code) => !mayReconnect(code)),
    [`of ${asked.length} questions ${inLog.length} are in the log, or in another order`]: !isDeepStrictEqual(inLog, asked),
    [`the page still holds ${client.questions.length} questions`]: client.questions.length > 0,
    [`the page is at ${conversation.head?.seq} of ${truth.head?.seq}`]: !isDeepStrictEqual(conversation.head, truth.head),
    'the page shows something else than the log': !isDeepStrictEqual(conversation.items, truth.items.slice(earlier)),
    [`the page showed what no log ever said, ${wrongViews.length} times`]: wrongViews.length > 0,
    [`${client.mismatches} digests differed`]: client.mismatches > 0,
    'it went on for ever': isEndless,
  }
  return Object.entries(checks).flatMap(([fault, isSo]) => (isSo ? [fault] : []))
}

const broken = (results: ReadonlyMap<number, LinkPairResult>): readonly string[] =>
  [...results].flatMap(([seed, result]) => faults(result).map((fault) => `seed ${seed}: ${fault}`))

describe('in the end', () => {
  const played = (durability: PairDurability): ReadonlyMap<number, LinkPairResult> =>
    new Map(seeds.map((seed) => [seed, playLinkPair({ seed, durability })]))
  const results = { fsync: played('fsync'), replicated: played('replicated') }

  test('[K22] every question asked stands in the log once, in order, and the page shows the log', () => {
    expect(broken(results.fsync).slice(0, 5)).toEqual([])
  })

  test('[K22][K23] and so it is when the store may forget what it has not settled', () => {
    expect(broken(results.replicated).slice(0, 5)).toEqual([])
  })

  test('[K22][K23][K80][K81][K82][K83] and when the server asks to move again and again, whatever else happens', () => {
    const moving = (durability: PairDurability): ReadonlyMap<number, LinkPairResult> =>
      new Map(seeds.map((seed) => [seed, playLinkPair({ seed, durability, drains: true })]))
    for (const moved of [moving('fsync'), moving('replicated')]) {
      expect(broken(moved).slice(0, 5)).toEqual([])
      expect(Array.from(moved.values(), ({ counts }) => counts.moves).reduce((so, moves) => so + moves, 0)).toBeGreaterThan(2 * SEEDS)
    }
  })

  test('[K22] much of it was hard', () => {
    for (const all of [[...results.fsync.values()], [...results.replicated.values()]]) {
      const sum = (name: keyof LinkPairResult['counts']): number => all.reduce((so, { counts }) => so + counts[name], 0)
      expect(sum('cuts')).toBeGreaterThan(2 * SEEDS)
      expect(sum('failures')).toBeGreaterThan(2 * SEEDS)
      expect(sum('links')).toBeGreaterThan(2 * SEEDS)
      expect(all.reduce((so, { asked }) => so + asked.length, 0)).toBeGreaterThan(10 * SEEDS)
    }
    const forgetful = [...results.replicated.values()]
    expect(forgetful.reduce((so, { counts }) => so + counts.rollbacks, 0)).toBeGreaterThan(SEEDS / 4)
    expect(forgetful.reduce((so, { client }) => so + client.forks, 0)).toBeGreaterThan(SEEDS / 10)
  })
})

describe('seeds that once found something', () => {
  test.each<readonly [number, PairDurability]>([
    [3, 'fsync'],
    [10, 'fsync'],
    [8, 'replicated'],
  ])('[K10] seed %i, %s: a page that was told to wait does not spend its frames on asking', (seed, durability) => {
    expect(faults(playLinkPair({ seed, durability }))).toEqual([])
  })

  test.each([35, 43, 65, 74])('[K11] seed %i: what counted for an earlier device gets a number before it is sent again', (seed) => {
    expect(faults(playLinkPair({ seed, durability: 'replicated' }))).toEqual([])
  })

  test.each([135])('[K23] seed %i: a question that was accepted beyond what the page shows can be lost unnoticed', (seed) => {
    expect(faults(playLinkPair({ seed, durability: 'replicated' }))).toEqual([])
  })

  test.each([47, 281])('[K11] seed %i: many refusals for their order make one question go out again each', (seed) => {
    expect(faults(playLinkPair({ seed, durability: 'replicated' }))).toEqual([])
  })
})
