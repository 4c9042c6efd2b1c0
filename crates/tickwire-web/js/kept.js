// What a page keeps for the one that is loaded after it, in its storage: the secrets of its seats, and its rooms. Nobody is told here.
// @ts-check

const KEPT = 'tickwire.rooms', RELOADED = 'tickwire.reloaded', SEATS = 'tickwire.seats'

/** Secrets by which the server knows the seats of this page's open connections again, in the order of their making, and those that the page before this one left. */
/** @type {string[]} */
const seats = []
/** @type {unknown[] | undefined} */
let left

/**
 * The next connection's. A page that is loaded again takes those that it left behind as it went; a tab that was duplicated
 * finds none, because the first one is still there.
 */
export function seatKey() {
  if (!left) {
    left = []
    try {
      const kept = JSON.parse(sessionStorage.getItem(SEATS) ?? '[]')
      if (Array.isArray(kept)) left = kept
      sessionStorage.removeItem(SEATS)
    } catch { /* no storage: no seat is known again */ }
    globalThis.addEventListener?.('pagehide', () => { try { sessionStorage.setItem(SEATS, JSON.stringify(seats)) } catch { /* as above */ } })
    globalThis.addEventListener?.('pageshow', () => { try { sessionStorage.removeItem(SEATS) } catch { /* as above */ } })
  }
  const known = left.shift(), fresh = () => [...crypto.getRandomValues(new Uint8Array(16))].map(byte => byte.toString(16).padStart(2, '0')).join('')
  return keepSeat(typeof known === 'string' && /^[0-9a-f]{32}$/.test(known) ? known : fresh())
}

/** @param {string} key */
export function keepSeat(key) {
  if (!seats.includes(key)) seats.push(key)
  return key
}

/** A connection that was closed leaves nothing for the next page. @param {string} key */
export function dropSeat(key) {
  if (seats.includes(key)) seats.splice(seats.indexOf(key), 1)
}

/** @param {string} hex */
export const bytesOf = hex => Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16))

/** The id of the room that this page was in before it reloaded itself, or ''. @param {string} kind @param {string} text */
export function recall(kind, text) {
  try {
    /** @type {any[]} */
    const rooms = JSON.parse(sessionStorage.getItem(KEPT) ?? '[]')
    const at = rooms.findIndex(room => room.kind === kind && room.text === text)
    if (at < 0) return ''
    const [{ id }] = rooms.splice(at, 1)
    sessionStorage.setItem(KEPT, JSON.stringify(rooms))
    return String(id)
  } catch { return '' }
}

/** Reloads a page that is too old for its server, once in a minute, and keeps the rooms that it comes back to. @param {any[]} rooms */
export function reload(rooms) {
  try {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < 60_000) return false
    sessionStorage.setItem(RELOADED, String(Date.now()))
    sessionStorage.setItem(KEPT, JSON.stringify(rooms))
    location.reload()
    return true
  } catch { return false }
}
