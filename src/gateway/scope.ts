/**
 * Which requests of the server are the gateway's business: all of them where the server is its own, and otherwise those to its own
 * routes, so that a server that is somebody else's keeps its headers, its errors and its forms to itself.
 */
import type { Lifecycle, Request, Server } from '@hapi/hapi'

/** The plugin's name, by which hapi knows its routes. */
export const GATEWAY = 'gateway'

export interface Scope {
  readonly isWholeServer: boolean
  isOurs(request: Request): boolean
  /** Calls `method` before anything else is done about a request of ours. */
  onBegin(method: Lifecycle.Method): void
  /** Calls `method` before the handler of a request of ours, when its body has been read. */
  onPreHandler(method: Lifecycle.Method): void
}

export function scopeOf(server: Server, isWholeServer: boolean): Scope {
  const ours = isWholeServer ? {} : { sandbox: 'plugin' as const }
  return {
    isWholeServer,
    isOurs: (request) => isWholeServer || request.route.realm.plugin === GATEWAY,
    onBegin(method) {
      // Whose route a request is for, hapi knows only after `onRequest`.
      if (isWholeServer) server.ext('onRequest', method)
      else server.ext('onPreAuth', method, ours)
    },
    onPreHandler: (method) => server.ext('onPreHandler', method, ours),
  }
}
