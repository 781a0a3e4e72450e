import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { LogError } from './log-error.ts'
import { fromWire, toLogError, toWire } from './sqlite-errors.ts'

const sqliteError = (errcode: number): Error => Object.assign(new Error('as SQLite words it'), { code: 'ERR_SQLITE_ERROR', errcode })

function thrown(): unknown {
  try {
    new DatabaseSync(':memory:').exec('SELECT * FROM nothing')
  } catch (error) {
    return error
  }
  return undefined
}

test.each([
  ['SQLITE_BUSY', 5, 'unavailable'],
  ['SQLITE_NOMEM', 7, 'unavailable'],
  ['SQLITE_READONLY', 8, 'unavailable'],
  ['SQLITE_READONLY_DBMOVED', 1032, 'fatal'],
  ['SQLITE_IOERR', 10, 'fatal'],
  ['SQLITE_IOERR_FSYNC', 1034, 'fatal'],
  ['SQLITE_CORRUPT', 11, 'fatal'],
  ['SQLITE_FULL', 13, 'unavailable'],
  ['SQLITE_CONSTRAINT_UNIQUE', 2067, 'corrupt'],
  ['SQLITE_NOTADB', 26, 'fatal'],
] as const)('[L34][L35] %s (%i) is %s', (_name, errcode, kind) => {
  expect(toLogError(sqliteError(errcode))).toMatchObject({ name: 'LogError', kind, isRetryable: kind === 'unavailable' })
})

test('[L35] what SQLite itself throws is recognised, and everything else is left as it is', () => {
  expect(toLogError(thrown())).toMatchObject({ name: 'LogError', kind: 'corrupt' })
  const other = new TypeError('not of SQLite')
  expect(toLogError(other)).toBe(other)
})

test('[L35] errors keep their kind and cause from thread to thread', () => {
  const cause = sqliteError(10)
  const arrived = fromWire(structuredClone(toWire(new LogError('fatal', 'broken', { cause }))))
  expect(arrived).toBeInstanceOf(LogError)
  expect(arrived).toMatchObject({ kind: 'fatal', message: 'broken', cause: { message: cause.message } })
  const range = fromWire(structuredClone(toWire(new RangeError('wrong'))))
  expect(range).toBeInstanceOf(RangeError)
  expect(range).toMatchObject({ message: 'wrong' })
})
