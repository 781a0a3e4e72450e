/**
 * Takes browsers' reports of what the content policy refused, and counts them: a sudden rise says that somebody tries to get something
 * into the pages. Nothing of a report is kept but which kind of thing it was.
 *
 * Anyone can send anything here, so it is always answered 204: a sender learns nothing, and nothing that is wrong is worth an error.
 */
import type { Request, Server } from '@hapi/hapi'
import * as v from 'valibot'
import { CSP_REPORT_BYTES_MAX, CSP_REPORTS_IN_ONE_MAX } from '../conversation/limits.ts'
import type { BlockedContent } from '../telemetry/events.ts'
import type { GatewayContext } from './gateway-context.ts'
import { RAW_PAYLOAD } from './json-body.ts'
import { CSP_REPORTS_PATH } from './routes.ts'

/** `application/csp-report`, which older browsers send. */
const single = v.object({
  'csp-report': v.object({ 'effective-directive': v.optional(v.string()), 'violated-directive': v.optional(v.string()) }),
})
/** `application/reports+json`. */
const several = v.array(v.object({ type: v.string(), body: v.optional(v.object({ effectiveDirective: v.optional(v.string()) })) }))

const KINDS: readonly (readonly [directive: RegExp, kind: BlockedContent])[] = [
  [/^img-src/, 'image'],
  [/^(?:script-src|require-trusted-types-for|trusted-types|worker-src)/, 'script'],
  [/^form-action/, 'form'],
  [/^style-src/, 'style'],
  [/^(?:connect-src|font-src|media-src|manifest-src)/, 'request'],
  [/^(?:frame-src|child-src|frame-ancestors|object-src|base-uri)/, 'frame'],
]

export function registerCspReports(server: Server, context: GatewayContext): void {
  const { admission, events } = context
  server.route({
    method: 'POST',
    path: CSP_REPORTS_PATH,
    options: {
      payload: { ...RAW_PAYLOAD, maxBytes: CSP_REPORT_BYTES_MAX, failAction: (_request, h) => h.response().code(204).takeover() },
    },
    handler(request, h) {
      if (admission.report(context.addressOf(request)).ok) for (const kind of kindsIn(request)) events.contentBlocked({ kind })
      return h.response().code(204)
    },
  })
}

function kindsIn({ payload }: Request): readonly BlockedContent[] {
  const report = Buffer.isBuffer(payload) ? parsed(payload.toString()) : undefined
  const one = v.safeParse(single, report)
  if (one.success) {
    const { 'effective-directive': effective, 'violated-directive': violated } = one.output['csp-report']
    return [kindOf(effective ?? violated)]
  }
  const many = v.safeParse(several, report)
  if (!many.success) return []
  const violations = many.output.filter(({ type }) => type === 'csp-violation')
  return violations.slice(0, CSP_REPORTS_IN_ONE_MAX).map(({ body }) => kindOf(body?.effectiveDirective))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not a report, and there is nobody to tell.
    return undefined
  }
}

const kindOf = (directive = ''): BlockedContent => KINDS.find(([pattern]) => pattern.test(directive))?.[1] ?? 'other'
