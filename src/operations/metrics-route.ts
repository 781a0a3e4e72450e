/**
 * `GET /metrics`: what Prometheus asks for. Looking costs the same however many look: the text is made at most once a second, and
 * `Age` says how old it is. A scraper that does not take its answer is cut off, and beyond a few at once the next is refused.
 */
import type { Server } from '@hapi/hapi'
import type { Clock } from '../resilience/clock.ts'
import { routeForOperators, type OpsAccess } from './ops-access.ts'

export interface MetricsPage {
  readonly render: () => Promise<string>
  readonly contentType: string
  /** A scrape was refused because too many were being answered. */
  readonly refused: () => void
}

/** The text is made anew when it is older than this … */
const FRESH_MS = 1_000
/** … scrapes that may be answered at once, and how long one may take its answer. */
const SCRAPES_MAX = 8
const SCRAPE_MS_MAX = 10_000

export interface MetricsRouteOptions {
  readonly metrics: MetricsPage
  readonly clock: Clock
  readonly access: OpsAccess
}

export function registerMetrics(server: Server, { metrics, clock, access }: MetricsRouteOptions): void {
  const latest = createLatest(metrics.render, clock)
  let answering = 0
  routeForOperators(server, access, {
    path: '/metrics',
    handler: async (request, h) => {
      const { res } = request.raw
      if (answering >= SCRAPES_MAX) {
        metrics.refused()
        return h.response('too many scrapes at once\n').code(503).type('text/plain').header('retry-after', '1')
      }
      answering += 1
      const callOff = clock.schedule(SCRAPE_MS_MAX, () => res.destroy())
      res.once('close', () => {
        answering -= 1
        callOff()
      })
      const { text, ageMs } = await latest()
      return h
        .response(text)
        .type(metrics.contentType)
        .header('age', String(Math.floor(ageMs / 1_000)))
    },
  })
}

interface Rendered {
  readonly text: string
  /** How long ago it was made. */
  readonly ageMs: number
}

/** Makes the text when the last one is not fresh; who asks meanwhile waits for the same. */
function createLatest(render: () => Promise<string>, clock: Pick<Clock, 'monotonic'>): () => Promise<Rendered> {
  let made: { readonly text: Promise<string>; readonly at: number } | undefined
  return async () => {
    const now = clock.monotonic()
    if (made === undefined || now - made.at >= FRESH_MS) made = { text: render(), at: now }
    const { text, at } = made
    try {
      return { text: await text, ageMs: clock.monotonic() - at }
    } catch (error) {
      made = undefined
      throw error
    }
  }
}
