// Functions of the page by the names that they listen to, and the time that pages know. What is told is elsewhere.
// @ts-check

/** Functions by name; one that throws disturbs no other. */
export class Listeners {
  /** @type {Map<string, Set<Function>>} */
  #of = new Map()
  /** @param {string} name @param {Function} f */
  on(name, f) {
    const set = this.#of.get(name) ?? new Set()
    this.#of.set(name, set.add(f))
    return () => { set.delete(f) }
  }
  /** @param {string} name */
  of(name) { return [...(this.#of.get(name) ?? [])] }
  /** @param {string} name @param {unknown[]} args */
  emit(name, ...args) {
    const set = this.#of.get(name)
    for (const f of [...(set ?? [])]) guard(() => f(...args))
    return (set?.size ?? 0) > 0
  }
}

/** Runs our own code where nobody waits for it: what it throws is told. @param {() => void} f @param {(e: unknown) => void} tell */
export function guarded(f, tell) { try { f() } catch (e) { tell(e) } }

/** Runs code of the page; what it throws goes to the console, not into our loops. @param {() => void} f */
export function guard(f) {
  try { f() } catch (e) { reportError(e) }
}

export const now = () => performance.now()
