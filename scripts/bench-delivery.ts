/**
 * What it costs to keep the promise, beside servers that keep none: durable acknowledgements, relay of an answer's words,
 * memory of an idle connection, many connections at once, and the page.
 *
 * Every figure is a ratio to the reference of the same repetition; servers run on one core and those who ask them on the other.
 */
import { once } from 'node:events'
import { WebSocketServer, type WebSocket } from 'ws'
import { createClock } from '../src/app/ports.ts'
import { cpuMsOf, pin, residentBytesOf } from './bench-process.ts'
import { ours, peer, type StartSubject, type Subject, type SubjectOptions, type Visitor } from './bench-subject.ts'

export interface DeliveryCandidate {
  readonly name: string
  readonly start: StartSubject
}

export interface DeliveryGoal {
  readonly candidate: string
  readonly against: string
  /** At least this many times (throughput), or at most (cost). */
  readonly ratio: { readonly atLeast: number } | { readonly atMost: number }
}

export interface DeliveryBench {
  readonly title: string
  readonly unit: string
  /** The first is the reference. */
  readonly candidates: readonly DeliveryCandidate[]
  readonly goals: readonly DeliveryGoal[]
  readonly measure: (subject: Subject) => Promise<number>
}

const clock = createClock()
const REPETITIONS = 5
const CONNECTIONS = 200
/** As many as one session may ask in a minute, less one. */
const QUESTIONS_EACH = 14
const IDLE_CONNECTIONS = 1_000
const STREAMS = 60
const TOKENS_EACH = 150
const TOKEN_EVERY_MS = 20

const ECHO = { name: 'ws echo', start: peer('echo') }
const ACK = { name: 'ws, JSON and ack, no store', start: peer('ack') }
const OURS = { name: 'ours, SQLite', start: ours('sqlite') }
const OURS_REDIS = { name: 'ours, Redis', start: ours('redis') }
const RELAY = { name: 'ws relay, no store', start: peer('relay') }
const SOCKET_IO = { name: 'socket.io, no store', start: peer('socket.io') }
const SOCKET_IO_REDIS = { name: 'socket.io with its Redis Streams adapter', start: peer('socket.io-redis') }

const visitors = (subject: Subject, count: number): Promise<readonly Visitor[]> => inGroups(count, 50, () => subject.visit())

async function inGroups<Value>(count: number, size: number, make: () => Promise<Value>): Promise<readonly Value[]> {
  const made: Value[] = []
  while (made.length < count) made.push(...(await Promise.all(Array.from({ length: Math.min(size, count - made.length) }, make))))
  return made
}

async function askAll(asking: readonly Visitor[], questions: number): Promise<void> {
  await Promise.all(
    asking.map(async (visitor) => {
      for (let question = 0; question < questions; question += 1) await visitor.ask(`question ${question}`)
    }),
  )
}

/** Acknowledgements a second, each visitor asking as soon as the question before is acknowledged. */
async function acknowledgements(subject: Subject): Promise<number> {
  await subject.expect(CONNECTIONS + CONNECTIONS / 2)
  const early = await visitors(subject, CONNECTIONS / 2)
  await askAll(early, QUESTIONS_EACH)
  for (const visitor of early) visitor.close()
  const asking = await visitors(subject, CONNECTIONS)
  const startedAt = performance.now()
  await askAll(asking, QUESTIONS_EACH)
  const seconds = (performance.now() - startedAt) / 1000
  for (const visitor of asking) visitor.close()
  const audit = await subject.audit()
  const asked = (CONNECTIONS + CONNECTIONS / 2) * QUESTIONS_EACH
  if (audit !== undefined && (audit.kept !== asked || audit.doubled > 0))
    throw new Error(`${asked} questions were acknowledged, ${audit.kept} are kept and ${audit.doubled} are there twice`)
  return (CONNECTIONS * QUESTIONS_EACH) / seconds
}

/** Milliseconds of the server's CPU for each thousand tokens that reach a reader. */
async function relayCost(subject: Subject): Promise<number> {
  await subject.expect(STREAMS)
  const listening = await visitors(subject, STREAMS)
  const total = STREAMS * TOKENS_EACH
  let heard = 0
  const { promise: all, resolve } = Promise.withResolvers<void>()
  const hear = (text: string): void => {
    heard += text.split('~').length - 1
    if (heard >= total) resolve()
  }
  const before = cpuMsOf(subject.pid)
  await Promise.all(listening.map((visitor) => visitor.listen('Tell me everything', hear)))
  await all
  const cost = cpuMsOf(subject.pid) - before
  for (const visitor of listening) visitor.close()
  return (cost * 1_000) / total
}

/** Bytes of the server's memory for each connection that does nothing. */
async function idleMemory(subject: Subject): Promise<number> {
  await subject.expect(IDLE_CONNECTIONS + 50)
  // What the first connections load and compile is no cost of a connection.
  const early = await visitors(subject, 50)
  const before = residentBytesOf(subject.pid)
  const idle = await visitors(subject, IDLE_CONNECTIONS)
  const each = (residentBytesOf(subject.pid) - before) / IDLE_CONNECTIONS
  for (const visitor of [...early, ...idle]) visitor.close()
  return each
}

