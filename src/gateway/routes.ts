import type { Request } from '@hapi/hapi'

const API_PREFIX = '/api'
/** The live link; an upgrade anywhere else is refused. */
export const LINK_PATH = '/ws'

/** Where browsers report what the content policy refused. */
export const CSP_REPORTS_PATH = '/csp-reports'

/** The path hapi gives its own route for everything that no route matches. */
const UNMATCHED = '/{p*}'

/** Whether JSON answers this request, whatever goes wrong with it. */
export function isApiRequest(request: Request): boolean {
  const path = pathIn(request)
  return path === API_PREFIX || path.startsWith(`${API_PREFIX}/`)
}

/** The path as if the route had been registered without a prefix. */
const pathIn = ({ path, route }: Request): string => path.slice(route.realm.modifiers.route.prefix?.length ?? 0)

export const isCspReport = (request: Request): boolean => pathIn(request) === CSP_REPORTS_PATH

export const isUnknownRoute = (request: Request): boolean => request.route.path === UNMATCHED

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The methods that the address of a request takes, which is not the request's own; none for an address that does not exist. */
export function otherMethods({ server, path }: Request): readonly string[] {
  const isTaken = (method: (typeof METHODS)[number]): boolean => {
    try {
      return server.match(method, path) !== null
    } catch {
      return false // an address that cannot be read is none
    }
  }
  return METHODS.filter(isTaken).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
}

/** The route's template, for logs and metrics: never the path, which holds ids. */
export const routeTemplate = (request: Request): string => (isUnknownRoute(request) ? 'unknown' : request.route.path)
