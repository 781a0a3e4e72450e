/** The product, a real Prometheus with the configuration and rules of this repository, and faults: alerts fire and are cleared. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { ApiClient } from '../api-client.ts'
import { startServer, startSimulator, temporaryFolder } from '../server-process.ts'
import { startPrometheus, type RunningPrometheus } from './prometheus.ts'
import { PLATFORM_METRICS, promtool, root } from './tools.ts'

const folderOfConfig = path.join(root, 'monitoring/prometheus')

/** A text with something in it put in another's place; it must be there. */
function replaced(text: string, what: string | RegExp, by: string): string {
  const result = text.replaceAll(what, by)
  if (result === text) throw new Error(`there is no ${String(what)}`)
  return result
}

/** The committed configuration and rules, looking at `target` once a second, and with alerts that wait a second instead of minutes. */
function hastyCopy(folder: string, target: string): string {
  const config = readFileSync(path.join(folderOfConfig, 'prometheus.yml'), 'utf8')
  const rules = readFileSync(path.join(folderOfConfig, 'rules/chat.yml'), 'utf8')
  const hasty = [
    [/(scrape_interval|evaluation_interval): 15s/g, '$1: 1s'],
    ['scrape_timeout: 10s', 'scrape_timeout: 1s'],
    ['chat:9464', target],
    // Nobody is told in a test.
    [/alerting:[\s\S]*?\n\n/g, ''],
  ] as const
  mkdirSync(path.join(folder, 'rules'))
  writeFileSync(
    path.join(folder, 'rules/chat.yml'),
    replaced(replaced(rules, /( {8}for:) \w+/g, '$1 1s'), / {8}keep_firing_for: \w+\n/g, ''),
  )
  const file = path.join(folder, 'prometheus.yml')
  writeFileSync(
    file,
    hasty.reduce((text, [what, by]) => replaced(text, what, by), config),
  )
  return file
}

/** Looks again until the alert is there, or is not there any more. A test that looks in vain is ended by its own time limit. */
async function untilFiring(prometheus: RunningPrometheus, name: string, isWanted: boolean): Promise<void> {
  while ((await prometheus.alerts('firing')).includes(name) !== isWanted) await pause(250)
}

async function untilScraped(prometheus: RunningPrometheus, expr: string): Promise<void> {
  while ((await prometheus.query(expr)).length === 0) await pause(250)
}

/** Loses an accepted question behind the store's back, as nothing of ours can. */
function loseQuestion(dataDir: string): void {
  const db = new DatabaseSync(path.join(dataDir, 'chat.sqlite'))
  db.exec('DELETE FROM turn WHERE is_open = 1')
  db.close()
}

test('[O167] an agent that is away, a process that was killed and a question that is lost each fire their alert, and what is over is cleared', async () => {
  using folder = temporaryFolder()
  const dataDir = path.join(folder.path, 'service')
  const env = { HEALTH_INTERVAL_MS: '1000', HEALTH_CHECK_TIMEOUT_MS: '1000' }
  await using agent = await startSimulator()
  await using first = await startServer({ dataDir, agentUrl: agent.url, env })
  const { port } = new URL(first.url)
  await using prometheus = await startPrometheus(hastyCopy(folder.path, `127.0.0.1:${port}`), path.join(folder.path, 'data'))
  await untilScraped(prometheus, 'min(chat_synthetic_probe_success) == 1')
  for (const name of PLATFORM_METRICS) await untilScraped(prometheus, `${name}{job="chat"}`)
  // Before the first scrape nothing answered.
  await untilFiring(prometheus, 'ChatTargetDown', false)
  const calm = await prometheus.alerts('firing')

  await agent.kill('SIGKILL')
  await untilFiring(prometheus, 'ChatSyntheticProbeFailing', true)
  await untilFiring(prometheus, 'ChatDegradedLong', true)
  const person = new ApiClient(first.url)
  await person.ask(await person.createSession(), 'What becomes of this?')
  await first.kill('SIGKILL')
  await untilFiring(prometheus, 'ChatTargetDown', true)

  loseQuestion(dataDir)
  await using second = await startServer({ dataDir, agentUrl: agent.url, env: { ...env, PORT: port } })
  await untilFiring(prometheus, 'ChatMessagesLost', true)
  await untilFiring(prometheus, 'ChatTargetDown', false)
  await using back = await startSimulator('--port', new URL(agent.url).port)
  await untilFiring(prometheus, 'ChatSyntheticProbeFailing', false)
  expect([second.url, back.url]).toEqual([first.url, agent.url])
  const faults = ['ChatSyntheticProbeFailing', 'ChatDegradedLong', 'ChatMessagesLost', 'ChatStoreWriteErrors']
  expect(calm.filter((name) => faults.includes(name))).toEqual([])
})

/** What discovery says of a pod, before relabelling. */
const pod = (name: string, labels: Readonly<Record<string, string>>): object => ({
  targets: ['10.1.2.3:9464'],
  labels: {
    __meta_kubernetes_pod_ip: '10.1.2.3',
    __meta_kubernetes_pod_name: name,
    __meta_kubernetes_namespace: 'chat',
    __meta_kubernetes_pod_label_app_kubernetes_io_name: 'chat',
    __meta_kubernetes_pod_annotation_prometheus_io_scrape: 'true',
    __meta_kubernetes_pod_annotation_prometheus_io_port: '9464',
    __meta_kubernetes_pod_container_port_name: 'operations',
    __meta_kubernetes_pod_phase: 'Running',
    ...labels,
  },
})

test('[O161][O169] in a cluster, of all pods those of the service are scraped, each once, at the port for operators', () => {
  using folder = temporaryFolder()
  const config = readFileSync(path.join(folderOfConfig, 'prometheus.kubernetes.yml'), 'utf8')
  // Debian's Prometheus knows no Kubernetes: the pods are named instead of found.
  const pods = [
    pod('chat-1', {}),
    pod('chat-1', { __meta_kubernetes_pod_container_port_name: 'http' }),
    pod('redis-0', { __meta_kubernetes_pod_label_app_kubernetes_io_name: 'redis' }),
    pod('chat-2', { __meta_kubernetes_pod_phase: 'Succeeded' }),
    pod('chat-3', { __meta_kubernetes_pod_annotation_prometheus_io_scrape: 'false' }),
  ]
  const named = replaced(config, /( {4})kubernetes_sd_configs:\n(?: {6,}.*\n)+/g, `$1static_configs: ${JSON.stringify(pods)}\n`)
  const file = path.join(folder.path, 'prometheus.yml')
  mkdirSync(path.join(folder.path, 'rules'))
  writeFileSync(path.join(folder.path, 'rules/chat.yml'), readFileSync(path.join(folderOfConfig, 'rules/chat.yml')))
  writeFileSync(file, replaced(named, /alerting:[\s\S]*?\n\n/g, ''))
  expect(promtool('check', 'config', file)).toContain('SUCCESS')
  const found = JSON.parse(promtool('check', 'service-discovery', '--timeout=1s', file, 'chat')) as readonly {
    readonly labels?: Readonly<Record<string, string>>
  }[]
  const kept = found.flatMap(({ labels }) => (labels === undefined || Object.keys(labels).length === 0 ? [] : [labels]))
  expect(kept).toEqual([
    {
      __address__: '10.1.2.3:9464',
      __metrics_path__: '/metrics',
      __scheme__: 'http',
      __scrape_interval__: '15s',
      __scrape_timeout__: '10s',
      instance: 'chat-1',
      job: 'chat',
      namespace: 'chat',
      pod: 'chat-1',
    },
  ])
})
