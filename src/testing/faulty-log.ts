/**
 * A conversation log whose store goes away on command, and which knows who still listens to it.
 */
import type { ConversationLog } from '../conversation-log/conversation-log.ts'
import { LogError, type LogErrorKind } from '../conversation-log/log-error.ts'

type Command = Exclude<keyof ConversationLog, 'profile' | 'backlog' | 'announce' | 'onAppend' | 'onWork' | typeof Symbol.asyncDispose>

/**
 * `refuses`: the command is not done and rejects. `loses`: it is done, and rejects all the same. `holds`: it waits
 * until the fault is healed, as the commands of a paused process do.
 */
type LogFault = 'refuses' | 'loses' | 'holds'

export interface FaultyLog extends ConversationLog {
  /** From now on these commands, or all, suffer `fault`; `undefined` heals them. Setting all lets go what was held. */
  fault(fault: LogFault | undefined, commands?: readonly Command[]): void
  /** The kind that refused and lost commands reject with; `unavailable` unless set. */
  rejectWith(kind: LogErrorKind): void
  /** Rings nothing while `true`. */
  deafen(isDeaf: boolean): void
  /** Listeners that have not been ended. */
  readonly listeners: number
  /** How often a command was called. */
  count(command: Command): number
}

export function createFaultyLog(log: ConversationLog): FaultyLog {
  const faults = new Map<Command, LogFault>()
  const counts = new Map<Command, number>()
  let everywhere: LogFault | undefined
  let kind: LogErrorKind = 'unavailable'
  let isDeaf = false
  let listeners = 0
  let healed = Promise.withResolvers<void>()

  const around: Around = async (name, call) => {
    counts.set(name, (counts.get(name) ?? 0) + 1)
    const fault = faults.get(name) ?? everywhere
    if (fault === 'holds') await healed.promise
    if (fault === 'refuses') throw new LogError(kind, `${name} was refused`)
    const result = await call()
    if (fault === 'loses') throw new LogError(kind, `the answer to ${name} was lost`)
    return result
  }
  const listening = (stop: () => void): (() => void) => {
    listeners += 1
    return () => {
      listeners -= 1
      stop()
    }
  }
  const ringing = (bell: () => void) => (): void => {
    if (!isDeaf) bell()
  }

  return {
    profile: log.profile,
    ...commandsOf(log, around),
    onAppend: (session, bell) => listening(log.onAppend(session, ringing(bell))),
    onWork: (bell) => listening(log.onWork(ringing(bell))),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
    fault(fault, commands) {
      for (const name of commands ?? []) {
        if (fault === undefined) faults.delete(name)
        else faults.set(name, fault)
      }
      if (commands !== undefined) return
      everywhere = fault
      faults.clear()
      healed.resolve()
      healed = Promise.withResolvers()
    },
    rejectWith(given) {
      kind = given
    },
    deafen(given) {
      isDeaf = given
    },
    get listeners() {
      return listeners
    },
    count: (command) => counts.get(command) ?? 0,
  }
}

type Around = <Result>(name: Command, call: () => Promise<Result>) => Promise<Result>

const commandsOf = (log: ConversationLog, around: Around): Pick<ConversationLog, Command> => ({
  createSession: (session) => around('createSession', () => log.createSession(session)),
  findSession: (id) => around('findSession', () => log.findSession(id)),
  listSessions: (visitor) => around('listSessions', () => log.listSessions(visitor)),
  keepSession: (id) => around('keepSession', () => log.keepSession(id)),
  deleteSession: (id) => around('deleteSession', () => log.deleteSession(id)),
  deleteExpired: (limit) => around('deleteExpired', () => log.deleteExpired(limit)),
  ask: (session, question) => around('ask', () => log.ask(session, question)),
  stop: (session, turnId) => around('stop', () => log.stop(session, turnId)),
  lastNumber: (session, device) => around('lastNumber', () => log.lastNumber(session, device)),
  read: (session, after, limit) => around('read', () => log.read(session, after, limit)),
  claim: (owner, leaseMs, limit) => around('claim', () => log.claim(owner, leaseMs, limit)),
  claimUntold: (owner, leaseMs, limit) => around('claimUntold', () => log.claimUntold(owner, leaseMs, limit)),
  renew: (claim, leaseMs) => around('renew', () => log.renew(claim, leaseMs)),
  release: (claim) => around('release', () => log.release(claim)),
  write: (claim, bodies) => around('write', () => log.write(claim, bodies)),
  probe: () => around('probe', () => log.probe()),
  tally: () => around('tally', () => log.tally()),
})
