/** What the manifests promise to whoever runs the cluster, and to the people whose answers are being written. */
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { type IPodTemplateSpec, Namespace } from 'kubernetes-models/v1'
import { expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { environmentOf, listOf, lastOf, stageOf } from './container-file.ts'
import { FOLDERS, manifestsOf, ofKind, onlyContainer, onlyPod, podsOf, type FolderName } from './manifests.ts'
import { unknownSettings } from './settings.ts'

const NAMES = Object.keys(FOLDERS) as readonly FolderName[]
/** The folders that run the service. */
const SERVICE = ['sqlite-single', 'redis', 'cdp'] as const

const VOLUMES_ALLOWED = ['name', 'configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret']

/** What of the pod is against Pod Security "restricted" (Kubernetes, Pod Security Standards). */
function securityFaults({ spec }: IPodTemplateSpec): readonly string[] {
  const faults: string[] = []
  const demand = (isMet: boolean, what: string): void => void (isMet || faults.push(what))
  const ofPod = spec?.securityContext
  demand(spec?.hostNetwork !== true && spec?.hostPID !== true && spec?.hostIPC !== true, 'host namespaces')
  demand(
    (spec?.volumes ?? []).every((volume) => Object.keys(volume).every((key) => VOLUMES_ALLOWED.includes(key))),
    'volume types',
  )
  demand((ofPod?.sysctls ?? []).length === 0, 'sysctls')
  for (const { name, ports = [], securityContext: own } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
    demand((own?.runAsNonRoot ?? ofPod?.runAsNonRoot) === true, `${name}: runAsNonRoot`)
    demand((own?.runAsUser ?? ofPod?.runAsUser ?? 0) > 0, `${name}: runAsUser`)
    demand((own?.seccompProfile ?? ofPod?.seccompProfile)?.type === 'RuntimeDefault', `${name}: seccomp`)
    demand(own?.allowPrivilegeEscalation === false && own.privileged !== true, `${name}: privileges`)
    demand(own?.capabilities?.drop?.includes('ALL') === true && own.capabilities.add === undefined, `${name}: capabilities`)
    demand(own?.procMount === undefined && ports.every(({ hostPort }) => hostPort === undefined), `${name}: host`)
  }
  return faults
}

test.each(NAMES)('[O146] the pods of %s meet Pod Security restricted', (name) => {
  expect(podsOf(name).map(({ template }) => securityFaults(template))).toEqual([[]])
})

test('[O146] a pod that does not meet it would be found', () => {
  const { spec } = onlyPod('redis')
  const container = onlyContainer('redis')
  const spoil = (pod: object, own: object = {}): readonly string[] =>
    securityFaults({
      spec: { ...spec, ...pod, containers: [{ ...container, securityContext: { ...container.securityContext, ...own } }] },
    })
  expect([
    spoil({ hostNetwork: true }),
    spoil({ volumes: [{ name: 'data', hostPath: { path: '/' } }] }),
    spoil({ securityContext: {} }),
    spoil({}, { allowPrivilegeEscalation: true }),
    spoil({}, { capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } }),
  ]).toEqual([
    ['host namespaces'],
    ['volume types'],
    ['chat: runAsNonRoot', 'chat: runAsUser', 'chat: seccomp'],
    ['chat: privileges'],
    ['chat: capabilities'],
  ])
})

test.each(NAMES)('[O146] the pods of %s cannot write to their image, speak to Kubernetes, or take all memory', (name) => {
  const { spec } = onlyPod(name)
  const { securityContext, resources } = onlyContainer(name)
  expect(securityContext?.readOnlyRootFilesystem).toBe(true)
  expect([spec?.automountServiceAccountToken, spec?.enableServiceLinks]).toEqual([false, false])
  expect(resources?.limits?.['memory']).toMatch(/^\d+[MG]i$/)
  // Throttled, the event loop stalls every answer; DEFRA's platform wants a limit all the same.
  expect(resources?.limits?.['cpu'] === undefined).toBe(name !== 'cdp')
})

