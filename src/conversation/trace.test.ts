import { expect, test } from 'vitest'
import { formatTraceparent, mintTrace, parseTraceparent, referenceOf } from './trace.ts'

const TRACE = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }

test('[O99] a traceparent of exactly the right form names a trace, whatever its flags say', () => {
  for (const flags of ['00', '01', 'ff']) expect(parseTraceparent(`00-${TRACE.traceId}-${TRACE.spanId}-${flags}`)).toEqual(TRACE)
})

test.each([
  ['another version', `01-${TRACE.traceId}-${TRACE.spanId}-01`],
  ['upper case', `00-${TRACE.traceId.toUpperCase()}-${TRACE.spanId}-01`],
  ['no trace', `00-${'0'.repeat(32)}-${TRACE.spanId}-01`],
  ['no span', `00-${TRACE.traceId}-${'0'.repeat(16)}-01`],
  ['too little', `00-${TRACE.traceId.slice(1)}-${TRACE.spanId}-01`],
  ['too much', `00-${TRACE.traceId}-${TRACE.spanId}-01-more`],
  ['two of them', `00-${TRACE.traceId}-${TRACE.spanId}-01\n00-${TRACE.traceId}-${TRACE.spanId}-01`],
  ['a line end', `00-${TRACE.traceId}-${TRACE.spanId}-01\n`],
  ['words', 'a name'],
  ['nothing', ''],
  ['a list', [`00-${TRACE.traceId}-${TRACE.spanId}-01`]],
  ['what is not there', undefined],
])('[O99] %s names none', (_what, text) => {
  expect(parseTraceparent(text)).toBeUndefined()
})

test('[O99] what is passed on can be taken, and says that it is recorded here', () => {
  expect(formatTraceparent(TRACE)).toBe(`00-${TRACE.traceId}-${TRACE.spanId}-01`)
  expect(parseTraceparent(formatTraceparent(TRACE))).toEqual(TRACE)
})

test('[O99] a trace that begins here has a name, even from chance that has none', () => {
  const trace = mintTrace((count) => new Uint8Array(count))
  expect(parseTraceparent(formatTraceparent(trace))).toEqual(trace)
})

test('[O101] a trace has one reference, which is easy to read out', () => {
  expect(referenceOf(TRACE)).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{2}$/)
  expect(referenceOf(TRACE)).toBe(referenceOf({ traceId: TRACE.traceId }))
  expect(referenceOf({ traceId: `f${TRACE.traceId.slice(1)}` })).not.toBe(referenceOf(TRACE))
})
