import type { Cursor, LogId } from '../conversation/ids.ts'
import { READ_ENTRIES_MAX } from '../conversation/limits.ts'
import type { Claim, ConversationLog } from '../conversation-log/conversation-log.ts'
import { LogError } from '../conversation-log/log-error.ts'
import { emptyTurnLog, extendTurnLog, type TurnLog } from './turn-log.ts'

/** Keeps one turn's view of its session's log up to date. */
export interface TurnFollower {
  /** What has been read so far. */
  readonly current: TurnLog
  /**
   * Reads to the log's head as it is now or later. Calls wait for one another, so each sees all that was durable when it was made.
   * `undefined` when the session is gone.
   *
   * @throws LogError `unavailable` or `fatal` from the store; `corrupt` when the entries do not follow one another.
   */
  refresh(): Promise<TurnLog | undefined>
}

/** How often one refresh may find that its log was rolled back. */
const FORKS_MAX = 2

export function createTurnFollower(log: ConversationLog, claim: Claim): TurnFollower {
  let current = emptyTurnLog(claim.turnId)
  let logId: LogId | undefined
  let last: Promise<TurnLog | undefined> = Promise.resolve(undefined)

  const readOn = async (): Promise<TurnLog | undefined> => {
    let [read, forks] = [current, 0]
    for (;;) {
      const result = await log.read(claim.session, cursorOf(read, logId), READ_ENTRIES_MAX)
      if (result.type === 'gone') return undefined
      if (result.type === 'fork') {
        forks += 1
        if (forks > FORKS_MAX) throw new LogError('unavailable', 'the log changes faster than it can be read')
        // What was read is not the log any more: the log is the truth.
        read = emptyTurnLog(claim.turnId)
        continue
      }
      const before = seqOf(read)
      read = extend(read, result.entries)
      ;({ logId } = result)
      if (seqOf(read) >= (result.head?.seq ?? 0)) {
        // Not before: whoever looks meanwhile sees a whole log.
        current = read
        return current
      }
      if (seqOf(read) === before) throw new LogError('corrupt', 'the log has a head but not the entries before it')
    }
  }

  return {
    get current() {
      return current
    },
    refresh() {
      last = last.then(readOn, readOn)
      return last
    },
  }
}

const seqOf = ({ conversation: { head } }: TurnLog): number => head?.seq ?? 0

function cursorOf({ conversation: { head } }: TurnLog, logId: LogId | undefined): Cursor | undefined {
  return head === undefined || logId === undefined ? undefined : { logId, ...head }
}

function extend(log: TurnLog, entries: Parameters<typeof extendTurnLog>[1]): TurnLog {
  try {
    return extendTurnLog(log, entries)
  } catch (cause) {
    throw new LogError('corrupt', 'the log breaks its own rules', { cause })
  }
}
