/** `npm test`: sets up what the tests need, then runs everything. The last line says how many checks passed and failed. */
import { findMachineTools } from './machine-tools.ts'
import { conclude, runStaticSteps, runStep, runTests } from './steps.ts'

const tools = findMachineTools()
if (tools.type === 'missing') {
  console.error(tools.advice)
  process.exitCode = conclude([{ passed: 0, failed: 1 }])
} else {
  const built = runStep('browser bundle', 'node', ['scripts/build.ts'])
  process.exitCode = conclude([...runStaticSteps(), built, runTests([], { ...process.env, ...tools.paths })])
}
