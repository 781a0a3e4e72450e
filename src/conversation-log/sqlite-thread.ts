/** What the server's thread and the store's thread say to each other: one message a batch, and one back. */
import type { RandomBytes } from '../conversation/ids.ts'
import type { Answer, Batch, BatchAnswers } from './group-commit.ts'
import { toWire, fromWire, type WireError } from './sqlite-errors.ts'
import type { LogCommand } from './sync-log.ts'

/** Time and chance travel with the commands: the store's thread has none of its own. */
export interface BatchMessage {
  readonly type: 'batch'
  readonly batch: Batch
  /** Milliseconds since the epoch. */
  readonly now: number
  /** Milliseconds on the clock of leases. */
  readonly leaseNow: number
  /** Enough random bytes for every id that the batch may mint. */
  readonly entropy: Uint8Array
}

export type ToStore = BatchMessage | { readonly type: 'close' }

export type FromStore =
  | { readonly type: 'opened' }
  | { readonly type: 'refused'; readonly error: WireError }
  | { readonly type: 'answers'; readonly answers: BatchAnswers<WireError> }
  | { readonly type: 'closed'; readonly error: WireError | undefined }

/** Bytes of one minted id (`conversation/ids.ts`): log, turn and entry ids alike. */
const ID_BYTES = 12

/** How many random bytes the command may need. */
export function entropyOf(command: LogCommand): number {
  switch (command.name) {
    case 'ask':
    case 'stop':
      return 2 * ID_BYTES
    case 'createSession':
      return ID_BYTES
    case 'write':
      return command.args[1].length * ID_BYTES
    case 'findSession':
    case 'listSessions':
    case 'keepSession':
    case 'deleteSession':
    case 'deleteExpired':
    case 'lastNumber':
    case 'read':
    case 'claim':
    case 'claimUntold':
    case 'renew':
    case 'release':
    case 'probe':
    case 'tally':
      return 0
  }
}

/** Hands the bytes out, each once. @throws RangeError when there are not enough: ids must never be made of anything less. */
export function entropySource(entropy: Uint8Array): RandomBytes {
  let used = 0
  return (count) => {
    if (used + count > entropy.length) throw new RangeError('S9: the batch came with too little chance')
    used += count
    return entropy.subarray(used - count, used)
  }
}

export const encodeAnswers = (answers: BatchAnswers): BatchAnswers<WireError> => mapFaults(answers, toWire)
export const decodeAnswers = (answers: BatchAnswers<WireError>): BatchAnswers => mapFaults(answers, fromWire)

function mapFaults<From, To>(answers: BatchAnswers<From>, map: (fault: From) => To): BatchAnswers<To> {
  const mapAll = (list: readonly Answer<From>[]): readonly Answer<To>[] =>
    list.map((answer) => (answer.ok ? answer : { ok: false, error: map(answer.error) }))
  const { reads, writes, trouble } = answers
  return {
    reads: mapAll(reads),
    writes:
      writes.type === 'committed' ? { type: 'committed', answers: mapAll(writes.answers) } : { type: 'failed', error: map(writes.error) },
    trouble: trouble === undefined ? undefined : { error: map(trouble.error) },
  }
}
