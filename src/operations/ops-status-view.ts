/**
 * The operator page as its template needs it: every sentence of it, from the status alone. Pure.
 *
 * The most important things come first, because somebody who has just woken up reads a screen and no more: what the service can do,
 * what people see, whether anything is lost, what waits.
 */
import type { BreakerStats } from '../resilience/breaker.ts'
import { LEVELS } from '../service-level/service-level.ts'
import type { Dependency } from '../telemetry/events.ts'
import type {
  AnswerWindow,
  CallWindow,
  ChangeStatus,
  DependencyStatus,
  IntegrityStatus,
  OpsStatus,
  OtherProcess,
  QueueStatus,
  Reason,
} from './ops-status.ts'
import { counted, durationOf, megabytes, momentOf, number, quantileOf, secondsBetween, type Moment } from './plain-figures.ts'

/** A tag's words and colour; the colour says nothing that the words do not. */
export interface Tag {
  readonly text: string
  readonly colour: 'green' | 'yellow' | 'red' | 'grey'
}

/** One line of a list: its name and one or more lines beside it. */
interface Row {
  readonly key: string
  readonly lines: readonly string[]
}

export interface DependencyView {
  readonly id: Dependency
  readonly heading: string
  readonly tag: Tag
  readonly rows: readonly Row[]
  readonly moves: readonly ChangeView[]
  /** What may be done about it, when anything may be done. */
  readonly action: { readonly name: 'isolate' | 'release'; readonly label: string; readonly means: string } | undefined
}

export interface ChangeView {
  readonly at: Moment
  readonly text: string
}

export interface StatusView {
  readonly title: string
  readonly at: Moment
  readonly level: { readonly tag: Tag; readonly means: string; readonly since: Moment; readonly ago: string }
  readonly why: readonly string[]
  readonly told: OpsStatus['told']
  readonly lost: { readonly text: string; readonly isBad: boolean; readonly detail: string }
  readonly waiting: { readonly text: string; readonly detail: string }
  readonly answers: readonly Row[]
  readonly unknown: readonly string[]
  readonly dependencies: readonly DependencyView[]
  readonly sum: readonly Row[]
  readonly queues: readonly Row[]
  readonly links: readonly Row[]
  readonly processes: { readonly note: string; readonly list: readonly ProcessView[] }
  readonly changes: readonly ChangeView[]
  readonly runtime: readonly Row[]
  readonly settings: readonly Row[]
}

interface ProcessView {
  readonly heading: string
  readonly tag: Tag
  readonly rows: readonly Row[]
}

const LEVEL_COLOURS = { full: 'green', limited: 'yellow', offline: 'red' } as const

const NAMES: Readonly<Record<Dependency, string>> = {
  'ai-agent': 'AI agent',
  sqlite: 'Store (SQLite)',
  redis: 'Store (Redis)',
  websocket: 'Live link',
}

const PARTS = { store: 'The store', agent: 'The agent', link: 'The live link' } as const

export function viewOf(status: OpsStatus): StatusView {
  const { level, at, processes } = status
  const ago = durationOf(secondsBetween(level.since, at))
  return {
    title: `${level.now}: operator status`,
    at: momentOf(at, at),
    level: { tag: levelTag(level.now), means: LEVELS[level.now].description, since: momentOf(level.since, at), ago },
    why: level.why.map(sentenceOf),
    told: status.told,
    lost: lostOf(status.integrity, at),
    waiting: waitingOf(status.queues, status.integrity),
    answers: status.answers.filter(isAnotherWindow).map(answersRow),
    unknown: status.unknown.map(({ what, why }) => `Not known now: ${what}, because ${why}.`),
    dependencies: status.dependencies.map((dependency) => dependencyOf(dependency, status)),
    sum: status.integrity === undefined ? [] : sumOf(status.integrity),
    queues: status.queues.map(queueRow),
    links: linksOf(status.links),
    processes: {
      note: processesNote(status),
      list: processes.list.map((process) => processView(process, at)),
    },
    changes: status.changes.map((change) => changeOf(change, at)),
    runtime: runtimeOf(status),
    settings: status.settings.map(({ name, value }) => ({ key: name, lines: [value] })),
  }
}

