import { expect, test } from 'vitest'
import { plainProfile, type ServiceProfile } from '../service-profile/service-profile.ts'
import { saySlow } from '../page/page-data.ts'
import { ALL_WORKS, type ServiceStanding } from '../protocol/protocol.ts'
import { whatPagesSay } from './what-pages-say.ts'
import { ENGLISH } from './words.ts'

const plain = plainProfile('Ask')

const said = (level: ServiceStanding['level'], doAnswersWait: boolean, profile: Partial<ServiceProfile> = {}, answersTakeMs?: number) =>
  whatPagesSay({
    standing: () => ({ ...ALL_WORKS, level, answersTakeMs }),
    doAnswersWait: () => doAnswersWait,
    service: () => ({ ...plain, ...profile }),
  })

test('[O201] operators are told what the pages say, word for word, and nothing while they are as always', () => {
  expect(said('full', false)).toEqual([])
  expect(said('limited', false)).toEqual([])
  expect(said('full', false, {}, 130_000)).toEqual([{ where: 'The chat page', text: saySlow(130_000, ENGLISH.live) }])
  expect(said('limited', true)).toEqual([{ where: 'The chat page', text: ENGLISH.live.limited }])
  expect(said('offline', true).map(({ text }) => text)).toEqual([
    ENGLISH.live.offline,
    `${ENGLISH.errors.unavailableTitle}. ${ENGLISH.errors.offline}`,
    `${ENGLISH.errors.offlineTitle}. ${ENGLISH.errors.offline}`,
  ])
})

test('[O201] so are the team’s own notice and its switch for questions', () => {
  const notice = { heading: 'Slow today', paragraphs: ['We work on it.'], link: undefined }
  expect(said('full', false, { notice, questions: { areOpen: false, paragraphs: ['Back on Monday.'] } })).toEqual([
    { where: 'Every page', text: 'Slow today We work on it.' },
    { where: 'The chat page, in place of its form', text: `${ENGLISH.chat.questionsClosedHeading}. Back on Monday.` },
  ])
})