/** The candidates that can run here: those with Redis only where there is one. */
export function deliveryBenches(hasRedis: boolean): readonly DeliveryBench[] {
  const redis = hasRedis ? [OURS_REDIS, SOCKET_IO_REDIS] : []
  const redisGoals: readonly DeliveryGoal[] = hasRedis
    ? [
        { candidate: OURS_REDIS.name, against: ECHO.name, ratio: { atLeast: 0.3 } },
        { candidate: OURS.name, against: SOCKET_IO_REDIS.name, ratio: { atLeast: 2.5 } },
        { candidate: OURS_REDIS.name, against: SOCKET_IO_REDIS.name, ratio: { atLeast: 1.5 } },
      ]
    : []
  return [
    {
      title: `Acknowledged questions a second, ${CONNECTIONS} connections`,
      unit: '/s',
      candidates: [ECHO, ACK, OURS, SOCKET_IO, ...redis],
      goals: [{ candidate: OURS.name, against: ECHO.name, ratio: { atLeast: 0.5 } }, ...redisGoals],
      measure: acknowledgements,
    },
    {
      title: `CPU for a thousand tokens, ${STREAMS} answers of ${1000 / TOKEN_EVERY_MS} tokens a second`,
      unit: 'ms',
      candidates: [RELAY, OURS, SOCKET_IO, ...redis],
      goals: [{ candidate: OURS.name, against: RELAY.name, ratio: { atMost: 1.3 } }],
      measure: relayCost,
    },
    {
      title: `Memory of an idle connection, ${IDLE_CONNECTIONS} of them`,
      unit: 'bytes',
      candidates: [ECHO, OURS, SOCKET_IO],
      goals: [
        { candidate: OURS.name, against: ECHO.name, ratio: { atMost: 1.5 } },
        { candidate: OURS.name, against: SOCKET_IO.name, ratio: { atMost: 0.5 } },
      ],
      measure: idleMemory,
    },
  ]
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN

/** Prints medians and all repetitions. Resolves with whether every goal is met. */
export async function runDeliveryBench(bench: DeliveryBench, redisUrl: string | undefined): Promise<boolean> {
  pin(process.pid, 1)
  await using agent = await createTalker()
  const results = new Map<string, number[]>(bench.candidates.map(({ name }) => [name, []]))
  for (let repetition = 0; repetition < REPETITIONS; repetition += 1) {
    for (const { name, start } of repetition % 2 === 0 ? bench.candidates : bench.candidates.toReversed())
      results.get(name)?.push(await measureOnce(bench, start, { agentUrl: agent.url, redisUrl }))
  }
  const reference = results.get(bench.candidates[0]?.name ?? '') ?? []
  console.log(`${bench.title}, as a multiple of "${bench.candidates[0]?.name}", median of ${REPETITIONS}`)
  for (const [name, list] of results) {
    const ratios = list.map((value, index) => value / (reference[index] ?? Number.NaN))
    const all = ratios.map((ratio) => ratio.toFixed(2)).join(' ')
    console.log(`  ${name.padEnd(46)} ${median(ratios).toFixed(2).padStart(8)}   (${all})   ${median(list).toFixed(0)} ${bench.unit}`)
  }
  const met = bench.goals.map((goal) => checkGoal(goal, results))
  console.log('')
  return met.every(Boolean)
}

async function measureOnce({ measure }: DeliveryBench, start: StartSubject, options: SubjectOptions): Promise<number> {
  await using subject = await start(options)
  return await measure(subject)
}

function checkGoal({ candidate, against, ratio }: DeliveryGoal, results: ReadonlyMap<string, readonly number[]>): boolean {
  const other = results.get(against) ?? []
  const reached = median((results.get(candidate) ?? []).map((value, index) => value / (other[index] ?? Number.NaN)))
  const [isMet, limit] =
    'atLeast' in ratio ? [reached >= ratio.atLeast, `at least ${ratio.atLeast}`] : [reached <= ratio.atMost, `at most ${ratio.atMost}`]
  console.log(`  goal ${isMet ? 'met' : 'MISSED'}: "${candidate}" is ${reached.toFixed(2)} times "${against}", ${limit}`)
  return isMet
}

interface Talker extends AsyncDisposable {
  readonly url: string
}

/** An agent that answers pings, says nothing to what is only counted, and words at an even pace to who wants to hear everything. */
async function createTalker(): Promise<Talker> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const text = data.toString('utf8')
      const id = /"id":"([^"]+)"/.exec(text)?.[1]
      if (text.includes('"content":"ping"')) say(socket, 'status', 'pong', { inReplyTo: id })
      else if (text.includes('Tell me everything')) talk(socket, id)
    })
  })
  return {
    url: `ws://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

function talk(socket: WebSocket, inReplyTo: string | undefined): void {
  let sequence = 0
  const next = (): void => {
    const done = sequence === TOKENS_EACH
    say(socket, 'response', done ? '' : 'word ~', { inReplyTo, sequence, done })
    sequence += 1
    if (!done && socket.readyState === socket.OPEN) clock.schedule(TOKEN_EVERY_MS, next)
  }
  next()
}

const say = (socket: WebSocket, type: string, content: string, metadata: Readonly<Record<string, unknown>>): void =>
  socket.send(JSON.stringify({ id: crypto.randomUUID(), type, content, timestamp: new Date().toISOString(), metadata }))
