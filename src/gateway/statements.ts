/** The statements every public service has, in words that are true of this software; a team adds what is particular to it in its guidance. */
import type { TextPage } from './page-shell.ts'

export const STATEMENTS: readonly TextPage[] = [
  {
    slug: 'accessibility',
    title: 'Accessibility statement',
    text: `This statement is about {service}.

We want as many people as possible to be able to use it. You should be able to:

- change colours, contrast levels and fonts
- zoom in up to 400% without the text spilling off the screen
- use it with a keyboard only
- use it with speech recognition software
- listen to it with a screen reader
- use all of it with JavaScript turned off

## How accessible it is

It is built to meet the Web Content Accessibility Guidelines version 2.2, AA standard. Every change is checked with automated tests, in a browser, with and without JavaScript.

It has not yet been tested with people who use assistive technologies, and it has not been audited.

Answers are written by an AI assistant. We show them as headings, lists, tables and paragraphs, but we do not control how clearly they are written.

## Report a problem

Tell the team that runs this service. Say which page you were on and what happened.`,
  },
  {
    slug: 'privacy',
    title: 'Privacy',
    text: `This page says what {service} does with what you type.

## What is kept

- your questions and the answers to them
- the times at which they were sent
- a random number in a cookie that connects your browser to your conversations
- on your own device, a question that has not reached us yet, until it has or you delete it

You do not sign in, and we do not ask who you are. Do not include personal information in your questions.

## Who sees it

Your questions, and what was said before in the same conversation, are sent to the AI assistant so that it can answer.

Logs of this service hold no words of yours and no words of the assistant.

## How long it is kept

A conversation closes {time} after your last question in it. It is then deleted.

You can delete a conversation at any time. It is removed from this service at once, with every question and answer in it.`,
  },
  {
    slug: 'cookies',
    title: 'Cookies',
    text: `Cookies are small files saved on your device when you visit a website.

{service} uses only cookies that it needs to work. There are no others, so you are not asked to accept any.

| Name | What it does | When it goes |
|---|---|---|
| visitor | Connects your browser to your conversations, so that nobody else can read them | 2 days after your last visit, or later if conversations are kept for longer |

Where the service uses HTTPS the name of the cookie starts with \`__Host-\`.

## What else is saved on your device

| Name | What it does | When it goes |
|---|---|---|
| chat (IndexedDB) | Keeps a question that you sent until we have it, so that it is not lost when your connection or your device fails | When we have the question or you delete it; what is left is deleted after a week |
| chat-page (session storage) | Tells a page that you load again which page was there before | When you close the tab |`,
  },
]