test.each(SERVICE)('[O146] the namespace of %s refuses pods that are not restricted', (name) => {
  const [namespace] = ofKind(Namespace, manifestsOf(name))
  expect(namespace?.metadata?.labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' })
})

test.each(SERVICE)('[O147] probes of %s ask what the process alone can answer', (name) => {
  const { startupProbe, livenessProbe, readinessProbe, ports } = onlyContainer(name)
  expect({ startupProbe, livenessProbe, readinessProbe }).toEqual({
    startupProbe: { httpGet: { path: '/live', port: 'http' }, periodSeconds: 1, failureThreshold: 60 },
    livenessProbe: { httpGet: { path: '/live', port: 'http' }, periodSeconds: 10, failureThreshold: 6, timeoutSeconds: 5 },
    readinessProbe: { httpGet: { path: '/ready', port: 'http' }, periodSeconds: 5, failureThreshold: 1, timeoutSeconds: 2 },
  })
  expect(ports?.find((port) => port.name === 'http')?.containerPort).toBe(Number(environmentOf(stageOf('service'))['PORT']))
})

test.each(['redis', 'cdp'] as const)('[O149] a rollout of %s never has fewer pods than wanted, and pods are spread', (name) => {
  const manifests = manifestsOf(name)
  const [deployment] = ofKind(Deployment, manifests)
  const [budget] = ofKind(PodDisruptionBudget, manifests)
  expect(deployment?.spec).toMatchObject({
    minReadySeconds: 10,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
  })
  expect(budget?.spec).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow', selector: deployment?.spec?.selector })
  const spread = onlyPod(name).spec?.topologySpreadConstraints ?? []
  expect(spread.map(({ topologyKey }) => topologyKey)).toEqual(['topology.kubernetes.io/zone', 'kubernetes.io/hostname'])
  expect(spread.map(({ labelSelector }) => labelSelector)).toEqual(spread.map(() => deployment?.spec?.selector))
})

test.each(['redis', 'cdp'] as const)('[O149] %s grows at once with its connections and shrinks by one pod in three minutes', (name) => {
  const manifests = manifestsOf(name)
  const [scaler] = ofKind(HorizontalPodAutoscaler, manifests)
  const [deployment] = ofKind(Deployment, manifests)
  expect(scaler?.spec?.scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: deployment?.metadata?.name })
  // Both at once would take turns in undoing each other.
  expect(deployment?.spec?.replicas).toBeUndefined()
  expect(scaler?.spec?.metrics?.map(({ pods, resource }) => pods?.metric.name ?? resource?.name)).toEqual([
    'chat_active_connections',
    'cpu',
  ])
  expect(scaler?.spec?.behavior?.scaleUp?.stabilizationWindowSeconds).toBe(0)
  expect(scaler?.spec?.behavior?.scaleDown).toEqual({
    stabilizationWindowSeconds: 600,
    policies: [{ type: 'Pods', value: 1, periodSeconds: 180 }],
  })
})

test('[O150] on SQLite there is one pod at most, on a volume that outlives it, and nothing that would make it two', () => {
  const manifests = manifestsOf('sqlite-single')
  const [workload] = ofKind(StatefulSet, manifests)
  const kinds = manifests.map(({ kind }) => kind)
  expect(kinds).not.toContain('Deployment')
  expect(kinds).not.toContain('HorizontalPodAutoscaler')
  expect(workload?.spec).toMatchObject({
    replicas: 1,
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } }],
  })
  const { volumeMounts, env } = onlyContainer('sqlite-single')
  expect(volumeMounts).toEqual([{ name: 'data', mountPath: environmentOf(stageOf('service'))['DATA_DIR'] }])
  expect(env?.map(({ name }) => name)).not.toContain('REDIS_URL')
  expect(onlyPod('sqlite-single').spec?.volumes).toBeUndefined()
})

test('[O150] on SQLite the pod is the same as elsewhere, but for its volume', () => {
  const withoutStore = (name: FolderName): unknown => {
    const { spec } = onlyPod(name)
    const { env, volumeMounts: _mounts, ...container } = onlyContainer(name)
    const { fsGroup: _group, fsGroupChangePolicy: _policy, ...securityContext } = spec?.securityContext ?? {}
    const own = env?.filter((each) => !each.name.startsWith('REDIS_'))
    return { ...spec, securityContext, topologySpreadConstraints: undefined, containers: [{ ...container, env: own }] }
  }
  expect(withoutStore('sqlite-single')).toEqual(withoutStore('redis'))
  expect(onlyPod('sqlite-single').spec?.securityContext?.fsGroup).toBe(onlyPod('sqlite-single').spec?.securityContext?.runAsUser)
})

