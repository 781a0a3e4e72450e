import { expect, test } from 'vitest'
import { clean } from './clean.ts'
import { createLog, type LogOptions } from './log.ts'

const NOON = Date.UTC(2026, 0, 5, 12, 30, 1, 250)

/** A log that keeps its lines, and can be told to fail. */
function recordingLog(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const disk = { isFull: false, takesMs: 0 }
  const clock = { now: 0 }
  const dropped: string[] = []
  const log = createLog({
    level: 'debug',
    form: 'json',
    version: '1.2.3',
    environment: 'test',
    node: 'a-machine',
    now: () => NOON,
    monotonic: () => clock.now,
    writeFiles: undefined,
    dropped: (reason) => dropped.push(reason),
    write: (line) => {
      clock.now += disk.takesMs
      if (disk.isFull) throw new Error('no space left')
      lines.push(line)
    },
    ...options,
  })
  return { log, lines, disk, clock, dropped }
}

test('[O9] a line is one line of JSON with ECS names', () => {
  const { log, lines } = recordingLog()
  log.write('turns', 'warn', 'A message of ours.', { 'event.action': 'test.done', 'event.reason': 'two\nlines', 'chat.count': 3 })
  expect(lines).toHaveLength(1)
  expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1)
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    '@timestamp': '2026-01-05T12:30:01.250Z',
    'log.level': 'warn',
    'log.logger': 'turns',
    'ecs.version': '8.11.0',
    'service.name': 'govuk-chat-frontend',
    'service.version': '1.2.3',
    'service.environment': 'test',
    'service.node.name': 'a-machine',
    'process.pid': process.pid,
    'event.action': 'test.done',
    'event.reason': 'two\nlines',
    'chat.count': 3,
    message: 'A message of ours.',
  })
})

test.each([
  ['debug', 4],
  ['info', 3],
  ['warn', 2],
  ['error', 1],
  ['silent', 0],
] as const)('[O10] at %s %i of four levels are written', (level, count) => {
  const { log, lines } = recordingLog({ level })
  for (const each of ['debug', 'info', 'warn', 'error'] as const) log.write('app', each, 'A message.', {})
  expect(lines).toHaveLength(count)
})

test('[O14] a line that cannot be written throws nothing and is counted in the next one', () => {
  const { log, lines, disk } = recordingLog()
  disk.isFull = true
  log.write('app', 'info', 'Lost.', {})
  log.write('app', 'info', 'Lost too.', {})
  disk.isFull = false
  log.write('app', 'info', 'Written.', {})
  log.write('app', 'info', 'Written too.', {})
  expect(lines.map((line): unknown => JSON.parse(line))).toEqual([
    expect.objectContaining({ message: 'Written.', 'log.missing_lines': 2 }),
    expect.not.objectContaining({ 'log.missing_lines': expect.anything() }),
  ])
})

test('[O94] a line that cannot be written is counted', () => {
  const { log, disk, dropped } = recordingLog()
  disk.isFull = true
  log.write('app', 'error', 'Lost.', {})
  expect(dropped).toEqual(['output'])
})

test('[O94] while the reader of the output stalls, only warnings and errors are tried, and the rest is counted', () => {
  const { log, lines, disk, clock, dropped } = recordingLog()
  disk.takesMs = 250
  log.write('app', 'info', 'Slow.', {})
  disk.takesMs = 0
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log.write('app', level, `At ${level}.`, {})
  clock.now += 5_000
  log.write('app', 'info', 'Again.', {})
  expect(dropped).toEqual(['stalled', 'stalled'])
  expect(lines.map((line) => JSON.parse(line).message)).toEqual(['Slow.', 'At warn.', 'At error.', 'Again.'])
})

test('[O15] the console form is one readable line, with the stack trace below it', () => {
  const { log, lines } = recordingLog({ form: 'console' })
  log.write('agent', 'warn', 'The agent failed.', {
    'event.action': 'agent.failed',
    'event.reason': 'busy',
    'error.stack_trace': '    at x:1:2',
  })
  log.write('app', 'info', 'The service has stopped.', { 'event.duration': 4_948_923 })
  expect(lines).toEqual([
    '12:30:01.250 WARN  agent            The agent failed.  event.reason=busy\n    at x:1:2\n',
    '12:30:01.250 INFO  app              The service has stopped.  took=4.9ms\n',
  ])
})

test.each([
  ['line ends', 'a\r\nb\u2028c\u2029d\u0085e', 'abcde'],
  ['controls and escapes', 'a\u0000b\u001B[31mc\u007F', 'ab[31mc'],
  ['direction controls', 'a\u202Eb\u2066c\u200Fd\u061Ce', 'abcde'],
  ['zero-width and tag characters', 'a\u200Bb\uFEFFc\u{E0041}d', 'abcd'],
  ['another normal form', 'e\u0301', '\u00E9'],
  ['lone surrogates', 'a\uD800b', 'a\uFFFDb'],
])('[O12] %s do not survive', (_what, untrusted, cleaned) => {
  expect(clean(untrusted)).toBe(cleaned)
})

test('[O12] long text is cut at 256 characters, never inside one', () => {
  expect(clean('x'.repeat(1_000_000))).toBe('x'.repeat(256))
  const cut = clean(`${'x'.repeat(255)}\u{1F600}`)
  expect(cut).toBe(`${'x'.repeat(255)}\uFFFD`)
  expect(clean('\u{1D15E}'.repeat(2_000)).length).toBeLessThanOrEqual(256)
})
