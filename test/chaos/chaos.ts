/** One run: people ask and read under faults, then everything is healed, and what the recorder wrote is judged. */
import path from 'node:path'
import type { Clock } from '../../src/resilience/clock.ts'
import type { StoredEntry } from '../../src/testing/history.ts'
import { seededRandom, type SeededRandom } from '../../src/testing/seeded-random.ts'
import { ApiClient } from '../api-client.ts'
import { byEvents, bySocket, type Visit } from './carriers.ts'
import { ChaosPage } from './chaos-page.ts'
import { deploy, type Deployment } from './deployment.ts'
import { FormPerson } from './form-person.ts'
import { judge, type Verdict } from './judge.ts'
import { createRecording, type Recording } from './recording.ts'
import { describeFault, drawFaults, type Fault, type ScheduleOptions } from './schedule.ts'
import { startSpeaker, type Speaker } from './speaker.ts'

export interface ChaosOptions extends ScheduleOptions {
  readonly people: number
  /** Between two questions of a person. */
  readonly thinkMs: number
  readonly leaseMs: number
  /** Where the history is written. */
  readonly folder: string
  readonly clock: Clock
  readonly say: (line: string) => void
}

export interface ChaosRun extends Verdict {
  readonly history: string
  /** Answers that were cut off because whoever had asked was struck. */
  readonly cut: number
  /** Faults that came while an answer was under way. A run without any proves nothing. */
  readonly hits: number
}

/** After the last fault is undone, for everything to come to rest. */
const REST_MAX_MS = 60_000
const LOOK_MS = 250
/** A fault waits so long for an answer to hit. */
const LATER_MAX_MS = 1_500
const SOON_MS = 10

/** Somebody who asks, and the pages that show what came of it. */
interface Person {
  readonly visit: Visit
  readonly asker: ChaosPage | FormPerson
  readonly pages: readonly ChaosPage[]
}

interface Run {
  readonly options: ChaosOptions
  readonly recording: Recording
  readonly random: SeededRandom
  readonly deployment: Deployment
  readonly speaker: Speaker
}

/** @throws Error when a server cannot be started, which is no verdict */
export async function runChaos(options: ChaosOptions): Promise<ChaosRun> {
  const { store, seed, folder, clock, leaseMs, say } = options
  const history = path.join(folder, `chaos-${store}-${seed}.ndjson`)
  const began = clock.monotonic()
  const recording = createRecording(history, () => clock.monotonic() - began)
  const random = seededRandom(seed)
  await using opened = new AsyncDisposableStack()
  const speaker = opened.use(await startSpeaker({ recording, clock, random: random.stream('speaker') }))
  const deployment = opened.use(await deploy({ store, clock, leaseMs, agentUrl: speaker.url }))
  const run: Run = { options, recording, random: random.stream('people'), deployment, speaker }
  const people = await Promise.all(Array.from({ length: options.people }, (_unused, index) => arrive(run, index)))
  for (const { asker, pages } of people) {
    opened.use(asker)
    for (const page of pages) opened.use(page)
  }
  const over = new AbortController()
  const asking = people.map((person, index) => askOn(run, person, { name: `p${index}`, signal: over.signal }))
  const hits = await strikeAll(run, drawFaults(options))
  over.abort()
  await Promise.all(asking)
  say('healed; waiting for rest')
  await restAndRead(run, people)
  return { ...judge(recording.facts), history, cut: speaker.cut, hits }
}

/** Strikes at the drawn times, or a little later, when an answer is under way; resolves with how often one was. */
async function strikeAll({ options, recording, deployment, speaker }: Run, faults: readonly Fault[]): Promise<number> {
  const { clock, say } = options
  const { signal } = new AbortController()
  const began = clock.monotonic()
  const struck: Promise<void>[] = []
  let hits = 0
  for (const fault of faults) {
    await clock.sleep(Math.max(0, began + fault.atMs - clock.monotonic()), signal)
    const latest = began + fault.atMs + LATER_MAX_MS
    while (speaker.speaking === 0 && clock.monotonic() < latest) await clock.sleep(SOON_MS, signal)
    if (speaker.speaking > 0) hits += 1
    const what = describeFault(fault)
    say(what)
    recording.write({ type: 'fault', what })
    struck.push(deployment.strike(fault))
  }
  await Promise.all(struck)
  return hits
}