test.each(['redis', 'cdp'] as const)('[O142] with Redis the pods of %s can write nowhere', (name) => {
  expect([onlyPod(name).spec?.volumes, onlyContainer(name).volumeMounts]).toEqual([undefined, undefined])
})

/** Who may speak to whom, a line each. */
const doors = (folder: FolderName): readonly string[] =>
  ofKind(NetworkPolicy, manifestsOf(folder)).flatMap(({ metadata, spec }) => {
    const name = metadata?.name ?? ''
    const ports = (list: readonly { port?: unknown }[] | undefined): string => (list ?? []).map(({ port }) => String(port)).join()
    const peers = (list: readonly object[] | undefined): string => JSON.stringify(list)
    return [
      ...(spec?.ingress ?? []).map((rule) => `${name} in ${ports(rule.ports)} from ${peers(rule.from)}`),
      ...(spec?.egress ?? []).map((rule) => `${name} out ${ports(rule.ports)} to ${peers(rule.to)}`),
    ]
  })

test('[O151] nothing may be reached or reach out but what is named', () => {
  const [deny] = ofKind(NetworkPolicy, manifestsOf('redis')).filter(({ metadata }) => metadata?.name === 'default-deny')
  expect(deny?.spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] })
  expect([...doors('redis'), ...doors('redis server')]).toEqual([
    'chat in http from [{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"ingress-nginx"}}}]',
    'chat in operations from [{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]',
    'chat out 53,53 to [{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"kube-system"}},"podSelector":{"matchLabels":{"k8s-app":"kube-dns"}}}]',
    'chat out 443 to [{"ipBlock":{"cidr":"0.0.0.0/0","except":["169.254.0.0/16"]}}]',
    'chat-redis out 6379 to [{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"redis"}}}]',
    'redis in redis from [{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"chat"}}}]',
  ])
  expect(doors('sqlite-single').filter((door) => door.includes('redis'))).toEqual([])
})

test('[O151] what the policies open are ports that somebody listens on', () => {
  const ports = SERVICE.map((name) => Object.fromEntries((onlyContainer(name).ports ?? []).map((port) => [port.name, port.containerPort])))
  const operations = onlyContainer('redis').env?.find(({ name }) => name === 'OPS_PORT')?.value
  expect(ports).toEqual(SERVICE.map(() => ({ http: 3000, operations: Number(operations) })))
  expect(onlyPod('redis').metadata?.annotations).toMatchObject({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': operations })
})

test.each(SERVICE)('[O144] every environment variable of %s is a setting, and no secret stands in it', (name) => {
  const env = onlyContainer(name).env ?? []
  expect(unknownSettings(env.map((each) => each.name))).toEqual([])
  const secret = env.filter((each) => /SECRET|KEY|TOKEN|PASSWORD|REDIS_URL/.test(each.name))
  expect(secret.length).toBeGreaterThan(1)
  expect(secret.filter(({ value }) => value !== undefined)).toEqual([])
  expect(env.find((each) => each.name === 'READY_WHEN_OFFLINE')?.value).toBe('true')
})

test('[O144] every environment variable of the images is a setting', () => {
  expect(unknownSettings(['service', 'cdp'].flatMap((name) => Object.keys(environmentOf(stageOf(name)))))).toEqual([])
})

test('[O141] the manifests run the image of this version, as the user that it is made for', () => {
  const images = SERVICE.map((name) => onlyContainer(name).image)
  expect(images).toEqual(['', '', '-cdp'].map((suffix) => `govuk-chat-frontend:${packageJson.version}${suffix}`))
  const user = lastOf(stageOf('service'), 'USER')?.text
  const { securityContext } = onlyPod('redis').spec ?? {}
  expect(`${securityContext?.runAsUser}:${securityContext?.runAsGroup}`).toBe(user)
  // What the image starts is not overruled.
  expect(SERVICE.map((name) => [onlyContainer(name).command, onlyContainer(name).args])).toEqual(SERVICE.map(() => [undefined, undefined]))
  expect(listOf(lastOf(stageOf('service'), 'CMD'))).toEqual(['src/app/main.ts'])
})
