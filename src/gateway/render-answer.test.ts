import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ANSWER_BLOCKS_MAX, ANSWER_CHARS_MAX } from '../conversation/limits.ts'
import { linksIn } from './answer-links.ts'
import { renderBlocks } from './render-answer.ts'

const whole = (text: string): string =>
  renderBlocks(text, true)
    .map((block) => block.html)
    .join('')

const TAGS = new Set('p br strong em code pre ul ol li a blockquote h4 h5 h6 table thead tbody tr th td hr'.split(' '))
const ATTRIBUTES: Readonly<Record<string, RegExp>> = {
  class: /^(?:govuk-[a-z-]+|app-[a-z-]+)(?: govuk-[a-z-]+)*$/,
  href: /^(?:https?:\/\/[^\s"'<>]+|\/help\/[a-z]+)$/,
  rel: /^noopener noreferrer nofollow$/,
  start: /^\d{1,9}$/,
  scope: /^col$/,
}
const PIECE = /<(\/?)([a-z][a-z0-9]*)((?: [a-z]+="[^"<>]*")*)>|([^<>]+)/y

/** Everything in `html` that the allow-list does not know, and tags that do not match. */
function strangers(html: string): readonly string[] {
  const found: string[] = []
  const open: string[] = []
  PIECE.lastIndex = 0
  for (let at = 0; at < html.length; at = PIECE.lastIndex) {
    const piece = PIECE.exec(html)
    if (piece === null) return [...found, `not HTML at ${at}: ${html.slice(at, at + 40)}`]
    const [, close, tag, attributes = '', text] = piece
    if (text !== undefined) {
      if (/["']/.test(text)) found.push(`a bare quote in ${text}`)
      continue
    }
    if (tag === undefined || !TAGS.has(tag)) found.push(`tag ${tag}`)
    else if (close === '/') {
      if (open.pop() !== tag) found.push(`unmatched </${tag}>`)
    } else if (tag !== 'br' && tag !== 'hr') open.push(tag)
    for (const [, name = '', value = ''] of attributes.matchAll(/ ([a-z]+)="([^"]*)"/g)) {
      if (ATTRIBUTES[name]?.test(value) !== true) found.push(`${name}="${value}"`)
    }
  }
  return open.length > 0 ? [...found, `left open: ${open.join(' ')}`] : found
}

/** Text that is likely to mean something in Markdown or HTML. */
const pieces = [
  ...'> # * _ - + ` ~ | [ ] ( ) { } ! < & " \' \\ : = . 1'.split(' '),
  ' ',
  '\n',
  '\r',
  '\t',
  '\f',
  '\v',
  '\u00A0',
  '\u3000',
  '\u0085',
  '\n\u00A0\n',
  '\0',
  '\n\n',
  '\r\n',
  '- ',
  '1. ',
  '3) ',
  '> ',
  '***',
  '---',
  '===',
  '```',
  '~~~',
  '|-|',
  '| a | b |\n|---|---|\n| c | d |',
  '    ',
  '[a](https://example.com/x)',
  '[a]: https://example.com',
  '[a]',
  '![x](https://example.com/?d=1)',
  '<https://example.com>',
  '<img src=x onerror=alert(1)>',
  '<!-- ',
  '</p>',
  '&lt;',
  '&#0;',
  'javascript:alert(1)',
  'word',
  'é',
  '👨‍👩‍👧',
  '\uD800',
  '\u202E',
  '\u2028',
]
const answer = fc
  .array(fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...pieces) }, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 60 })
  .map((parts) => parts.join(''))

describe('what is shown', () => {
  test.each([
    ['A **bold** and *soft* `x<y`.', '<p class="govuk-body">A <strong>bold</strong> and <em>soft</em> <code>x&lt;y</code>.</p>'],
    ['one\ntwo', '<p class="govuk-body">one<br>two</p>'],
    ['# Big\n\n### Small', '<h4 class="govuk-heading-m">Big</h4><h5 class="govuk-heading-s">Small</h5>'],
    ['- a\n- b', '<ul class="govuk-list govuk-list--bullet"><li>a</li><li>b</li></ul>'],
    ['3. c\n4. d', '<ol class="govuk-list govuk-list--number" start="3"><li>c</li><li>d</li></ol>'],
    ['> said', '<blockquote class="app-quote"><p class="govuk-body">said</p></blockquote>'],
    ['```js\n<b>\n```', '<pre class="app-code"><code>&lt;b&gt;\n</code></pre>'],
    ['---', '<hr class="govuk-section-break govuk-section-break--m govuk-section-break--visible">'],
    [
      '|a|\n|-|\n|b|',
      '<table class="govuk-table"><thead><tr><th scope="col">a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>',
    ],
  ])('[W1] %j', (text, html) => {
    expect(whole(text)).toBe(html)
  })

  test.each([
    ['### Only small', ['h4']],
    ['# A\n\n#### D\n\n## B\n\n### C\n\n###### F\n\n# A', ['h4', 'h5', 'h5', 'h6', 'h6', 'h4']],
    ['### C\n\n### C\n\n##### E\n\n##### E\n\n### C\n\n## B\n\n### C', ['h4', 'h4', 'h5', 'h5', 'h4', 'h4', 'h5']],
    ['# A\n\n## B\n\n### C\n\n#### D\n\n##### E', ['h4', 'h5', 'h6', 'h6', 'h6']],
    ['> ### quoted\n\n### C', ['h4', 'h4']],
  ])('[W49] headings of %j leave no level out', (text, tags) => {
    const tagsIn = (html: string) => [...html.matchAll(/<(h\d)/g)].map(([, tag]) => tag)
    expect(tagsIn(whole(text))).toEqual(tags)
    let known = renderBlocks('', false)
    for (let length = 0; length <= text.length; length += 1) known = renderBlocks(text.slice(0, length), false, known)
    expect(
      tagsIn(
        renderBlocks(text, true, known)
          .map(({ html }) => html)
          .join(''),
      ),
    ).toEqual(tags)
  })

  test('[W2] a link goes to the web only and says where, unless it stays on GOV.UK', () => {
    const rel = 'rel="noopener noreferrer nofollow"'
    expect(whole('[pay](https://evil.example/x?d=1)')).toBe(
      `<p class="govuk-body"><a class="govuk-link" href="https://evil.example/x?d=1" ${rel}>pay (evil.example)</a></p>`,
    )
    expect(whole('[tax](https://www.gov.uk/tax)')).toBe(
      `<p class="govuk-body"><a class="govuk-link" href="https://www.gov.uk/tax" ${rel}>tax</a></p>`,
    )
    expect(whole('[help](/help/privacy)')).toBe(`<p class="govuk-body"><a class="govuk-link" href="/help/privacy" ${rel}>help</a></p>`)
    expect(whole('[https://www.gov.uk](https://notgov.uk)')).toContain('(notgov.uk)</a>')
  })

  test.each([
    '[a](javascript:alert(1))',
    '[a](JaVaScRiPt:alert(1))',
    '[a](&#106;avascript:alert(1))',
    '[a](java\tscript:alert(1))',
    '[a](data:text/html,x)',
    '[a](//evil.example)',
    '[a](/conversations/delete)',
    '[a](/help/../conversations)',
    '[a](/help//evil.example)',
    '[a](https://www.gov.uk@evil.example/)',
    '[a](https://)',
    '[a](ftp://gov.uk)',
    '<https://evil.example>',
    'https://evil.example',
    '[a]: https://evil.example\n\n[a]',
  ])('[W2] %j makes no link', (text) => {
    expect(whole(text)).not.toContain('<a')
  })

  test('[W2] a link may lead to the place on the page that says where else to get help', () => {
    expect(whole('[Help](#other-help) and [not](#main)')).toBe(
      '<p class="govuk-body"><a class="govuk-link" href="#other-help" rel="noopener noreferrer nofollow">Help</a> and [not](#main)</p>',
    )
  })

  test('[W2] a link cannot turn around the address it shows', () => {
    expect(whole('[\u202Eku.vog\u2066](https://evil.example)')).toContain('>ku.vog (evil.example)</a>')
  })

  test('[W3] a picture is its description and is never fetched', () => {
    expect(whole('![a cat](https://evil.example/?d=SECRET)')).toBe('<p class="govuk-body">a cat</p>')
    expect(whole('<img src=x onerror=alert(1)><svg><form action=//evil>')).toBe(
      '<p class="govuk-body">&lt;img src=x onerror=alert(1)&gt;&lt;svg&gt;&lt;form action=//evil&gt;</p>',
    )
  })

  test('[W1] whatever the text, only the allow-list is written, and nothing is thrown', () => {
    fc.assert(
      fc.property(answer, fc.boolean(), (text, isEnded) => {
        expect(renderBlocks(text, isEnded).flatMap((block) => strangers(block.html))).toEqual([])
      }),
      { numRuns: 1_000 },
    )
  })

  test('[W1] what an answer says is all there', () => {
    const word = fc.stringMatching(/^[a-z]{3,8}$/)
    const marks = fc.constantFrom(
      ' ',
      '\n',
      '\n\n',
      '\n> ',
      '\n- ',
      '\n1. ',
      '\n# ',
      '\n    ',
      '\n```\n',
      ' **',
      '* ',
      '`',
      ' | ',
      '\n---\n',
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(word, marks), { maxLength: 40 }), (parts) => {
        const text = parts.map(([said, mark]) => said + mark).join('')
        const shown = whole(text).replace(/<[^>]*>/g, ' ')
        for (const [said] of parts) expect(shown).toContain(said)
      }),
    )
  })
})

