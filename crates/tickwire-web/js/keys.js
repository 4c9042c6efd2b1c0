// The keyboard, as games ask for it. What a key does is the game's matter.
// @ts-check

/** The keyboard, by the code of keys ('KeyA', 'Space'). Typing into a field of the page is not playing. */
export const keys = (() => {
  /** @type {Set<string>} */
  const held = new Set()
  const typing = (/** @type {any} */ target) => target?.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target?.tagName ?? '')
  if (globalThis.document) {
    addEventListener('keydown', e => { if (!typing(e.target) && !e.metaKey && !e.ctrlKey) held.add(e.code) })
    addEventListener('keyup', e => { held.delete(e.code) })
    // what is released elsewhere is never told
    addEventListener('blur', () => held.clear())
    document.addEventListener('visibilitychange', () => held.clear())
  }
  return {
    /** Whether a key is held. @param {string} code */
    down: code => held.has(code),
    /** -1, 0 or 1. @param {string} negative @param {string} positive */
    axis: (negative, positive) => Number(held.has(positive)) - Number(held.has(negative)),
  }
})()
