/** The Kubernetes manifests: valid for their kinds, as they are and as built. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseAllDocuments } from 'yaml'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../server-process.ts'
import { root } from './container-file.ts'
import { buildKustomization, type Manifest } from './kustomize.ts'
import { FOLDERS, KINDS, manifestsOf, ofKind, type FolderName } from './manifests.ts'

const NAMES = Object.keys(FOLDERS) as readonly FolderName[]

const isKnown = (kind: string): kind is keyof typeof KINDS => Object.hasOwn(KINDS, kind)

test.each(NAMES)('[O145] every manifest of %s, as built, is valid for its kind', (name) => {
  const manifests = manifestsOf(name)
  expect(manifests.map(({ kind }) => kind).filter((kind) => !isKnown(kind))).toEqual([])
  const valid = Object.values(KINDS).flatMap(({ model }) => ofKind(model as never, manifests))
  expect(valid.length).toBe(manifests.length)
  const wrong = manifests.filter(({ apiVersion, kind }) => isKnown(kind) && KINDS[kind].module !== apiVersion)
  expect(wrong).toEqual([])
})

/**
 * What the TypeScript compiler says of the manifests as values of their kinds' types. It refuses keys that a kind does not have,
 * which the schemas let pass.
 */
function compilerFaults(manifests: readonly Manifest[]): string {
  using folder = temporaryFolder()
  const imports = Object.entries(KINDS).map(([kind, { module }]) => `import type { I${kind} } from 'kubernetes-models/${module}'`)
  const values = manifests.map((manifest, index) => `export const m${index}: I${manifest.kind} = ${JSON.stringify(manifest, undefined, 1)}`)
  mkdirSync(path.join(folder.path, 'check'))
  symlinkSync(path.join(root, 'node_modules'), path.join(folder.path, 'node_modules'))
  writeFileSync(path.join(folder.path, 'check/manifests.ts'), [...imports, ...values].join('\n'))
  const options = { module: 'nodenext', strict: true, exactOptionalPropertyTypes: false, noEmit: true, skipLibCheck: true, types: [] }
  writeFileSync(path.join(folder.path, 'check/tsconfig.json'), JSON.stringify({ compilerOptions: options }))
  const result = spawnSync(path.join(root, 'node_modules/.bin/tsc'), ['-p', path.join(folder.path, 'check')], { encoding: 'utf8' })
  return result.stdout + result.stderr
}

test('[O145] no manifest has a key that its kind does not know', () => {
  expect(compilerFaults(NAMES.flatMap(manifestsOf))).toBe('')
})

test('[O145] a key that a kind does not know would be found, wherever it stands', () => {
  const text = JSON.stringify(manifestsOf('redis'))
  const spoilt = [
    text.replace('"readOnlyRootFilesystem"', '"readOnlyRootFileSystem"'),
    text.replace('"scaleDown"', '"scaledown"'),
    text.replace('"whenUnsatisfiable"', '"whenUnsatisfied"'),
    text.replace('"minReadySeconds"', '"minReadyseconds"'),
  ].map((each) => compilerFaults(JSON.parse(each) as readonly Manifest[]))
  expect(spoilt.map((said) => said.split('\n').some((line) => line.includes('error TS')))).toEqual([true, true, true, true])
})

test('[O145] a value of the wrong type would be found', () => {
  const spoilt = manifestsOf('sqlite-single').map((manifest) =>
    manifest.kind === 'StatefulSet' ? { ...manifest, spec: { ...(manifest['spec'] as object), replicas: 'three' } } : manifest,
  )
  expect(() => ofKind(KINDS.StatefulSet.model as never, spoilt)).toThrow(/replicas/)
})

/** What kubectl builds from the folder, or `undefined` on a machine without one that is new enough. */
function builtByKubectl(folder: string): readonly Manifest[] | undefined {
  const version = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' })
  if (!/Kustomize Version: v5\./.test(version.stdout ?? '')) return undefined
  const built = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
  if (built.status !== 0) throw new Error(built.stderr)
  return (parseAllDocuments(built.stdout) as readonly { toJS(): Manifest }[]).map((document) => document.toJS())
}

/** By kind and name, with environments in the order of their names: the order of both means nothing. */
const inOrder = (manifests: readonly Manifest[]): unknown =>
  Object.fromEntries(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, sortedEnvironment(manifest)] as const))

function sortedEnvironment(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const list = value.map((each) => sortedEnvironment(each))
    return key === 'env' ? list.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))) : list
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, sortedEnvironment(each, name)]))
}

test.each(NAMES)('[O145] %s is built here as kubectl builds it, where there is a kubectl', (name) => {
  const folder = path.join(root, FOLDERS[name])
  const ours = buildKustomization(folder)
  expect(inOrder(ours)).toEqual(inOrder(builtByKubectl(folder) ?? ours))
})

test('[O145] a patch without a target, a missing file and a key that is not understood are refused', () => {
  using folder = temporaryFolder()
  const build = (lines: readonly string[]): (() => unknown) => {
    writeFileSync(
      path.join(folder.path, 'kustomization.yaml'),
      ['apiVersion: kustomize.config.k8s.io/v1beta1', 'kind: Kustomization', ...lines].join('\n'),
    )
    return () => buildKustomization(folder.path)
  }
  writeFileSync(path.join(folder.path, 'one.yaml'), 'apiVersion: v1\nkind: Service\nmetadata: { name: one }\n')
  writeFileSync(path.join(folder.path, 'patch.yaml'), 'spec: { type: NodePort }\n')
  expect(build(['resources: [one.yaml]'])).not.toThrow()
  expect(build(['resources: [two.yaml]'])).toThrow(/two\.yaml is named/)
  expect(build(['resources: [one.yaml]', 'patches: [{ path: patch.yaml, target: { kind: Service, name: two } }]'])).toThrow(/there is none/)
  expect(build(['resources: [one.yaml]', 'namePrefix: x-'])).toThrow(/namePrefix/)
})
