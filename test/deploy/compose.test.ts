/** The compose file: everything that it names is there, and fits together. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { compose, composeService } from './compose.ts'
import { environmentOf, lastOf, listOf, readContainerFile, root, stageOf } from './container-file.ts'
import { unknownSettings } from './settings.ts'

const services = Object.entries(compose.services)

test('[O152] what is built are stages of the container file, and every other image names its version', () => {
  const stages = readContainerFile().map(({ name }) => name)
  const built = services.flatMap(([, { build }]) => (build === undefined ? [] : [build.target]))
  expect(built).toEqual(['service', 'agent-simulator'])
  expect(built.filter((target) => !stages.includes(target))).toEqual([])
  const pulled = services.flatMap(([, { build, image }]) => (build === undefined ? [image] : []))
  expect(pulled.filter((image) => !/:v?\d+\.\d+\.\d+(?:-[a-z]+)?$/.test(image))).toEqual([])
})

test('[O152] every volume is declared, every mounted file is there, and nothing is mounted to be written', () => {
  const mounts = services.flatMap(([, { volumes }]) => volumes.map((mount) => mount.split(':')))
  const named = mounts.flatMap(([source = '']) => (source.startsWith('./') ? [] : [source]))
  expect(named.toSorted((a, b) => a.localeCompare(b))).toEqual(Object.keys(compose.volumes).toSorted((a, b) => a.localeCompare(b)))
  const files = mounts.filter(([source = '']) => source.startsWith('./'))
  expect(files.filter(([source = '']) => !existsSync(path.join(root, source)))).toEqual([])
  expect(files.filter(([, , mode]) => mode !== 'ro')).toEqual([])
})

test('[O152] nothing is reachable from other machines', () => {
  const ports = services.flatMap(([, each]) => each.ports)
  expect(ports.length).toBeGreaterThan(3)
  expect(ports.filter((port) => !/^127\.0\.0\.1:(\d+):\1$/.test(port))).toEqual([])
  // The operators' port stays inside: it has no password here.
  expect(ports.filter((port) => port.endsWith(`:${composeService('chat').environment['OPS_PORT']}`))).toEqual([])
})

test('[O152] parts find each other by their names, at ports where somebody listens', () => {
  const { environment, depends_on } = composeService('chat')
  const hosts = ['REDIS_URL', 'AGENT_URL'].map((name) => new URL(environment[name] ?? '').hostname)
  expect(hosts).toEqual(['redis', 'agent'])
  expect(depends_on).toEqual(hosts)
  expect(new URL(environment['AGENT_URL'] ?? '').port).toBe(lastOf(stageOf('agent-simulator'), 'EXPOSE')?.text)
  expect(composeService('chat').ports).toEqual([expect.stringContaining(`:${environmentOf(stageOf('service'))['PORT']}`)])
  expect(environment['PUBLIC_ORIGIN']).toBe(`http://localhost:${environmentOf(stageOf('service'))['PORT']}`)
})

test('[O144][O152] every environment variable of the service is a setting, and its secret is asked for', () => {
  const { environment } = composeService('chat')
  expect(unknownSettings(Object.keys(environment))).toEqual([])
  expect(environment['SESSION_SECRET']).toMatch(/^\$\{SESSION_SECRET:\?.+\}$/)
})

test.each(['chat', 'agent'])('[O152] %s runs as its image says, on read-only files and with no rights of its own', (name) => {
  const service = composeService(name)
  expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  expect(service.command).toBeUndefined()
  expect(service.volumes).toEqual([])
  expect(listOf(lastOf(stageOf(service.build?.target ?? ''), 'CMD')).length).toBeGreaterThan(0)
})
