/** The compose file, by exactly the keys that it uses: any other is a slip. */
import path from 'node:path'
import * as v from 'valibot'
import { root } from './container-file.ts'
import { readYaml } from './kustomize.ts'

const serviceSchema = v.strictObject({
  image: v.string(),
  build: v.optional(v.strictObject({ context: v.literal('./'), target: v.string() })),
  command: v.optional(v.array(v.string())),
  environment: v.optional(v.record(v.string(), v.string()), {}),
  ports: v.optional(v.array(v.string()), []),
  volumes: v.optional(v.array(v.string()), []),
  depends_on: v.optional(v.array(v.string()), []),
  restart: v.literal('unless-stopped'),
  stop_grace_period: v.optional(v.pipe(v.string(), v.regex(/^\d+s$/))),
  read_only: v.optional(v.literal(true)),
  cap_drop: v.optional(v.array(v.string())),
  security_opt: v.optional(v.array(v.string())),
  mem_limit: v.optional(v.string()),
})

const composeSchema = v.strictObject({
  name: v.string(),
  services: v.record(v.string(), serviceSchema),
  volumes: v.record(v.string(), v.null()),
})

export const compose = v.parse(composeSchema, readYaml(path.join(root, 'compose.yaml'))[0])

export type ComposeService = v.InferOutput<typeof serviceSchema>

/** Throws when there is none of that name. */
export function composeService(name: string): ComposeService {
  const service = compose.services[name]
  if (service === undefined) throw new Error(`the compose file has no ${name}`)
  return service
}
