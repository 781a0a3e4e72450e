/**
 * A hapi server of a team's own, with our breakers, health checks and health routes: `node examples/own-server.ts`.
 *
 * It looks places up at a service of somebody else's, `LOOKUP_URL`. While that fails, it is left alone, callers are told when to come
 * back, and `/health` says so. `docs/plugins.md` explains it.
 */
import { randomBytes } from 'node:crypto'
import { server as createServer } from '@hapi/hapi'
import { createClock } from '../src/app/ports.ts'
import { healthRoutes } from '../src/plugins/health-routes.ts'
import { resilience } from '../src/plugins/resilience.ts'

const lookupUrl = process.env['LOOKUP_URL'] ?? 'http://127.0.0.1:4000/'
const server = createServer({ host: '127.0.0.1', port: Number(process.env['PORT'] ?? 3002) })

await server.register([
  { plugin: resilience, options: { clock: createClock(), randomBytes: (count: number) => new Uint8Array(randomBytes(count)) } },
  { plugin: healthRoutes, options: {} },
])
const { breakers, health, follow } = server.resilience

async function lookUp(place: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(new URL(encodeURIComponent(place), lookupUrl), { signal, redirect: 'error' })
  if (!response.ok) throw new Error(`the lookup answered ${response.status}`)
  return response.text()
}

// Half of at least five calls in a minute failed, or took longer than two seconds: it is left alone for thirty seconds.
const lookup = breakers.create({ name: 'lookup', errorThreshold: 50, volumeThreshold: 5, timeout: 2_000, resetTimeout: 30_000 })
// Without it the service is `limited`: what it is for does not work, and the rest does.
follow(lookup, 'agent')
health.registerHealthCheck('lookup', (signal) => lookUp('health-check', signal), { component: 'agent' })
// This server stores nothing and has no live link; what it does not have always works.
health.registerHealthCheck('store', () => undefined, { component: 'store' })
health.registerHealthCheck('link', () => undefined, { component: 'link' })

server.route({
  method: 'GET',
  path: '/places/{place}',
  handler: (request) => lookup.execute((signal) => lookUp(String(request.params['place']), signal)),
})
server.route({
  method: 'GET',
  path: '/',
  handler: () => (health.canUseFeature('ai-agent') ? 'Look up a place.' : 'Places cannot be looked up at the moment.'),
})

server.events.on({ name: 'log', filter: 'resilience' }, ({ tags, data }) => console.log(tags.join(' '), data))
process.once('SIGTERM', () => void server.stop())

await server.start()
console.log(`Listening on ${server.info.uri}, ${health.getCurrentLevel()}`)
