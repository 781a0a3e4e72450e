/**
 * The only way from the wire to a frame. What does not parse is refused whole; nothing else in the product casts wire data.
 */
import * as v from 'valibot'
import { JSON_DEPTH_MAX } from '../conversation/limits.ts'
import { clientFrameSchema, serverFrameSchema, type ClientFrame, type ServerFrame } from './protocol.ts'

/** `problem` says what is wrong and where, in words that never repeat the input. */
export type Parsed<Frame> = { readonly ok: true; readonly frame: Frame } | { readonly ok: false; readonly problem: string }

/** The frames of one WebSocket message from a browser, in order. */
export const parseClientFrames = (message: string): readonly Parsed<ClientFrame>[] => parse(message, clientFrameSchema)

/** The frames of one WebSocket message from a server, in order. */
export const parseServerFrames = (message: string): readonly Parsed<ServerFrame>[] => parse(message, serverFrameSchema)

/** One WebSocket message for these frames. JSON escapes line feeds, so they can separate frames. */
export const formatFrames = (frames: readonly (ClientFrame | ServerFrame)[]): string =>
  frames.map((frame) => JSON.stringify(frame)).join('\n')

function parse<Frame>(message: string, schema: v.GenericSchema<unknown, Frame>): readonly Parsed<Frame>[] {
  return message.split('\n').map((line) => parseLine(line, schema))
}

function parseLine<Frame>(line: string, schema: v.GenericSchema<unknown, Frame>): Parsed<Frame> {
  if (isTooDeep(line)) return { ok: false, problem: `nested deeper than ${JSON_DEPTH_MAX}` }
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { ok: false, problem: 'not JSON' }
  }
  const result = v.safeParse(schema, value, { abortEarly: true })
  if (result.success) return { ok: true, frame: result.output }
  const issue = result.issues[0]
  // The path of an unknown field would repeat its name, which is input.
  if (issue.expected === 'never') return { ok: false, problem: 'an unknown field' }
  return { ok: false, problem: `${v.getDotPath(issue) ?? 'frame'}: expected ${issue.expected ?? 'another value'}` }
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** `[` and `{`; what closes them is two further on. */
const [OPENS_LIST, OPENS_OBJECT] = [0x5b, 0x7b]

/** Counts brackets outside strings, so that hostile nesting is refused before it is parsed. By code units: every frame comes this way. */
export function isTooDeep(json: string): boolean {
  let depth = 0
  let isInString = false
  for (let index = 0; index < json.length; index += 1) {
    const unit = json.charCodeAt(index)
    if (isInString) {
      if (unit === BACKSLASH) index += 1
      else if (unit === QUOTE) isInString = false
    } else if (unit === QUOTE) isInString = true
    else if (unit === OPENS_LIST || unit === OPENS_OBJECT) {
      depth += 1
      if (depth > JSON_DEPTH_MAX) return true
    } else if (unit === OPENS_LIST + 2 || unit === OPENS_OBJECT + 2) depth -= 1
  }
  return false
}
