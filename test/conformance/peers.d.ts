/** The parts of packages without types of their own that the conformance adapters use. */
interface OpossumCircuit {
  fire(...args: readonly unknown[]): Promise<unknown>
  on(event: string, listener: () => void): void
  getSignal(): AbortSignal | undefined
  shutdown(): void
  readonly opened: boolean
  readonly halfOpen: boolean
  readonly pendingClose: boolean
}

declare module 'opossum' {
  const Circuit: new (action: (...args: never[]) => unknown, options: object) => OpossumCircuit
  export default Circuit
}

declare module 'opossum-8' {
  const Circuit: new (action: (...args: never[]) => unknown, options: object) => OpossumCircuit
  export default Circuit
}
