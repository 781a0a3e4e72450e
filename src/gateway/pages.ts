/**
 * The pages: everything a person sees, whole without JavaScript. Each is rendered from the log when it is asked for.
 *
 * A GET never changes anything. Every form carries a token; every question a hidden id, so that a double click, a reload
 * or the way back and forth makes one question.
 */
import type { Server } from '@hapi/hapi'
import { registerAsWritten } from './as-written-route.ts'
import { registerAssets } from './assets.ts'
import { registerChatRoutes } from './chat-routes.ts'
import { registerContentRoutes } from './content-routes.ts'
import { registerDownloadRoutes } from './download-routes.ts'
import { createErrorPage } from './error-page.ts'
import type { GatewayContext, PagesOptions } from './gateway-context.ts'
import { registerLeaving } from './leaving.ts'
import type { PageShell } from './page-shell.ts'
import { registerStates } from './states-routes.ts'
import { createViews } from './views.ts'

/**
 * Adds the pages to the server and takes over its error pages.
 *
 * @throws the template engine's error when a template is broken
 */
export function registerPages(server: Server, context: GatewayContext, { assets, helpPages, showsStates = false }: PagesOptions): void {
  const { brand } = context.settings
  const shell: PageShell = { context, views: createViews(), assets: assets.pathsOf(brand), helpPages }
  context.setErrorPage(createErrorPage(shell))
  registerAssets(server, assets)
  registerContentRoutes(server, shell)
  registerLeaving(server, shell)
  registerChatRoutes(server, shell)
  registerAsWritten(server, shell)
  registerDownloadRoutes(server, shell)
  if (showsStates) registerStates(server, shell)
}
