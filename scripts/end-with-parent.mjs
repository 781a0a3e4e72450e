/**
 * Loaded before a program that `scripts/start.ts` starts: when that parent is gone, however it ended, the program is asked to
 * stop too, so that nothing is left running on the machine of whoever tried this out.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
// The connection to the parent is no reason to stay alive.
process.channel?.unref()
