/** `npm run monitoring`: writes what Prometheus and Grafana read, from the code in `monitoring/`. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { renderDashboard } from '../monitoring/dashboard.ts'
import { renderRules } from '../monitoring/rules.ts'
import { root } from './steps.ts'

writeFileSync(path.join(root, 'monitoring/prometheus/rules/chat.yml'), renderRules())
writeFileSync(path.join(root, 'monitoring/grafana/dashboards/chat.json'), renderDashboard())
