import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { describeConversationLog } from './conversation-log.contract.ts'
import { openSqliteLog } from './sqlite-log.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sqlite-log-'))
afterAll(() => rmSync(folder, { recursive: true }))
let opened = 0
const fail = (error: Error): never => {
  throw error
}

describeConversationLog('SQLite', (ports) => {
  opened += 1
  const file = path.join(folder, `${opened}`, 'log.db')
  return openSqliteLog({ file, onFatal: fail }, { ...ports, events: { storeCommitted: () => undefined, storeFailed: () => undefined } })
})
