import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSearchIndex, type SearchIndex } from './search-index.ts'
import { isNear, stemOf, termsOf } from './words.ts'

const indexOf = (...texts: readonly string[]): SearchIndex =>
  createSearchIndex(texts.map((text) => ({ fields: [{ text, weight: 1 }], likelihood: 1 })))
const found = (index: SearchIndex, question: string): readonly number[] => index.search(question, 10).map((hit) => hit.index)

test.each([
  ['delete', 'deleted deleting deletes deletion'],
  ['connect', 'connected connecting connection connections connects'],
  ['stop', 'stopped stopping stops'],
  ['send', 'sent sending sends'],
  ['accessible', 'accessibility'],
  ['question', "questions question's"],
  ['privacy', 'privacies'],
])('[G7] the forms of "%s" have one stem', (word, forms) => {
  expect(forms.split(' ').map(stemOf)).toEqual(forms.split(' ').map(() => stemOf(word)))
})

test.each([
  ['delete', 'deliver'],
  ['press', 'present'],
  ['live', 'link'],
])('[G7] "%s" and "%s" have different stems', (one, other) => {
  expect(stemOf(one)).not.toBe(stemOf(other))
})

test('[G7] words are compared without case, accents of form and stop words', () => {
  expect(termsOf('How do I DELETE the ＣＨＡＴ?').map(({ word }) => word)).toEqual(['delete', 'chat'])
})

test.each([
  ['conection', 'connection', true],
  ['qestion', 'question', true],
  ['histroy', 'history', true],
  ['javasript', 'javascript', true],
  ['stoppp', 'stop', false],
  ['tax', 'tab', false],
  ['passport', 'password', false],
  ['', 'a', false],
])('[G7] whether "%s" may have been meant to be "%s": %s', (written, meant, expected) => {
  expect(isNear(written, meant)).toBe(expected)
  expect(isNear(meant, written)).toBe(expected)
})

test('[G7] a word that is known is never taken for another', () => {
  expect(found(indexOf('the forms', 'the format'), 'format')).toEqual([1])
})

test('[G7] a word with a slip of the hand finds the page', () => {
  expect(found(indexOf('the connection', 'the keyboard'), 'conection')).toEqual([0])
})

test('[G7] words that mean the same find each other, and what was written comes first', () => {
  expect(found(indexOf('erase it', 'delete it', 'print it'), 'delete')).toEqual([1, 0])
})

test('[G8] a word counts by the weight of its field', () => {
  const page = (title: string, heading: string, text: string) => ({
    fields: [
      { text: title, weight: 5 },
      { text: heading, weight: 2.5 },
      { text, weight: 1 },
    ],
    likelihood: 1,
  })
  const index = createSearchIndex([page('one', 'two', 'cookies'), page('one', 'cookies', 'two'), page('cookies', 'one', 'two')])
  expect(found(index, 'cookies')).toEqual([2, 1, 0])
})

test('[G8] a rare word counts more than a common one', () => {
  expect(found(indexOf('answer cookies', 'answer keyboard', 'answer zoom'), 'answer keyboard')[0]).toBe(1)
})

test('[G8] a page that says it in fewer words comes first', () => {
  const long = `cookies ${Array.from({ length: 200 }, (_, index) => `filler${index}`).join(' ')}`
  expect(found(indexOf(long, 'cookies here'), 'cookies')).toEqual([1, 0])
})

test('[G8] what is likelier to be asked about comes first of two that say the same', () => {
  const fields = [{ text: 'cookies', weight: 1 }]
  const index = createSearchIndex([
    { fields, likelihood: 0.5 },
    { fields, likelihood: 1 },
  ])
  expect(found(index, 'cookies')).toEqual([1, 0])
})

test('[G8] pages that score the same stand as they were given', () => {
  expect(found(indexOf('cookies', 'cookies', 'cookies'), 'cookies')).toEqual([0, 1, 2])
})

test('[G9] a page that shares one word of many with the question is no match', () => {
  const index = indexOf('questions about cookies', 'how to delete')
  expect(found(index, 'cookies')).toEqual([0])
  expect(found(index, 'recipe for cookies with apples and cinnamon')).toEqual([])
})

test.each(['', '   ', '?!', 'the and of', '你好', '😀'])('[G9] nothing is found for "%s"', (question) => {
  expect(found(indexOf('questions about cookies'), question)).toEqual([])
})

test('[G9] nothing is found where there is nothing', () => {
  expect(found(indexOf(), 'cookies')).toEqual([])
  expect(found(indexOf(''), 'cookies')).toEqual([])
})

test('[G12] any text is searched for without harm, and gives as many hits as asked', () => {
  const index = indexOf('delete a conversation', 'stop an answer', 'stop or delete', 'conversation')
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.nat(4), (question, limit) => {
      const hits = index.search(`delete ${question}`, limit)
      expect(hits.length).toBeLessThanOrEqual(limit)
      expect(hits.every(({ score }) => score > 0)).toBe(true)
      expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).toSorted((a, b) => b - a))
    }),
  )
})
