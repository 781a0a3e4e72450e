/**
 * The page between an answer's link and another website. No content policy stops a link: its address can carry what was said to
 * somebody else's server, and its text can say anything. So people see the whole address, and who wrote it, before they go there.
 *
 * Only addresses that an answer held are shown: each is signed when the answer is rendered, so nobody can make this page recommend
 * theirs. It never redirects.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { notFound } from '@hapi/boom'
import type { Request, Server } from '@hapi/hapi'
import { ANSWER_STYLE, isSafeLink, isTrustedHost, type HtmlStyle } from './answer-html.ts'
import type { Paths } from './paths.ts'
import { htmlReply, renderPage, type PageShell } from './page-shell.ts'
import { ENGLISH } from './words.ts'

const PATH = '/leaving'
const SIGNATURE_BYTES = 16

const sign = (secret: string, href: string): Buffer =>
  createHmac('sha256', secret).update(`leaving\n${href}`).digest().subarray(0, SIGNATURE_BYTES)

/** How an answer's links are written: to trusted hosts and to our own pages directly, to all others by way of the page here. */
export const guardedStyle = (secret: string, trustedHosts: readonly string[], paths: Paths): HtmlStyle => ({
  ...ANSWER_STYLE,
  link({ href, host }) {
    if (host === undefined) return { href: href.startsWith('/') ? paths.at(href) : href, note: undefined }
    if (isTrustedHost(host, trustedHosts)) return { href, note: undefined }
    const query = new URLSearchParams({ to: href, check: sign(secret, href).toString('base64url') })
    return { href: paths.at(`${PATH}?${query.toString()}`), note: host }
  },
})

export function registerLeaving(server: Server, shell: PageShell): void {
  server.route({
    method: 'GET',
    path: PATH,
    handler(request, h) {
      const href = signedAddress(request, shell.context.settings.secret)
      if (href === undefined) throw notFound()
      const { title, go } = ENGLISH.leaving
      const { host } = new URL(href)
      return htmlReply(
        h,
        renderPage(shell, request, 'leaving', { title, robots: 'none', address: href, go: go.replace('{host}', () => host) }),
      )
    },
  })
}

function signedAddress({ query }: Request, secret: string): string | undefined {
  const { to, check } = { ...query } as Readonly<Record<string, unknown>>
  if (typeof to !== 'string' || typeof check !== 'string' || !isSafeLink(to)) return undefined
  const given = Buffer.from(check, 'base64url')
  const expected = sign(secret, to)
  return given.length === expected.length && timingSafeEqual(given, expected) ? to : undefined
}
