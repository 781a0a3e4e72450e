/**
 * The operator page come alive: it is fetched again every few seconds, and what has changed is put in the place of what was there.
 *
 * The server writes the page, and this script knows nothing of what it says. It moves no focus and closes nothing that was opened, says
 * when what is shown has grown old, and stops when it is told to.
 */
import { find, findIn } from './elements.ts'
import { clock } from './window-clock.ts'

const EVERY_MS = 5_000
const PATIENCE_MS = 4_000

type HtmlPolicy = { createHTML(html: string): string }

/** Pages of our own, from our own origin, are read as such; browsers without the feature have nothing to ask. */
function createPolicy(): HtmlPolicy {
  const factory: unknown = Reflect.get(window, 'trustedTypes')
  const plain: HtmlPolicy = { createHTML: (html) => html }
  if (typeof factory !== 'object' || factory === null || !('createPolicy' in factory)) return plain
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the standard's factory; its types are not in every library
  return (factory as { createPolicy(name: string, rules: HtmlPolicy): HtmlPolicy }).createPolicy('ops', plain)
}

async function fetchPage(policy: HtmlPolicy): Promise<Document> {
  const giving = new AbortController()
  const callOff = clock.schedule(PATIENCE_MS, () => giving.abort())
  try {
    const response = await fetch('/ops/status', { cache: 'no-store', signal: giving.signal })
    if (!response.ok) throw new Error(`answered ${response.status}`)
    return new DOMParser().parseFromString(policy.createHTML(await response.text()), 'text/html')
  } finally {
    callOff()
  }
}

/** Puts the sections of `page` in place of ours, but for those that somebody is in. */
function take(page: Document): void {
  document.title = page.title
  for (const fresh of page.querySelectorAll('main > section')) {
    const old = document.getElementById(fresh.id)
    if (old === null || old.contains(document.activeElement)) continue
    for (const opened of old.querySelectorAll('details[open]')) {
      const details = page.getElementById(opened.id)
      if (details instanceof HTMLDetailsElement) details.open = true
    }
    if (fresh.outerHTML !== old.outerHTML) old.replaceWith(document.adoptNode(fresh))
  }
}

/** @throws when this is another page */
function enhance(): void {
  const [asked, live, pause] = [find('asked'), find('live'), find('pause')]
  const policy = createPolicy()
  let takenAt = document.querySelector('#asked time')?.textContent ?? ''
  let isPaused = false

  const say = (text: string): void => {
    const line = findIn(live, '[data-text]')
    // Said once: whoever listens need not hear it every five seconds.
    if (line.textContent !== text) line.textContent = text
    live.hidden = text === ''
  }
  const show = (): void => {
    asked.textContent = isPaused ? `As it was at ${takenAt}. Paused.` : `As it was at ${takenAt}, every 5 seconds.`
    pause.textContent = isPaused ? 'Go on' : 'Pause'
  }
  const look = async (): Promise<void> => {
    if (!isPaused && !document.hidden) {
      try {
        const page = await fetchPage(policy)
        takenAt = page.querySelector('#asked time')?.textContent ?? takenAt
        take(page)
        say('')
      } catch {
        // Whatever it was: what is shown is old, and nothing else is known.
        say(`This process does not answer. Everything here is as it was at ${takenAt}.`)
      }
      show()
    }
    clock.schedule(EVERY_MS, () => void look())
  }

  pause.hidden = false
  pause.addEventListener('click', () => {
    isPaused = !isPaused
    show()
  })
  show()
  clock.schedule(EVERY_MS, () => void look())
}

// A page that says that it loads again by itself does.
if (!new URL(location.href).searchParams.has('refresh')) enhance()
