/** PROTOCOL.md is the specification and `protocol.ts` its executable form: each lists what the other has. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { DURABILITIES } from '../conversation/durability.ts'
import * as limits from '../conversation/limits.ts'
import { CLOSE_CODES, mayReconnect } from './close-codes.ts'
import { clientFrameSchema, LEVELS, REJECT_CODES, serverFrameSchema } from './protocol.ts'

const specification = readFileSync(path.resolve(import.meta.dirname, '../../PROTOCOL.md'), 'utf8')
const sections = new Map(
  specification
    .split(/^## /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf('\n')).replace(/^\d+\. /, ''), part]),
)
const section = (name: string): string => sections.get(name) ?? ''
/** The first cell of each row. */
const firstCells = (name: string): readonly string[] =>
  [...section(name).matchAll(/^\| `?([^|`]+)`? \|/gm)].map(([, cell = '']) => cell.trim())
const rowOf = (name: string, first: string): string => section(name).match(new RegExp(`^\\| \`?${first}\`? \\|.*$`, 'm'))?.[0] ?? ''
/** What is written as code, within lines. */
const quoted = (words: string): readonly string[] =>
  [...words.replace(/^```[^]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)

interface ObjectSchema {
  readonly entries: Readonly<Record<string, { readonly type: string; readonly literal?: string }>>
}
/** Every frame of a variant with its fields, as the table writes them. */
const fieldsOf = ({ options }: { readonly options: readonly unknown[] }): readonly (readonly [string, readonly string[]])[] =>
  (options as readonly ObjectSchema[]).map(({ entries: { type, ...fields } }) => [
    type?.literal ?? '',
    Object.entries(fields).map(([name, { type: kind }]) => (kind === 'optional' ? `${name}?` : name)),
  ])

test.each([
  ['Frames from client to server', fieldsOf(clientFrameSchema)],
  ['Frames from server to client', fieldsOf(serverFrameSchema)],
])('[P6] PROTOCOL.md lists the %s with their fields', (name, frames) => {
  expect(firstCells(name).slice(1)).toEqual(frames.map(([type]) => type))
  for (const [type, fields] of frames) {
    const cell = rowOf(name, type).split('|')[2] ?? ''
    const written = quoted(cell).map((word) => word.split(':')[0] ?? '')
    expect({ type, fields: written }).toEqual({ type, fields })
  }
})

test('[P6] PROTOCOL.md lists every close code with its name and whether a client comes back', () => {
  const codes = firstCells('Close codes').slice(1).map(Number)
  expect(codes.toSorted((a, b) => a - b)).toEqual(Object.values(CLOSE_CODES).toSorted((a, b) => a - b))
  for (const [name, code] of Object.entries(CLOSE_CODES)) {
    const [, , word = '', comesBack = ''] = rowOf('Close codes', String(code)).split('|')
    expect([code, word.trim(), comesBack.includes('yes')]).toEqual([code, `\`${name}\``, mayReconnect(code)])
  }
})

test('[P6] PROTOCOL.md lists every reason for a refusal, and names all other words of the wire', () => {
  expect(firstCells('Questions').slice(1).toSorted()).toEqual([...REJECT_CODES].toSorted())
  const words = new Set(quoted(specification))
  const known = [...DURABILITIES, ...LEVELS, 'resumed', 'snapshot', 'fork', 'never', 'resume', 'fresh']
  expect(known.filter((word) => !words.has(word))).toEqual([])
})

test('[P6] the limits of PROTOCOL.md are those of the code', () => {
  const kib = (bytes: number): string => `${bytes / 1024} KiB`
  const inFull = (figure: number): string => figure.toLocaleString('en-GB')
  const expected: Readonly<Record<string, readonly string[]>> = {
    'a message from a client': [kib(limits.FRAME_BYTES_MAX), `${limits.JSON_DEPTH_MAX} deep`],
    'frames from a client': [`${limits.FRAMES_PER_MINUTE_MAX} in a minute`, `${limits.FRAMES_BURST_MAX} of them at once`],
    'frames that do not parse': [['first', 'second', 'third'][limits.FRAME_STRIKES_MAX - 1] ?? ''],
    questions: [
      `${limits.SENDS_IN_FLIGHT_MAX} in flight`,
      `${limits.QUESTIONS_PER_MINUTE_MAX} in a minute`,
      `${limits.OPEN_TURNS_MAX} open`,
      `${inFull(limits.QUESTION_GRAPHEMES_MAX)} graphemes`,
      kib(limits.QUESTION_BYTES_MAX),
    ],
    links: [
      `${limits.LINKS_PER_SESSION_MAX} of a session`,
      `${limits.LINKS_PER_ADDRESS_MAX} of an address`,
      `${inFull(limits.LINKS_MAX)} of a process`,
    ],
    'WebSocket pings and pongs from a client': [`${limits.CONTROL_FRAMES_PER_MINUTE_MAX} in a minute`],
    hello: [`${limits.HELLO_TIMEOUT_MS / 1000} seconds`],
  }
  for (const [row, figures] of Object.entries(expected)) {
    const written = rowOf('Limits', row)
    expect({ row, missing: figures.filter((figure) => !written.includes(figure)) }).toEqual({ row, missing: [] })
  }
})
