/** How the simulator's pages look, and what their policy allows them: their own style and nothing else. Pure. */
import { createHash } from 'node:crypto'

export const PAGE_STYLE = `
body{font:1.1875rem/1.4 arial,sans-serif;color:#0b0c0c;background:#fff;max-width:80rem;margin:0 auto;padding:1rem}
h1{font-size:2rem;line-height:1.1}h2{font-size:1.5rem;margin-top:2rem}
a{color:#1a65a6}label,legend{font-weight:bold}fieldset{border:0;margin:0;padding:0}
.choice{display:flex;gap:.75rem;align-items:flex-start;padding:.5rem 0}.choice input{width:1.5rem;height:1.5rem;margin:0;flex:none}
.choice label{font-weight:normal}.hint{color:#484949}
textarea{width:100%;box-sizing:border-box;font:1rem/1.4 monospace;border:2px solid #0b0c0c;padding:.5rem}
button{font:inherit;color:#fff;background:#0f7a52;border:0;padding:.6rem 1rem;margin:.75rem 0;cursor:pointer}
button.plain{color:#0b0c0c;background:#cecece}
a:focus,button:focus,input:focus,textarea:focus{outline:3px solid #0b0c0c;outline-offset:0;box-shadow:0 0 0 6px #fd0}
.now{border-left:10px solid #8eb8dc;padding:.5rem 1rem}.problem{border:4px solid #ca3535;padding:1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;border-bottom:1px solid #cecece;padding:.5rem .5rem .5rem 0;overflow-wrap:anywhere}
iframe{width:100%;height:30rem;border:1px solid #cecece}
@media (min-width:60rem){.beside{display:grid;grid-template-columns:3fr 2fr;gap:2rem}.watch{position:sticky;top:1rem;align-self:start}.watch h2{margin-top:1rem}}
`
const styleHash = createHash('sha256').update(PAGE_STYLE).digest('base64')

/** A Content-Security-Policy: no script, nothing loaded, and what `more` allows. */
export const policyOf = (more: string): string =>
  `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; ${more}`

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
export const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
