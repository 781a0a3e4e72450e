/**
 * Scrolling with a conversation that grows, for people who are at its end, and a way there for those who are not.
 *
 * A reader who scrolled up, selected text or moved focus into the messages is reading, and nothing moves. The start of an
 * answer is brought into view and stays there, however long the answer gets.
 */
import { findIn, focusOn, setVisible } from './elements.ts'

export interface Follower {
  /** Before the page changes. */
  before(): void
  /** After it changed; `answer` is the latest one. */
  after(answer: HTMLElement | undefined): void
  /** The person has just acted at the end: what they sent comes into view. */
  follow(): void
}

/** This close to the end counts as being there. */
const NEAR_PX = 100
/** Left free above the start of an answer. */
const GAP_PX = 16

export function createFollower(list: HTMLElement, newBelow: HTMLElement): Follower {
  let isFollowing = true
  let height = 0
  let isNew = false
  let latest: HTMLElement | undefined

  const overhang = (): number => list.getBoundingClientRect().bottom - window.innerHeight
  const isReading = (): boolean => {
    const selection = document.getSelection()
    const isSelected = selection !== null && !selection.isCollapsed && list.contains(selection.anchorNode)
    return isSelected || list.contains(document.activeElement)
  }

  document.addEventListener(
    'scroll',
    () => {
      if (overhang() > 0) return
      isNew = false
      setVisible(newBelow, false)
    },
    { passive: true },
  )
  findIn(newBelow, 'a').addEventListener('click', (event) => {
    event.preventDefault()
    isNew = false
    setVisible(newBelow, false)
    if (latest !== undefined) {
      focusOn(findIn(latest, 'h3'))
      latest.scrollIntoView({ block: 'start' })
    }
  })

  return {
    before() {
      height = list.scrollHeight
      isFollowing = overhang() <= NEAR_PX && !isReading()
    },
    after(answer) {
      const grew = list.scrollHeight - height
      latest = answer
      if (grew <= 0) return
      if (isFollowing) {
        const room = answer === undefined ? Number.POSITIVE_INFINITY : answer.getBoundingClientRect().top - GAP_PX
        const distance = Math.min(overhang() + GAP_PX, room)
        if (distance > 0) window.scrollBy({ top: distance, behavior: 'instant' })
      }
      // Somebody who sees where an answer begins does not need to be told of it.
      const isOutOfSight = answer !== undefined && answer.getBoundingClientRect().top > window.innerHeight - GAP_PX
      isNew ||= isOutOfSight && !isFollowing
      setVisible(newBelow, isNew)
    },
    follow() {
      // Also up: on a small screen the box can be a whole window below the messages.
      list.lastElementChild?.scrollIntoView({ block: 'nearest' })
    },
  }
}
