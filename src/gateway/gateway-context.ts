/**
 * What the parts of the gateway share: ports, settings, who is asking, and the use cases that forms and API have in common.
 *
 * `gateway.ts` makes one per server and hands it to pages, API, live link and event stream; none of them reaches further.
 */
import type { Request } from '@hapi/hapi'
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import type { RandomBytes, VisitorId } from '../conversation/ids.ts'
import type { ServiceStanding } from '../protocol/protocol.ts'
import type { Chance, Clock } from '../resilience/clock.ts'
import type { ServiceProfile } from '../service-profile/service-profile.ts'
import type { Events, RequestTrace } from '../telemetry/events.ts'
import type { Admission } from './admission.ts'
import type { AnswerBlocks } from './answer-blocks.ts'
import type { Assets } from './assets.ts'
import type { Drain } from './drain.ts'
import type { HelpPage } from './page-shell.ts'
import type { Paths } from './paths.ts'
import type { VisitorSessions } from './visitor-sessions.ts'

export type OnStandingChange = (listener: () => void) => () => void

export interface GatewaySettings {
  /** Signs the visitor cookie and the form tokens; 32 characters or more. */
  readonly secret: string
  /** `https://chat.example.gov.uk`, without a slash at the end; `undefined`: whatever host a request names (development only). */
  readonly publicOrigin: string | undefined
  readonly brand: 'generic' | 'govuk'
  /** `Secure` cookies with the `__Host-` prefix, and no guessing of our own origin. */
  readonly isProduction: boolean
  /** How long a session lives after its last question. */
  readonly sessionTtlMs: number
  /** What becomes of a question that may hold personal information: the form asks first, it is refused, or nobody looks. */
  readonly personalInformation: 'warn' | 'block' | 'off'
  /** Hosts, each with all below it, to which links in answers lead directly. */
  readonly trustedLinkHosts: readonly string[]
  /** Proxies between people and us that each append to `X-Forwarded-For`; with 0 the header is ignored. */
  readonly trustedProxyHops: number
}

/** What app/ gives the plugin. */
export interface GatewayOptions {
  readonly log: ConversationLog
  /** How the service stands now: pages, API, links and streams all say the same. */
  readonly standing: () => ServiceStanding
  /** Calls back at each change of it until the returned function is called; without it links hear of one with their heartbeat. */
  readonly onStandingChange?: OnStandingChange
  /** While true, questions are kept and answered later: the API says `queued`. */
  readonly isAgentAway: () => boolean
  /** While true, answers have to wait, because the agent is away or not yet trusted again: pages say so. */
  readonly doAnswersWait: () => boolean
  /** What the pages say of the service, and whether questions are taken; asked at every request. */
  readonly service: () => ServiceProfile
  readonly clock: Clock
  readonly chance: Chance
  readonly randomBytes: RandomBytes
  readonly events: Events
  readonly settings: GatewaySettings
  /**
   * The server has nothing but the service: its unknown addresses, malformed requests and other upgrades are answered here, too, and every
   * answer carries the security headers. Otherwise the gateway keeps to its own routes.
   */
  readonly isWholeServer: boolean
  /** What the pages need; without it only the API and the live link are served. */
  readonly pages?: PagesOptions
}

export interface PagesOptions {
  /** From `loadAssets`. */
  readonly assets: Assets
  /** The team's guidance, in the order of the list. */
  readonly helpPages: readonly HelpPage[]
  /** Serves `/states`, which shows every state with made-up conversations: for development. */
  readonly showsStates?: boolean
}

/** What a page about a failed request says. Nothing internal is in it. */
export interface ErrorPage {
  readonly status: number
  /** As the API says it. */
  readonly code: string
  readonly title: string
  readonly message: string
  /** For people to quote: `7F3K-2Q`. */
  readonly reference: string
  /** What the person had typed into the form that failed, not yet escaped; shown so that it is not lost. */
  readonly keptText: string | undefined
}

/** The whole HTML document. Should it throw, a minimal page is sent instead. */
export type RenderErrorPage = (request: Request, page: ErrorPage) => string | Promise<string>

export interface GatewayContext extends GatewayOptions {
  readonly admission: Admission
  readonly paths: Paths
  readonly sessions: VisitorSessions
  /** Who is asking. A request without a good cookie is a new visitor, and its answer sets the cookie. */
  visitorOf(request: Request): VisitorId
  /** Rendered answers, one cache for pages and links. */
  readonly blocks: AnswerBlocks
  /** The value of the hidden field `FORM_FIELDS.csrf`; every form post is checked for it before its handler runs. */
  csrfTokenOf(request: Request): string
  /** Which trace the request belongs to, and its id in the log. */
  traceOf(request: Request): RequestTrace
  /** The nonce of this response's Content-Security-Policy, for `<script nonce>`. */
  nonceOf(request: Request): string
  /** The address that limits count, without a port. */
  addressOf(request: Request): string
  /** How pages say what failed; `registerPages` calls it once. */
  setErrorPage(render: RenderErrorPage): void
  /** When the server takes no more links, and when waits and streams end. */
  readonly drain: Drain
}
