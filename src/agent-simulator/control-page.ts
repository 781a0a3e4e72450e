/** The page on which a person breaks the simulated agent by hand: forms and a table, no script. Pure. */
import { createHash } from 'node:crypto'
import { FAULT_MEANINGS, FAULT_NAMES, formatPlan, formatStep } from './fault.ts'
import { stepInForce, type FaultState, type Pace } from './faults.ts'
import type { Stats } from './stats.ts'

export interface PageFacts {
  readonly state: FaultState
  readonly pace: Pace
  readonly stats: Stats
}

/** What the person has to mend, and what they had typed. */
export interface PageNote {
  readonly problems: readonly string[]
  readonly typed: string | undefined
}

const STYLE = `
body{font:1.1875rem/1.4 arial,sans-serif;color:#0b0c0c;background:#fff;max-width:45rem;margin:0 auto;padding:1rem}
h1{font-size:2rem;line-height:1.1}h2{font-size:1.5rem;margin-top:2rem}
a{color:#1a65a6}label,legend{font-weight:bold}fieldset{border:0;margin:0;padding:0}
.choice{display:flex;gap:.75rem;align-items:flex-start;padding:.5rem 0}.choice input{width:1.5rem;height:1.5rem;margin:0;flex:none}
.choice label{font-weight:normal}.hint{color:#484949}
textarea{width:100%;box-sizing:border-box;font:1rem/1.4 monospace;border:2px solid #0b0c0c;padding:.5rem}
button{font:inherit;color:#fff;background:#0f7a52;border:0;padding:.6rem 1rem;margin:.75rem 0;cursor:pointer}
button.plain{color:#0b0c0c;background:#cecece}
a:focus,button:focus,input:focus,textarea:focus{outline:3px solid #0b0c0c;outline-offset:0;box-shadow:0 0 0 6px #fd0}
.now{border-left:10px solid #8eb8dc;padding:.5rem 1rem}.problem{border:4px solid #ca3535;padding:1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;border-bottom:1px solid #cecece;padding:.5rem .5rem .5rem 0}
`
const styleHash = createHash('sha256').update(STYLE).digest('base64')

/** The Content-Security-Policy of the page. */
export const CONTROL_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')

/** The HTML document. */
export function controlPage({ state, pace, stats }: PageFacts, note?: PageNote): string {
  const current = stepInForce(state)
  const title = note === undefined ? 'Agent simulator' : 'Error: Agent simulator'
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${note === undefined ? '' : problemBox(note.problems)}
<h1>Agent simulator</h1>
<p>This program stands in for an AI agent. Break it, and watch what the chat page does.</p>
<p class="now" id="now">Now: <strong>${escape(formatStep(current))}</strong>. The agent ${escape(FAULT_MEANINGS[current.fault])}.</p>
<p class="hint">Script: ${escape(formatPlan(state.plan))}. Seed ${state.seed}. Normal answers begin after ${pace.firstMs} ms and go on every ${pace.chunkMs} ms.</p>

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
