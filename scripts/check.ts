/** `npm run check`: everything that needs no browser and no process of its own, in under a minute. */
import { conclude, runStaticSteps, runTests } from './steps.ts'

process.exitCode = conclude([...runStaticSteps(), runTests(['--project', 'unit'])])