const levelTag = (level: OpsStatus['level']['now']): Tag => ({ text: level, colour: LEVEL_COLOURS[level] })

function sentenceOf({ part, state, checks, breaker, believedInSeconds }: Reason): string {
  const name = PARTS[part]
  const because = [
    ...checks.map((check) => `its check ${check.name} fails (${check.error})`),
    ...(breaker === undefined ? [] : [breakerClause(breaker)]),
  ]
  const reason = because.length === 0 ? '' : `: ${because.join('; ')}`
  switch (state) {
    case 'not checked yet':
      return `${name} has not been checked yet.`
    case 'away':
      return `${name} does not work${reason}.`
    case 'works again':
      return `${name} works again, and will be believed in ${durationOf(believedInSeconds ?? 0)}${reason}.`
  }
}

function breakerClause({ state, retryInSeconds }: NonNullable<Reason['breaker']>): string {
  switch (state) {
    case 'closed':
      return 'its circuit breaker is closed'
    case 'open':
      return retryInSeconds > 0
        ? `its circuit breaker is open, and lets one call try in ${durationOf(retryInSeconds)}`
        : 'its circuit breaker is open, and lets the next call try'
    case 'half-open':
      return 'its circuit breaker lets one call try'
    case 'isolated':
      return 'its circuit breaker is held open by an operator'
  }
}

function lostOf(integrity: IntegrityStatus | undefined, at: string): StatusView['lost'] {
  if (integrity === undefined) return { text: 'not known yet', isBad: false, detail: 'The store has not been counted yet.' }
  const { lost, lostAt, difference, ageSeconds } = integrity
  const detail = `Counted ${durationOf(ageSeconds)} ago.`
  if (lost === 0 && difference >= 0) return { text: number(difference), isBad: difference !== 0, detail }
  const since = lostAt === undefined ? '' : ` Since ${momentOf(lostAt, at).text}.`
  return { text: number(lost), isBad: true, detail: `${detail}${since} Missing now: ${number(difference)}.` }
}

function waitingOf(queues: readonly QueueStatus[], integrity: IntegrityStatus | undefined): StatusView['waiting'] {
  const questions = queues.find(({ queue }) => queue === 'questions')
  if (integrity === undefined || questions?.depth === undefined)
    return { text: 'not known yet', detail: 'The store has not been counted yet.' }
  const { depth, oldestSeconds = 0 } = questions
  const asked = `${number(integrity.waiting - depth)} being answered`
  return { text: number(depth), detail: depth === 0 ? `${asked}.` : `The oldest for ${durationOf(oldestSeconds)}; ${asked}.` }
}

/** A window that reaches further back than the one before it: a young process has fewer. */
function isAnotherWindow(
  { coveredSeconds }: { readonly coveredSeconds: number },
  index: number,
  all: readonly { readonly seconds: number }[],
): boolean {
  return index === 0 || coveredSeconds > (all[index - 1]?.seconds ?? 0)
}

/** `last 5 minutes`, or since the start in a process that is younger. */
const windowName = ({ seconds, coveredSeconds }: { readonly seconds: number; readonly coveredSeconds: number }): string =>
  coveredSeconds < seconds ? `since the start ${durationOf(coveredSeconds)} ago` : `last ${durationOf(seconds)}`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function answersRow(window: AnswerWindow): Row {
  const { ended, succeeded, successPercent, firstWordsP95 } = window
  const key = capital(windowName(window))
  if (successPercent === undefined) return { key, lines: ['No question came to its end.'] }
  return {
    key,
    lines: [
      `${number(successPercent)} % of ${counted(ended, 'question')} without a failure of the service (${number(succeeded)})`,
      `First words within ${quantileOf(firstWordsP95)} for 95 %`,
    ],
  }
}

