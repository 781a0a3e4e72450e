/** Finding, making and changing elements, so that a missing one is an error with a name and nothing is written twice. */

/** The element with this id. @throws when it is missing or of another kind */
export function find(id: string): HTMLElement
export function find<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind
export function find(id: string, kind: new () => HTMLElement = HTMLElement): HTMLElement {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`the page has no #${id}`)
  return element
}

/** The first match inside `parent`. @throws when it is missing or of another kind */
export function findIn(parent: ParentNode, selector: string): HTMLElement
export function findIn<Kind extends HTMLElement>(parent: ParentNode, selector: string, kind: new () => Kind): Kind
export function findIn(parent: ParentNode, selector: string, kind: new () => HTMLElement = HTMLElement): HTMLElement {
  const element = parent.querySelector(selector)
  if (!(element instanceof kind)) throw new Error(`the page has no ${selector} where it must be`)
  return element
}

/** A copy of the first element of a `<template>` of the page. */
export function template(id: string): HTMLElement {
  const copy = find(id, HTMLTemplateElement).content.firstElementChild?.cloneNode(true)
  if (!(copy instanceof HTMLElement)) throw new Error(`the template #${id} is empty`)
  return copy
}

/** Writes text where it differs. Text that only grew is added to, so that a selection in it stays. */
export function setText<Kind extends HTMLElement>(element: Kind, text: string): Kind {
  const now = element.textContent
  if (now === text) return element
  const only = element.childNodes.length === 1 ? element.firstChild : null
  if (only instanceof Text && now !== '' && text.startsWith(now)) only.appendData(text.slice(now.length))
  else element.textContent = text
  return element
}

export function setVisible(element: HTMLElement, isVisible: boolean): void {
  if (element.hidden === isVisible) element.hidden = !isVisible
}

/** Moves focus to something that is not a control, without leaving a stop in the tab order. */
export function focusOn(element: HTMLElement): void {
  element.tabIndex = -1
  element.addEventListener('blur', () => element.removeAttribute('tabindex'), { once: true })
  element.focus({ preventScroll: true })
  element.scrollIntoView({ block: 'nearest' })
}
