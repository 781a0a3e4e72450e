/**
 * Three words, the same in page, protocol, checker and README:
 * *kept* is on the device, *accepted* is in the log, *settled* survives every fault of the envelope without the device.
 *
 * What an accepted entry survives, as the store says of itself and every welcome repeats:
 * `fsync` a crash and a power loss (accepted is settled); `memory` nothing but tests; `replicated` a fail-over, once settled;
 * `best-effort` a crash of ours, while a power loss or a fail-over of the store may take the last moments (accepted counts as settled).
 */
export const DURABILITIES = ['fsync', 'memory', 'replicated', 'best-effort'] as const
export type Durability = (typeof DURABILITIES)[number]