function dependencyOf(dependency: DependencyStatus, { at, actions }: OpsStatus): DependencyView {
  const { service, check, breaker, calls, latency, lastFailure, retries } = dependency
  const rows: Row[] = [{ key: 'Check', lines: [checkLine(check, at)] }]
  if (breaker !== undefined) rows.push({ key: 'Circuit breaker', lines: [breakerLine(breaker)] })
  if (calls !== undefined)
    rows.push({ key: service === 'sqlite' ? 'Transactions' : 'Calls', lines: calls.filter(isAnotherWindow).map(callsLine) })
  if (latency !== undefined) {
    const { p50, p95, p99, overSeconds } = latency
    const times = `50 % within ${quantileOf(p50)}, 95 % within ${quantileOf(p95)}, 99 % within ${quantileOf(p99)}`
    rows.push({ key: 'Times', lines: [p50 === undefined ? 'No call' : times, `over ${durationOf(overSeconds)}`] })
  }
  if (calls !== undefined) {
    const last = lastFailure && `${lastFailure.error}, ${durationOf(secondsBetween(lastFailure.at, at))} ago`
    rows.push({ key: 'Last failure', lines: [last ?? 'None since the start'] })
  }
  if (retries !== undefined) rows.push({ key: 'Retries left', lines: [`${number(retries.available)} of ${number(retries.reserve)}`] })
  return {
    id: service,
    heading: NAMES[service],
    tag: dependencyTag(check.status, breaker?.state),
    rows,
    moves: (breaker?.moves ?? []).map((move) => ({ at: momentOf(move.at, at), text: moved(move) })),
    action: actions.areOn && breaker !== undefined ? actionOf(service, breaker.state) : undefined,
  }
}

function dependencyTag(check: DependencyStatus['check']['status'], breaker: BreakerStats['state'] | undefined): Tag {
  if (breaker === 'isolated') return { text: 'isolated', colour: 'red' }
  if (check === 'unhealthy') return { text: 'away', colour: 'red' }
  if (breaker === 'open') return { text: 'breaker open', colour: 'red' }
  if (breaker === 'half-open') return { text: 'trying', colour: 'yellow' }
  return check === 'unknown' ? { text: 'not checked yet', colour: 'grey' } : { text: 'works', colour: 'green' }
}

function checkLine({ status, at, tookMs = 0, error = '' }: DependencyStatus['check'], now: string): string {
  if (at === undefined) return 'Not checked yet'
  const when = `${durationOf(secondsBetween(at, now))} ago, took ${Math.round(tookMs)} ms`
  return status === 'healthy' ? `Worked ${when}` : `Failed ${when}: ${error}`
}

function breakerLine({ state, retryInSeconds, holds, opened }: NonNullable<DependencyStatus['breaker']>): string {
  const times = opened === 0 ? 'has not opened since the start' : `has opened ${counted(opened, 'time')} since the start`
  switch (state) {
    case 'closed':
      return `Closed: every call may try; ${times}`
    case 'open':
      return `Open: calls are refused; one may try ${retryInSeconds > 0 ? `in ${durationOf(retryInSeconds)}` : 'now'}; ${times}`
    case 'half-open':
      return `Half-open: one call tries, others are refused; ${times}`
    case 'isolated':
      return `Isolated: held open by ${holds === 1 ? 'an operator' : counted(holds, 'hold')} until released`
  }
}

function callsLine(window: CallWindow): string {
  const { succeeded, failed, refused, failedPercent } = window
  const all = succeeded + failed
  const name = capital(windowName(window))
  const more = refused === 0 ? '' : `, ${number(refused)} refused`
  if (failedPercent === undefined)
    return `${name}: ${all === 0 ? 'none' : `${number(succeeded)} done, ${counted(failed, 'failure')}`}${more}`
  return `${name}: ${number(failedPercent)} % of ${number(all)} failed${more}`
}

function actionOf(service: Dependency, state: BreakerStats['state']): DependencyView['action'] {
  const what = service === 'ai-agent' ? 'the agent' : 'the store'
  if (state === 'isolated') {
    return { name: 'release', label: `Release ${what}`, means: `This process uses ${what} again at once, if it works.` }
  }
  const means =
    service === 'ai-agent'
      ? 'This process asks the agent nothing until you release it. Questions are kept and wait, and people are given other help.'
      : 'This process reads and keeps nothing until you release it. Everybody whom it serves sees that questions cannot be sent.'
  return { name: 'isolate', label: `Isolate ${what}`, means: `${means} A restart of the process releases it, too.` }
}

const ENDS = ['answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled'] as const

