/**
 * Builds a folder of Kubernetes manifests as `kubectl kustomize` does, as far as ours need it, so that what is checked is what a
 * cluster would be given. Anything that it does not know it refuses, and a patch must change something.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'
import * as v from 'valibot'

const manifestSchema = v.looseObject({
  apiVersion: v.string(),
  kind: v.string(),
  metadata: v.looseObject({ name: v.string(), namespace: v.optional(v.string()) }),
})
export type Manifest = v.InferOutput<typeof manifestSchema>

const kustomizationSchema = v.strictObject({
  apiVersion: v.literal('kustomize.config.k8s.io/v1beta1'),
  kind: v.literal('Kustomization'),
  namespace: v.optional(v.string()),
  resources: v.array(v.string()),
  images: v.optional(v.array(v.strictObject({ name: v.string(), newName: v.optional(v.string()), newTag: v.string() })), []),
  patches: v.optional(
    v.array(
      v.strictObject({
        path: v.string(),
        target: v.strictObject({ kind: v.string(), name: v.string() }),
        options: v.optional(v.strictObject({ allowKindChange: v.boolean() })),
      }),
    ),
    [],
  ),
  configMapGenerator: v.optional(v.array(v.strictObject({ name: v.string(), files: v.array(v.string()) })), []),
  generatorOptions: v.optional(v.strictObject({ disableNameSuffixHash: v.literal(true) })),
})

const operationSchema = v.variant('op', [
  v.strictObject({ op: v.picklist(['add', 'replace']), path: v.string(), value: v.unknown() }),
  v.strictObject({ op: v.literal('remove'), path: v.string() }),
])

/** The documents of a YAML file, by the rules of YAML 1.1, which Kubernetes goes by. */
export function readYaml(file: string): readonly unknown[] {
  const documents = parseAllDocuments(readFileSync(file, 'utf8'), { version: '1.1', strict: true, uniqueKeys: true })
  if ('empty' in documents) return []
  return documents.map((document) => {
    const [fault] = [...document.errors, ...document.warnings]
    if (fault !== undefined) throw new Error(`${file}: ${fault.message}`)
    const value: unknown = document.toJS()
    return value
  })
}

/** Everything that applying the folder would give to the cluster. */
export function buildKustomization(folder: string): readonly Manifest[] {
  const [content] = readYaml(path.join(folder, 'kustomization.yaml'))
  const it = v.parse(kustomizationSchema, content)
  const read = it.resources.flatMap((name) => readResource(path.join(folder, name)))
  const generated = it.configMapGenerator.map(({ name, files }) => configMap(folder, name, files))
  const patched = it.patches.reduce<readonly Manifest[]>(
    (all, patch) => applyPatch(all, path.join(folder, patch.path), patch.target),
    [...read, ...generated],
  )
  return patched.map((manifest) => withNamespace(withImages(manifest, it.images), it.namespace))
}

function readResource(place: string): readonly Manifest[] {
  if (!existsSync(place)) throw new Error(`${place} is named as a resource and is not there`)
  if (statSync(place).isDirectory()) return buildKustomization(place)
  return readYaml(place).map((document) => v.parse(manifestSchema, document))
}

const configMap = (folder: string, name: string, files: readonly string[]): Manifest => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: Object.fromEntries(files.map((file) => [path.basename(file), readFileSync(path.join(folder, file), 'utf8')])),
})

function withNamespace(manifest: Manifest, namespace: string | undefined): Manifest {
  if (namespace === undefined || manifest.kind === 'Namespace') return manifest
  return { ...manifest, metadata: { ...manifest.metadata, namespace } }
}

type Image = v.InferOutput<typeof kustomizationSchema>['images'][number]

/** Names with and without a tag are the same image. */
function withImages(manifest: Manifest, images: readonly Image[]): Manifest {
  const rename = (value: unknown): unknown => {
    const image = images.find(({ name }) => typeof value === 'string' && value.replace(/:[^:/]*$/, '') === name)
    return image === undefined ? value : `${image.newName ?? image.name}:${image.newTag}`
  }
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk)
    if (!isObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, key === 'image' ? rename(each) : walk(each)]))
  }
  return v.parse(manifestSchema, walk(manifest))
}

interface Target {
  readonly kind: string
  readonly name: string
}

function applyPatch(all: readonly Manifest[], file: string, { kind, name }: Target): readonly Manifest[] {
  const [patch] = readYaml(file)
  let changed = 0
  const result = all.map((manifest) => {
    if (manifest.kind !== kind || manifest.metadata.name !== name) return manifest
    changed += 1
    const value = Array.isArray(patch) ? applyOperations(manifest, v.parse(v.array(operationSchema), patch)) : mergeObjects(manifest, patch)
    return v.parse(manifestSchema, value)
  })
  if (changed === 0) throw new Error(`${file} is for ${kind} ${name}, and there is none`)
  return result
}

function applyOperations(manifest: Manifest, operations: readonly v.InferOutput<typeof operationSchema>[]): unknown {
  const result: unknown = structuredClone(manifest)
  for (const operation of operations) {
    const keys = operation.path.split('/').slice(1)
    const last = keys.pop() ?? ''
    const place = keys.reduce(memberOf, result)
    if (!isObject(place)) throw new Error(`${operation.path}: nothing is there`)
    if (operation.op !== 'add' && !(last in place)) throw new Error(`${operation.op} ${operation.path}: nothing is there`)
    if (operation.op === 'remove') delete place[last]
    else place[last] = operation.value
  }
  return result
}

function memberOf(value: unknown, key: string): unknown {
  if (Array.isArray(value)) return value[Number(key)]
  return isObject(value) ? value[key] : undefined
}

/** What tells the members of a list apart where Kubernetes merges lists; any other list is replaced. */
const LIST_KEYS: Readonly<Record<string, string>> = {
  containers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ports: 'containerPort',
}

/** A strategic merge: what the patch says of an object is put into it. */
function mergeObjects(old: unknown, patch: unknown, name = ''): unknown {
  if (Array.isArray(old) && Array.isArray(patch)) return mergeLists(old, patch, LIST_KEYS[name])
  if (!isObject(old) || !isObject(patch)) return patch
  const merged = Object.entries(patch).map(([key, value]) => [key, mergeObjects(old[key], value, key)])
  return { ...old, ...Object.fromEntries(merged) }
}

function mergeLists(old: readonly unknown[], patch: readonly unknown[], key: string | undefined): unknown {
  if (key === undefined) return patch
  const keyOf = (value: unknown): unknown => (isObject(value) ? value[key] : undefined)
  const changed = old.map((value) => {
    const change = patch.find((each) => keyOf(each) === keyOf(value))
    return change === undefined ? value : mergeObjects(value, change)
  })
  return [...changed, ...patch.filter((each) => !old.some((value) => keyOf(value) === keyOf(each)))]
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
