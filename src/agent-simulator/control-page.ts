/** The page on which a person breaks the simulated agent by hand: forms and a table, no script. Pure. */
import { escape, PAGE_STYLE, policyOf } from './control-style.ts'
import { FAULT_MEANINGS, FAULT_NAMES, formatPlan, formatStep } from './fault.ts'
import { SERVICE_PATHS } from './service-page.ts'
import { stepInForce, type FaultState, type Pace } from './faults.ts'
import type { Stats } from './stats.ts'

export interface PageFacts {
  readonly state: FaultState
  readonly pace: Pace
  readonly stats: Stats
  /** Where the service is that asks this agent; `undefined`: nobody said. */
  readonly serviceUrl: string | undefined
}

/** What the person has to mend, and what they had typed. */
export interface PageNote {
  readonly problems: readonly string[]
  readonly typed: string | undefined
}

/** The Content-Security-Policy of the page. */
export const CONTROL_PAGE_POLICY = policyOf("frame-src 'self'; frame-ancestors 'none'")

/** The HTML document. */
export function controlPage({ state, pace, stats, serviceUrl }: PageFacts, note?: PageNote): string {
  const current = stepInForce(state)
  const title = note === undefined ? 'Agent simulator' : 'Error: Agent simulator'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${note === undefined ? '' : problemBox(note.problems)}
<h1>Agent simulator</h1>
<p>This program stands in for an AI agent. Break it, and watch what the chat page does.</p>
<p class="now" id="now">Now: <strong>${escape(formatStep(current))}</strong>. The agent ${escape(FAULT_MEANINGS[current.fault])}.</p>
<p class="hint">Script: ${escape(formatPlan(state.plan))}. Seed ${state.seed}. Normal answers begin after ${pace.firstMs} ms and go on every ${pace.chunkMs} ms.</p>

<div class="beside">
<div>
<h2>Choose what the agent does</h2>
<form method="post" action="/">
<input type="hidden" name="action" value="fault">
<fieldset>
<legend>From now on the agent</legend>
${FAULT_NAMES.map((name) => choice(name, name === current.fault)).join('\n')}
</fieldset>
<button>Apply</button>
</form>

<h2>Run a script</h2>
<form method="post" action="/">
<input type="hidden" name="action" value="script">
<label for="script">Steps</label>
<p class="hint" id="script-hint">One step a line, such as <code>error rate=0.5 count=3</code> or <code>refused ms=10000</code>. A last line <code>repeat</code> begins again.</p>
${note === undefined ? '' : `<p id="script-problem"><strong>${note.problems.map(escape).join('<br>')}</strong></p>`}
<textarea id="script" name="script" rows="4" aria-describedby="script-hint${note === undefined ? '' : ' script-problem'}" spellcheck="false">${escape(note?.typed ?? '')}</textarea>
<button>Run</button>
</form>
</div>
${serviceUrl === undefined ? '' : watch(serviceUrl)}
</div>

<h2>What reached the agent</h2>
${statsTable(stats)}
<p><a href="/">Show the latest numbers</a></p>
<form method="post" action="/">
<input type="hidden" name="action" value="reset">
<button class="plain">Be normal and count from 0</button>
</form>

<h2>For programs</h2>
<p><code>GET</code> and <code>PUT /control/faults</code>, <code>GET /control/stats</code> and <code>POST /control/reset</code>: see <code>docs/agent-protocol.md</code>.</p>
</main>
</body>
</html>
`
}

/** What the service says meanwhile, beside the controls. */
const watch = (url: string): string => `<div class="watch">
<h2>What the service says</h2>
<iframe src="${SERVICE_PATHS.moving}" title="What the service says, read again every few seconds"></iframe>
<p><a href="${escape(url)}" target="_blank" rel="noopener">Open the chat page (opens in a new tab)</a> and ask something, then break the agent.</p>
</div>`

const problemBox = (problems: readonly string[]): string =>
  `<div class="problem" role="alert"><h2>There is a problem</h2><ul>${problems.map((text) => `<li><a href="#script">${escape(text)}</a></li>`).join('')}</ul></div>`

const choice = (name: (typeof FAULT_NAMES)[number], isChosen: boolean): string =>
  `<div class="choice"><input type="radio" id="fault-${name}" name="fault" value="${name}"${isChosen ? ' checked' : ''}>` +
  `<label for="fault-${name}"><strong>${name}</strong>: ${escape(FAULT_MEANINGS[name])}</label></div>`

function statsTable(stats: Stats): string {
  const turns = Object.values(stats.turns)
  const rows: readonly (readonly [string, number])[] = [
    ['Connections taken', stats.connections],
    ['Connections open now', stats.openConnections],
    ['Connections refused', stats.refusals],
    ['Questions', stats.questions],
    ['Different turns', turns.length + stats.turnsForgotten],
    ['Turns asked more than once', turns.filter((turn) => turn.questions > 1).length],
    ['Answers sent whole', stats.finished],
    ['Cancels', stats.cancels],
    ['Pings', stats.pings],
    ['Messages not of the form', stats.badMessages],
    ...Object.entries(stats.faults).map(([name, count]) => [`Answers that met ${name}`, count] as const),
  ]
  const body = rows.map(([name, count]) => `<tr><th scope="row">${escape(name)}</th><td>${count}</td></tr>`).join('\n')
  return `<table><thead><tr><th scope="col">What</th><th scope="col">How many</th></tr></thead><tbody>\n${body}\n</tbody></table>`
}