describe('blocks', () => {
  test('[W4] a block is complete when nothing that follows can belong to it', () => {
    const counts = (texts: readonly string[]) => texts.map((text) => renderBlocks(text, false).length)
    expect(counts(['One.', 'One.\n', 'One.\n\n', 'One.\n\nTw', 'One.\n- x\n', '# One', '# One\n', '***\n'])).toEqual([
      0, 0, 1, 1, 1, 0, 1, 1,
    ])
    expect(counts(['- a\n\n', '- a\n\ntext', '- a\n\ntext\n', '> a\n\n', '```\na\n\n', '|a|\n|-|\n', '|a|\n|-|\n\n'])).toEqual([
      0, 0, 1, 0, 0, 0, 1,
    ])
  })

  test('[W4] blocks say how much of the text they cover, and at the end nothing but space is left', () => {
    expect(renderBlocks('One.\n\nTwo.\n', false)).toEqual([
      { html: '<p class="govuk-body">One.</p>', upTo: 5, isRestPlain: false, headings: [] },
    ])
    expect(renderBlocks('\r\nOne.\r\n\r\nTwo.  \r\n \r\n', true).map((block) => block.upTo)).toEqual([8, 18])
    expect(renderBlocks('', true)).toEqual([])
    expect(renderBlocks(' \n\n', true)).toEqual([])
  })

  test('[W4] the blocks of every prefix are the first blocks of the whole', () => {
    fc.assert(
      fc.property(answer, (text) => {
        const all = renderBlocks(text, true)
        const running = renderBlocks(text, false)
        expect(all.slice(0, running.length)).toEqual(running)
        for (let length = 0; length <= text.length; length += 1) {
          const some = renderBlocks(text.slice(0, length), false)
          expect(all.slice(0, some.length)).toEqual(some)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('[W4] rendering on from known blocks gives what rendering from the start gives', () => {
    fc.assert(
      fc.property(answer, fc.array(fc.nat(200), { maxLength: 5 }), (text, cuts) => {
        let known = renderBlocks('', false)
        for (const cut of cuts.toSorted((a, b) => a - b)) known = renderBlocks(text.slice(0, cut), false, known)
        expect(renderBlocks(text, true, known)).toEqual(renderBlocks(text, true))
      }),
      { numRuns: 1_000 },
    )
  })

  test('[W4] a hostile line turns the rest into plain text and leaves the blocks before it as they were', () => {
    const text = `**One.**\n\n${'>'.repeat(13)} deep **x**\n\nafter`
    expect(renderBlocks(text, true).map((block) => block.html)).toEqual([
      '<p class="govuk-body"><strong>One.</strong></p>',
      `<p class="govuk-body">${'&gt;'.repeat(13)} deep **x**<br><br>after</p>`,
    ])
    expect(renderBlocks('\n\n' + '- '.repeat(14) + 'x', true)).toHaveLength(1)
  })
})

describe('links', () => {
  test('[W36] those of an answer are HTML of the renderer, each address once and in its order', () => {
    const link = fc.tuple(
      fc.constantFrom('a', '**b**', '`<c>`', '[d', 'e"f'),
      fc.constantFrom('https://www.gov.uk/a', 'https://evil.example/?d=1', '/help/x', 'javascript:1'),
    )
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            link.map(([text, href]) => `[${text}](${href})`),
            fc.constantFrom(...pieces),
          ),
          { maxLength: 40 },
        ),
        (parts) => {
          const blocks = renderBlocks(parts.join(' '), true)
          const links = linksIn(blocks)
          expect(links.flatMap(strangers)).toEqual([])
          const inText = blocks.flatMap(({ html }) => [...html.matchAll(/ href="([^"]*)"/g)].map(([, href]) => href))
          expect(links.map((html) => / href="([^"]*)"/.exec(html)?.[1])).toEqual([...new Set(inText)])
        },
      ),
      { numRuns: 200 },
    )
  })

  test('[W36] a place on the page itself is not among them', () => {
    expect(linksIn(renderBlocks('[Help](#other-help) and [a page](/help/a)', true))).toEqual([expect.stringContaining('/help/a')])
  })

  test('[W36] no more than 50 are listed', () => {
    const blocks = renderBlocks(
      Array.from({ length: 80 }, (_unused, index) => `[${index}](https://www.gov.uk/${index})`).join('\n\n'),
      true,
    )
    expect(linksIn(blocks)).toHaveLength(50)
  })
})

describe('cost', () => {
  const size = ANSWER_CHARS_MAX
  const fill = (unit: string): string => unit.repeat(Math.floor(size / unit.length))
  test.each(['>', '[a](', '|a|b|\n'])(
    '[W5] ten megabytes of %j are shown, as plain text beyond what Markdown may cost',
    { timeout: 60_000 },
    (unit) => {
      const text = unit.repeat(Math.ceil((10 * 1024 * 1024) / unit.length))
      const blocks = renderBlocks(text, true)
      const html = blocks.map((block) => block.html).join('')
      expect(text.slice(blocks.at(-1)?.upTo ?? 0).trim()).toBe('')
      expect(html.length).toBeLessThan(text.length * 13)
      expect(html).not.toMatch(/<(?!\/?(?:p|br|strong|em|code|pre|ul|ol|li|a|blockquote|h4|h5|h6|table|thead|tbody|tr|th|td|hr)\b)/)
    },
  )

  test.each([
    ['nested quotes', fill('>')],
    ['nested quotes on lines', fill('> > > > > > > > > > > >\n')],
    ['one deep quote and lazy lines', `${'> '.repeat(12)}x\n${'x\n'.repeat(90_000)}`],
    ['nested lists', fill('- ')],
    ['deep indentation', Array.from({ length: 600 }, (_unused, depth) => `${' '.repeat(depth)}- x`).join('\n')],
    ['stars', fill('*')],
    ['stars in lines', fill(`${'*a **b _c __d '.repeat(100)}\n\n`)],
    ['brackets', fill('[')],
    ['brackets in lines', fill(`${'['.repeat(10_000)}\n\n`)],
    ['links', fill(`${'[a]('.repeat(2_500)}\n\n`)],
    ['backticks', fill(`${'`'.repeat(100)} \``)],
    ['angles', fill('<a ')],
    ['entities', fill('&amp')],
    ['a huge table', `|a|b|\n|-|-|\n${fill('|c|d|\n')}`.slice(0, size)],
    ['a wide table', `${'|'.repeat(60)}\n${'|-'.repeat(60)}|\n${fill('|\n')}`.slice(0, size)],
    ['empty lines', fill('a\n\n')],
    ['words', fill('word ')],
    ['paragraphs', fill('Some words in a paragraph.\n\n')],
  ])('[W5] %s cost little and give bounded, allowed HTML', (_name, text) => {
    const blocks = renderBlocks(text, true)
    const html = blocks.map((block) => block.html)
    expect(text.slice(blocks.at(-1)?.upTo).trim()).toBe('')
    expect(blocks.length).toBeLessThanOrEqual(ANSWER_BLOCKS_MAX + size / 4_000 + 1)
    expect(html.join('').length).toBeLessThan(text.length * 13)
    expect(strangers(html.join(''))).toEqual([])
  })
})
