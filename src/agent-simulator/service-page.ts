/** What the service says, as a small page for the frame beside the controls: read again by itself, or standing still. Pure. */
import { escape, PAGE_STYLE, policyOf } from './control-style.ts'
import type { BreakerView, ServiceView } from './service-view.ts'

/** Seconds between two looks; the answer's `Refresh` header. */
export const REFRESH_SECONDS = 2

export const SERVICE_PATHS = { moving: '/service', still: '/service/still' } as const
export type ServicePageKind = keyof typeof SERVICE_PATHS

export const SERVICE_PAGE_POLICY = policyOf("frame-ancestors 'self'")

/** `at`: milliseconds since the epoch. */
export const servicePage = (view: ServiceView, at: number, kind: ServicePageKind): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the service says</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
${view.status === 'silent' ? silent(view.url) : heard(view)}
<p class="hint">At ${new Date(at).toISOString().slice(11, 19)} UTC. ${UPDATES[kind]}</p>
</body>
</html>
`

const UPDATES: Readonly<Record<ServicePageKind, string>> = {
  moving: `Read again every ${REFRESH_SECONDS} seconds. <a href="${SERVICE_PATHS.still}">Stop</a>`,
  still: `Not read again by itself. <a href="${SERVICE_PATHS.moving}">Read again every ${REFRESH_SECONDS} seconds</a>`,
}

const silent = (url: string): string =>
  `<p>The service at <strong>${escape(url)}</strong> does not answer. Start it with <code>npm start</code>, or name another one with <code>--service</code>.</p>`

const LEVELS: Readonly<Record<string, string>> = {
  full: 'everything works',
  limited: 'questions are kept and answered later',
  offline: 'questions cannot be kept',
}

function heard({ level, checks, breakers, waiting }: ServiceView & { readonly status: 'heard' }): string {
  const rows: readonly (readonly [name: string, value: string])[] = [
    ['Level', LEVELS[level] === undefined ? level : `${level}: ${LEVELS[level]}`],
    ['Questions waiting', waiting === undefined ? 'for operators only' : String(waiting)],
    ...(breakers?.map((breaker) => [`Breaker of ${breaker.name}`, stateOf(breaker)] as const) ?? [
      ['Breakers', 'for operators only'] as const,
    ]),
    ...checks.map(({ name, status }) => [`Check of ${name}`, status] as const),
  ]
  const body = rows.map(([name, value]) => `<tr><th scope="row">${escape(name)}</th><td>${escape(value)}</td></tr>`).join('\n')
  return `<table><tbody>\n${body}\n</tbody></table>`
}

const stateOf = ({ state, retryAfterMs }: BreakerView): string =>
  retryAfterMs > 0 ? `${state}, for ${Math.ceil(retryAfterMs / 1_000)} s more` : state