const KINDS = ['socket', 'events', 'form'] as const

/** A third of the people each ask over a socket, over events, and by form; whoever asks by form has a page beside it that only shows. */
async function arrive({ options, recording, random, deployment }: Run, index: number): Promise<Person> {
  const { clock } = options
  const kind = KINDS[index % KINDS.length] ?? 'socket'
  const client = new ApiClient(random.pick(deployment.origins))
  const session = await client.createSession()
  const visit = { session, cookie: client.cookie ?? '', origin: () => random.pick(deployment.origins) }
  const pageOf = (name: string, by: typeof bySocket, inFlightMax: number): ChaosPage =>
    new ChaosPage({ session, name: `p${index} ${name}`, carrier: by(visit), clock, recording, inFlightMax })
  const first = kind === 'events' ? pageOf('events', byEvents, 1) : pageOf('socket', bySocket, 8)
  // The empty log must be seen: only from its beginning on can the whole of it be read.
  while (!first.isGreeted) await clock.sleep(LOOK_MS, new AbortController().signal)
  if (kind === 'form') return { visit, pages: [first], asker: new FormPerson({ ...visit, name: `p${index} form` }, recording, clock) }
  return { visit, pages: [first, pageOf('second', bySocket, 8)], asker: first }
}

interface Asking {
  readonly name: string
  readonly signal: AbortSignal
}

async function askOn({ options: { clock, thinkMs }, random }: Run, { asker }: Person, { name, signal }: Asking): Promise<void> {
  for (let count = 1; !signal.aborted; count += 1) {
    // Somebody who has a few questions under way waits for them.
    if (asker.unacknowledged < 5) asker.ask(`Question ${count} of ${name}`)
    try {
      await clock.sleep(random.between(Math.floor(thinkMs / 2), Math.floor(thinkMs * 1.5)), signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
}

/** Waits until everything is acknowledged, ended and shown, or for long enough; then the log is in the recording. */
async function restAndRead({ options, recording }: Run, people: readonly Person[]): Promise<void> {
  const { clock } = options
  const until = clock.monotonic() + REST_MAX_MS
  await Promise.all(
    people.map(async ({ visit, asker, pages }) => {
      const first = pages.map((page) => page.first).find((one) => one !== undefined)
      if (first === undefined) throw new Error(`nobody ever saw the first entry of ${visit.session}`)
      using reader = new ChaosPage({
        session: visit.session,
        name: 'reader',
        carrier: bySocket(visit),
        clock,
        recording: undefined,
        inFlightMax: 0,
        from: first.cursor,
      })
      const log = (): readonly StoredEntry[] => [first.entry, ...reader.entries]
      const isAtRest = (): boolean =>
        asker.unacknowledged === 0 && haveEnded(log(), asker.asked) && pages.every(({ cursor }) => cursor?.seq === reader.cursor?.seq)
      while (!isAtRest() && clock.monotonic() < until) await clock.sleep(LOOK_MS, new AbortController().signal)
      for (const entry of log()) recording.write({ type: 'entry', session: visit.session, entry })
    }),
  )
}

/** Whether that many questions are there and have ended. One may be acknowledged before anybody has been shown it. */
const haveEnded = (log: readonly StoredEntry[], questions: number): boolean =>
  log.filter(({ kind }) => kind === 'message').length >= questions &&
  log.filter(({ kind }) => kind === 'turn-ended').length >= log.filter(({ kind }) => kind === 'message').length
