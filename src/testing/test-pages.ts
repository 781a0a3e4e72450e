/** The pages as tests want them: a gateway with pages and without a browser, and what a person does with links and forms. */
import type { ServerInjectResponse } from '@hapi/hapi'
import type { Assets } from '../gateway/assets.ts'
import type { HelpPage } from '../gateway/page-shell.ts'
import { createTestGateway, type TestGateway, type TestVisitor } from './test-gateway.ts'

const file = (content: string) => ({ content: Buffer.from(content), type: 'text/css', cacheControl: 'public', etag: 'e' })
const madeUp: Assets = {
  pathsOf: (brand) => ({
    css: `/assets/${brand}-1.css`,
    chat: '/assets/chat-1.js',
    components: '/assets/components-1.js',
    icon: '/assets/icon-1.svg',
  }),
  ops: { css: '/assets/ops-1.css', js: '/assets/ops-1.js', icon: '/assets/icon-1.svg' },
  find: (name) => (name === 'generic-1.css' ? file('a{}') : undefined),
}
const helpPages: readonly HelpPage[] = [
  {
    slug: 'how-the-assistant-works',
    title: 'How it works',
    text: 'It **thinks**.\n\n## More\n\n<script>alert(1)</script>',
    summary: 'In short.',
    audience: 'people',
  },
  { slug: 'other', title: 'Other <help>', text: 'More.', summary: '', audience: 'on-call' },
]
type Given = Parameters<typeof createTestGateway>

/** `assets` in place of made-up files, the page of all states, and other ports. */
type Others = NonNullable<Given[1]> & { readonly assets?: Assets; readonly showsStates?: boolean }

export const createPages = (
  settings: Given[0] = {},
  { assets = madeUp, showsStates = false, ...ports }: Others = {},
): Promise<TestGateway> => createTestGateway(settings, { pages: { assets, helpPages, showsStates }, ...ports })
/** A request is being held back: the only thing here that has a timer. */
export async function isWaiting({ clock }: TestGateway): Promise<void> {
  while (clock.waiting === 0) await clock.settle()
}

export const pathOf = (response: ServerInjectResponse): string => String(response.headers.location)
export const text = (html: string): string =>
  html
    .replace(/<template[\s\S]*?<\/template>|<script[\s\S]*?<\/script>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')

/** Where the page after a question is asked for. */
export const waitPath = (sent: ServerInjectResponse): string => pathOf(sent).split('#')[0] ?? ''

/** The fields of the first form that posts to an address with this end. */
export function fields(html: string, end: string): Record<string, string> {
  const form = [...html.matchAll(/<form[^>]*? action="([^"]*)"[^>]*>([\s\S]*?)<\/form>/g)].find(([, action]) => action?.endsWith(end))
  if (form === undefined) throw new Error(`no form to ${end}`)
  return Object.fromEntries(
    [...(form[2] ?? '').matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)].map(([, n = '', v = '']) => [n, v]),
  )
}

export const post = (visitor: TestVisitor, url: string, form: Record<string, string>): Promise<ServerInjectResponse> =>
  visitor.request('POST', url, {
    payload: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })

/** Somebody on the chat page of a new conversation. */
export async function begin(gateway: TestGateway): Promise<{ visitor: TestVisitor; path: string; page: string }> {
  const visitor = gateway.visitor()
  const start = await visitor.request('GET', '/')
  const path = pathOf(await post(visitor, '/conversations', fields(start.payload, '/conversations')))
  const { payload } = await visitor.request('GET', path)
  return { visitor, path, page: payload }
}

/** Sends the question form of `page`. */
export const send = (visitor: TestVisitor, page: string, path: string, question: string): Promise<ServerInjectResponse> =>
  post(visitor, `${path}/messages`, { ...fields(page, '/messages'), question })