const sumOf = ({ accepted, ended, waiting, difference }: IntegrityStatus): readonly Row[] => [
  { key: 'Accepted', lines: [number(accepted)] },
  ...ENDS.map((end) => ({ key: capital(end), lines: [number(ended[end])] })),
  { key: 'Waiting', lines: [number(waiting)] },
  { key: 'Missing', lines: [number(difference)] },
]

function queueRow({ queue, depth, oldestSeconds = 0, capacity }: QueueStatus): Row {
  const key = capital(queue)
  if (depth === undefined) return { key, lines: ['Not known yet'] }
  const room = capacity === undefined ? 'bounded for each conversation' : `room for ${number(capacity)}`
  return { key, lines: [`${number(depth)} waiting${depth === 0 ? '' : `, the oldest for ${durationOf(oldestSeconds)}`}; ${room}`] }
}

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${number(count)} ${name}`)
    .join(', ')

function linksOf({ open, resumes, slow, recentSeconds }: OpsStatus['links']): readonly Row[] {
  const span = `over ${durationOf(recentSeconds)}`
  return [
    { key: 'Open now', lines: [`${number(open.websocket)} WebSocket, ${number(open.sse)} event stream`] },
    { key: 'Pages that came', lines: [list(resumes), span] },
    { key: 'Slow readers', lines: [list(slow), span] },
  ]
}

function processesNote({ processes: { isShared, asOf, list: all }, at }: OpsStatus): string {
  if (!isShared) return 'The store belongs to this process alone.'
  if (asOf === undefined) return 'Nothing has been heard of others yet.'
  const versions = new Set(all.map(({ version, commit }) => `${version} ${commit}`))
  const skew = versions.size > 1 ? ` ${counted(versions.size, 'version')} run side by side.` : ''
  return `${counted(all.length, 'process', 'processes')} on this store, ${durationOf(secondsBetween(asOf, at))} ago.${skew}`
}

const PHASE_TAGS = {
  starting: { text: 'starting', colour: 'grey' },
  running: { text: 'running', colour: 'green' },
  draining: { text: 'draining', colour: 'yellow' },
} as const satisfies Record<string, Tag>

function processView({ node, version, commit, startedAt, phase, level, isolated, isThis }: OtherProcess, now: string): ProcessView {
  return {
    heading: `${node}${isThis ? ' (this process)' : ''}`,
    tag: PHASE_TAGS[phase],
    rows: [
      { key: 'Level', lines: [level] },
      { key: 'Version', lines: [`${version}, commit ${commit}`] },
      { key: 'Running for', lines: [durationOf(secondsBetween(startedAt, now))] },
      ...(isolated.length === 0 ? [] : [{ key: 'Isolated', lines: isolated }]),
    ],
  }
}

function changeOf({ at, what, from, to, why }: ChangeStatus, now: string): ChangeView {
  const move = `${what}: ${moved({ from, to })}`
  return { at: momentOf(at, now), text: why === undefined ? move : `${move} (${why})` }
}

const moved = ({ from, to }: Pick<ChangeStatus, 'from' | 'to'>): string => (from === undefined ? to : `${to}, was ${from}`)

function runtimeOf({ runtime, process }: OpsStatus): readonly Row[] {
  const { loopLagP99Ms, heapUsedBytes, heapLimitBytes, residentBytes, openFiles, openFilesMax } = runtime
  const heap = `${megabytes(heapUsedBytes)} of ${megabytes(heapLimitBytes)} (${number((100 * heapUsedBytes) / heapLimitBytes)} %)`
  const files = openFiles === undefined ? 'not known on this system' : number(openFiles)
  return [
    {
      key: 'Event loop',
      lines: [loopLagP99Ms === undefined ? 'Not measured' : `99 % of the last 10 seconds within ${number(loopLagP99Ms)} ms`],
    },
    { key: 'Heap', lines: [heap] },
    { key: 'Memory', lines: [megabytes(residentBytes)] },
    { key: 'Open files', lines: [openFilesMax === undefined ? files : `${files} of ${number(openFilesMax)}`] },
    { key: 'Questions taken on', lines: [number(process.running)] },
    { key: 'Build', lines: [`${process.version}, commit ${process.commit}, Node ${process.platform}`] },
  ]
}
