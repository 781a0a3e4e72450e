/**
 * Why a live link was closed. The code alone decides whether a client comes back:
 * 44xx never, everything else resumes (delivery reference §2.2; ranges after `centrifugal/centrifuge`).
 */
export const CLOSE_CODES = {
  /** The client is done. */
  normal: 1000,
  /** Frames that do not follow the protocol. */
  protocol: 4400,
  /** The session has expired. */
  sessionExpired: 4401,
  /** The session belongs to somebody else, or the Origin is not ours. */
  forbidden: 4403,
  /** The session does not exist, or was deleted. */
  sessionGone: 4404,
  /** The client speaks a version that this server does not. */
  version: 4406,
  /** Too many frames. */
  flood: 4429,
  /** This process is going away; another serves at once. */
  drain: 1012,
  /** This process has no room now. */
  overload: 1013,
  /** The store cannot be read now. */
  storeUnavailable: 4503,
  /** The reader made no progress. */
  slow: 4508,
  /** No hello, or silence for too long. */
  silent: 4509,
} as const

export type CloseReason = keyof typeof CLOSE_CODES

/** Whether a client whose link ended with `code` may open another: anything but a 44xx refusal and its own goodbye. */
export const mayReconnect = (code: number): boolean => code !== CLOSE_CODES.normal && (code < 4400 || code > 4499)
