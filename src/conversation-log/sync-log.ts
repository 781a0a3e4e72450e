/**
 * The log's port without promises: what a store does inside one transaction, one command after another.
 *
 * The memory log is one of these; the SQLite worker drives another; a simulation may drive the memory one directly.
 * Commands are plain data, so that they can be queued, batched and sent to another thread.
 */
import type { RandomBytes } from '../conversation/ids.ts'
import type { Clock } from '../resilience/clock.ts'
import type { Backlog, ConversationLog, StoreProfile } from './conversation-log.ts'
import type { Doorbells, Rings } from './doorbells.ts'

/** What every adapter needs from outside. */
export interface LogPorts {
  readonly clock: Clock
  readonly random: RandomBytes
}

/** What a command needs to know of the moment it runs in. */
export interface SyncPorts {
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds that never go back, on the clock that leases run on. */
  readonly leaseNow: () => number
  readonly random: RandomBytes
}

type Commands = Omit<ConversationLog, 'profile' | 'backlog' | 'announce' | 'onAppend' | 'onWork' | typeof Symbol.asyncDispose>
export type CommandName = keyof Commands

/** Each command of `ConversationLog`, answered at once. Every method either does all it says or throws and has done nothing. */
export type SyncLog = { readonly [Name in CommandName]: (...args: Parameters<Commands[Name]>) => Awaited<ReturnType<Commands[Name]>> }

/** The same for a store that answers later. */
export type AsyncLog = {
  readonly [Name in CommandName]: (...args: Parameters<Commands[Name]>) => Promise<Awaited<ReturnType<Commands[Name]>>>
}

/** A command as data. */
export type LogCommand = { readonly [Name in CommandName]: { readonly name: Name; readonly args: Parameters<SyncLog[Name]> } }[CommandName]
export type ResultOf<Name extends CommandName> = ReturnType<SyncLog[Name]>

const READS: ReadonlySet<CommandName> = new Set<CommandName>(['findSession', 'listSessions', 'lastNumber', 'read'])

/** Whether the command changes nothing. */
export const isRead = (command: LogCommand): boolean => READS.has(command.name)

const SILENT: Rings = { session: undefined, work: false }

/** Runs one command. */
export function runCommand(log: SyncLog, command: LogCommand): ResultOf<CommandName>
export function runCommand(log: AsyncLog, command: LogCommand): Promise<ResultOf<CommandName>>
export function runCommand(log: SyncLog | AsyncLog, command: LogCommand): ResultOf<CommandName> | Promise<ResultOf<CommandName>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a command pairs its name with that method's own arguments
  const method = log[command.name] as (this: typeof log, ...args: LogCommand['args']) => ResultOf<CommandName>
  return method.apply(log, command.args)
}

/** Carries a command out somewhere; resolves when what it did is as durable as the store promises. Rings the doorbells. */
export type Submit = (command: LogCommand) => Promise<ResultOf<CommandName>>

/** The port on top of `submit`. */
export function portOf(options: {
  readonly profile: () => StoreProfile
  readonly submit: Submit
  readonly doorbells: Doorbells
  readonly close: () => Promise<void>
  readonly backlog?: () => Backlog
  readonly announce?: ConversationLog['announce']
}): ConversationLog {
  const { profile, submit, doorbells, close, backlog, announce } = options
  const call =
    <Name extends CommandName>(name: Name) =>
    async (...args: Parameters<SyncLog[Name]>): Promise<ResultOf<Name>> => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the pair is made here from one Name
      const command = { name, args } as unknown as LogCommand
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `submit` answers a command with its own result
      return (await submit(command)) as ResultOf<Name>
    }
  return {
    get profile() {
      return profile()
    },
    ...(backlog === undefined ? {} : { backlog }),
    ...(announce === undefined ? {} : { announce }),
    createSession: call('createSession'),
    findSession: call('findSession'),
    listSessions: call('listSessions'),
    keepSession: call('keepSession'),
    deleteSession: call('deleteSession'),
    deleteExpired: call('deleteExpired'),
    ask: call('ask'),
    stop: call('stop'),
    lastNumber: call('lastNumber'),
    read: call('read'),
    claim: call('claim'),
    claimUntold: call('claimUntold'),
    renew: call('renew'),
    release: call('release'),
    write: call('write'),
    probe: call('probe'),
    tally: call('tally'),
    onAppend: doorbells.onAppend,
    onWork: doorbells.onWork,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Which doorbells the command rings, given what it was answered.
 *
 * A deletion rings too, so that followers find the session gone at once; a wish to stop rings for work, because a turn that
 * nobody holds may have to be stopped by claiming it, and one that has ended lets the next be claimed.
 */
export function ringsOf(command: LogCommand, result: unknown): Rings {
  switch (command.name) {
    case 'ask':
      return hasType(result, 'accepted') && !result.duplicate ? { session: command.args[0], work: true } : SILENT
    case 'stop':
      return hasType(result, 'requested') || hasType(result, 'stopped') ? { session: command.args[0], work: true } : SILENT
    case 'deleteSession':
      return result === true ? { session: command.args[0], work: false } : SILENT
    case 'release':
      return { session: undefined, work: true }
    case 'write': {
      const [claim, bodies] = command.args
      if (!hasType(result, 'written') || bodies.length === 0) return SILENT
      return { session: claim.session, work: bodies.some((body) => body.kind === 'turn-ended') }
    }
    case 'createSession':
    case 'findSession':
    case 'listSessions':
    case 'keepSession':
    case 'deleteExpired':
    case 'lastNumber':
    case 'read':
    case 'claim':
    case 'claimUntold':
    case 'renew':
    case 'probe':
    case 'tally':
      return SILENT
  }
}

type Typed =
  | { readonly type: 'accepted'; readonly duplicate: boolean }
  | { readonly type: 'requested' }
  | { readonly type: 'stopped' }
  | { readonly type: 'written' }

function hasType<Type extends Typed['type']>(result: unknown, type: Type): result is Typed & { readonly type: Type } {
  return typeof result === 'object' && result !== null && 'type' in result && result.type === type
}
