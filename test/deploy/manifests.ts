/** The Kubernetes manifests as built, in the types of their kinds. */
import path from 'node:path'
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, type IContainer, type IPodTemplateSpec, Namespace, Service, ServiceAccount } from 'kubernetes-models/v1'
import { root } from './container-file.ts'
import { buildKustomization, type Manifest } from './kustomize.ts'

/** Every folder that somebody applies. */
export const FOLDERS = {
  'sqlite-single': 'deploy/kubernetes/overlays/sqlite-single',
  redis: 'deploy/kubernetes/overlays/redis',
  cdp: 'deploy/kubernetes/overlays/cdp',
  'redis server': 'deploy/redis',
} as const

export type FolderName = keyof typeof FOLDERS

/** The kinds that are used, each with the module that knows it. */
export const KINDS = {
  Deployment: { model: Deployment, module: 'apps/v1' },
  StatefulSet: { model: StatefulSet, module: 'apps/v1' },
  HorizontalPodAutoscaler: { model: HorizontalPodAutoscaler, module: 'autoscaling/v2' },
  NetworkPolicy: { model: NetworkPolicy, module: 'networking.k8s.io/v1' },
  PodDisruptionBudget: { model: PodDisruptionBudget, module: 'policy/v1' },
  ConfigMap: { model: ConfigMap, module: 'v1' },
  Namespace: { model: Namespace, module: 'v1' },
  Service: { model: Service, module: 'v1' },
  ServiceAccount: { model: ServiceAccount, module: 'v1' },
} as const

export const manifestsOf = (folder: FolderName): readonly Manifest[] => buildKustomization(path.join(root, FOLDERS[folder]))

/** The manifests of one kind, as that kind: valid by its schema, or this throws with what is wrong. */
export function ofKind<Model extends { validate(): void }>(
  kind: new (data: never) => Model,
  manifests: readonly Manifest[],
): readonly Model[] {
  return manifests
    .filter((manifest) => manifest.kind === kind.name)
    .map((manifest) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the next line finds out whether it is
      const model = new kind(manifest as never)
      model.validate()
      return model
    })
}

/** The pods that a folder runs: each workload's name, kind and template. */
export const podsOf = (folder: FolderName): readonly { readonly kind: string; readonly template: IPodTemplateSpec }[] => {
  const manifests = manifestsOf(folder)
  return [...ofKind(Deployment, manifests), ...ofKind(StatefulSet, manifests)].flatMap(({ kind, spec }) =>
    spec === undefined ? [] : [{ kind, template: spec.template }],
  )
}

/** The one kind of pod that a folder runs. */
export function onlyPod(folder: FolderName): IPodTemplateSpec {
  const [pod, another] = podsOf(folder)
  if (pod === undefined || another !== undefined) throw new Error(`${folder} runs not one kind of pod`)
  return pod.template
}

/** The one container of those pods. */
export function onlyContainer(folder: FolderName): IContainer {
  const [container, another] = onlyPod(folder).spec?.containers ?? []
  if (container === undefined || another !== undefined) throw new Error(`${folder} has not one container in its pods`)
  return container
}
