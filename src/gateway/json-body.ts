/**
 * JSON bodies, read strictly: one content type, UTF-8, bounded depth, and every field known. Faults never repeat the input.
 */
import type { Request } from '@hapi/hapi'
import * as v from 'valibot'
import { isTooDeep } from '../protocol/parse-frame.ts'
import { JSON_DEPTH_MAX } from '../conversation/limits.ts'
import { RequestError, ValidationError, type InputFault } from './errors.ts'

/** For routes whose body `jsonBody` reads; hapi refuses more than `REQUEST_BYTES_MAX` by itself, and judges no content type. */
export const RAW_PAYLOAD = { output: 'data', parse: false, override: 'application/octet-stream' } as const

/**
 * The body as `schema` says.
 *
 * @throws RequestError 415 unless it is sent as plain `application/json`; an empty body counts as `undefined` and needs no type
 * @throws ValidationError for anything else
 */
export function jsonBody<Output>(request: Request, schema: v.GenericSchema<unknown, Output>): Output {
  const raw: unknown = request.payload
  const isEmpty = !Buffer.isBuffer(raw) || raw.length === 0
  return checked(isEmpty ? undefined : parseJson(request, raw), schema, 'body')
}

/** `input` as `schema` says, or every fault with its place under `where`. @throws ValidationError */
export function checked<Output>(input: unknown, schema: v.GenericSchema<unknown, Output>, where: 'body' | 'query'): Output {
  const result = v.safeParse(schema, input)
  if (result.success) return result.output
  // Bounded by the schema: of the unknown fields of an object valibot reports the first.
  throw new ValidationError(result.issues.map((issue) => faultOf(issue, where)))
}

function parseJson(request: Request, raw: Buffer): unknown {
  const contentType: unknown = request.headers['content-type']
  const [type = '', ...parameters] = String(contentType).toLowerCase().split(';')
  const isUtf8 = parameters.every((parameter) => !parameter.trim().startsWith('charset=') || /^charset="?utf-8"?$/.test(parameter.trim()))
  if (type.trim() !== 'application/json' || !isUtf8 || request.headers['content-encoding'] !== undefined) {
    throw new RequestError(415, 'UNSUPPORTED_MEDIA_TYPE')
  }
  const text = decodeUtf8(raw)
  if (isTooDeep(text)) throw bodyFault(`must not be nested deeper than ${JSON_DEPTH_MAX}`)
  try {
    return JSON.parse(text)
  } catch (cause) {
    // The parser's message repeats the input, so only its kind is kept.
    throw bodyFault('must be JSON', cause instanceof Error ? cause.name : undefined)
  }
}

function decodeUtf8(raw: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(raw)
  } catch (cause) {
    throw bodyFault('must be UTF-8', cause)
  }
}

const bodyFault = (problem: string, cause?: unknown): ValidationError => new ValidationError([{ where: 'body', problem }], { cause })

function faultOf(issue: v.BaseIssue<unknown>, where: string): InputFault {
  const keys = (issue.path ?? []).map(({ key }) => String(key))
  return { where: [where, ...keys.map(fieldName)].join('.'), problem: problemOf(issue) }
}

/** Names of fields we do not know are the sender's words: only plain ones are repeated. */
const fieldName = (key: string): string => (/^[A-Za-z0-9_-]{1,32}$/.test(key) ? key : '(field)')

function problemOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never') return 'is not a known field'
  if (issue.received === 'undefined') return 'is required'
  if (issue.kind === 'schema') return `must be ${KINDS[issue.expected ?? ''] ?? 'of another type'}`
  // Rules of our own schemas bring their own words.
  return issue.message
}

const KINDS: Readonly<Record<string, string>> = { string: 'a string', Object: 'an object' }
