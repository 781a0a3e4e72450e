import { expect, test } from 'vitest'
import { CATALOGUE } from './catalogue.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import type { Series } from './series.ts'

const ours = (): Metrics => createMetrics({ store: 'sqlite', withRuntime: false })

/** The samples of a rendered page. */
async function samplesOf(metrics: Metrics): Promise<ReadonlyMap<string, string>> {
  const lines = (await metrics.render()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]))
}

test('[O80] every series is there from the start: counters and histograms with 0, gauges unknown until somebody says', async () => {
  const samples = await samplesOf(ours())
  const types = Object.entries(CATALOGUE).map(([name, { type }]) => [name, type] as const)
  const started = types.flatMap(([name, type]) => {
    const own = [...samples].filter(([sample]) => sample.replace(/(?:_bucket|_sum|_count)?(?:\{.*)?$/, '') === name)
    return own.filter(([, value]) => value !== (type === 'gauge' ? 'Nan' : '0'))
  })
  expect(started.filter(([sample]) => !sample.startsWith('nodejs_'))).toEqual([])
  const empty = types.filter(([name]) => ![...samples.keys()].some((sample) => sample.startsWith(name)))
  // What is about one build or its routes is opened when they are known.
  expect(empty.map(([name]) => name)).toEqual(['chat_build_info', 'http_request_duration_seconds'])
})

test('[O80] nothing is there of the store that is not used', async () => {
  const names = [...(await samplesOf(createMetrics({ store: 'redis', withRuntime: false }))).keys()].join('\n')
  expect(names).toContain('service="redis"')
  expect(names).not.toMatch(/service="sqlite"|profile="sqlite"|chat_sqlite|chat_storage/)
})

test('[O80] a series that was not opened is ignored, and so is what no counter can count', async () => {
  const metrics = ours()
  const before = await samplesOf(metrics)
  const stray: Series = { reason: 'made-up' }
  metrics.count('chat_log_dropped_total', stray as never)
  metrics.count('chat_log_dropped_total', { reason: 'file' }, -1)
  metrics.count('chat_log_dropped_total', { reason: 'file' }, Number.NaN)
  metrics.observe('chat_ws_ping_rtt_seconds', {}, Number.POSITIVE_INFINITY)
  metrics.observe('http_request_duration_seconds', { method: 'GET', route: '/', code: '2xx' }, 1)
  expect(await samplesOf(metrics)).toEqual(before)
})

test('[O80] a gauge says what its reader says now, and that nobody knows when the reader fails', async () => {
  const metrics = ours()
  const state: { value: number | undefined; fails: boolean } = { value: 3, fails: false }
  metrics.watch('chat_active_connections', {}, () => {
    if (state.fails) throw new Error('no idea')
    return state.value
  })
  const valueOf = async () => (await samplesOf(metrics)).get('chat_active_connections')
  expect(await valueOf()).toBe('3')
  state.value = undefined
  expect(await valueOf()).toBe('Nan')
  state.value = 4
  state.fails = true
  expect(await valueOf()).toBe('Nan')
})

test('[O80] series that are known later begin with 0, once', async () => {
  const metrics = ours()
  const series = { method: 'GET', route: '/help/{page}', code: '2xx' }
  metrics.open('http_request_duration_seconds', [series])
  metrics.observe('http_request_duration_seconds', series, 0.2)
  metrics.open('http_request_duration_seconds', [series])
  const samples = await samplesOf(metrics)
  expect(samples.get('http_request_duration_seconds_count{method="GET",route="/help/{page}",code="2xx"}')).toBe('1')
})

test('[O80] what goes on by itself is settled before anybody looks', async () => {
  const metrics = ours()
  metrics.beforeRender(() => metrics.count('chat_degraded_seconds_total', { level: 'full' }, 2))
  expect((await samplesOf(metrics)).get('chat_degraded_seconds_total{level="full"}')).toBe('2')
})

test('[O80] names, units and help texts follow the rules for them', () => {
  const wrong = Object.entries(CATALOGUE).filter(([name, { type, help }]) => {
    const isNamed = /^(?:chat|http|nodejs)_[a-z_]+$/.test(name) && name.endsWith('_total') === (type === 'counter')
    const isMeasured = type !== 'histogram' || (name.endsWith('_seconds') && help.startsWith('Seconds '))
    const isInBytes = !name.endsWith('_bytes') || help.startsWith('Bytes ')
    return !isNamed || !isMeasured || !isInBytes || !/^[A-Z0-9].*\S$/.test(help)
  })
  expect(wrong).toEqual([])
})
