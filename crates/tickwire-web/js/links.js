// The links of a connection as the browser has them: a WebSocket, and the requests of a polling link. Which there are, and what goes over them, the core decides.
// @ts-check
/** @import { Core } from './tickwire_core.js' */
import { TickwireError } from './errors.js'
import { now } from './listeners.js'

/** Bytes that may wait in a socket: more would only grow old there. */
const WRITABLE = 64 * 1024
/** The browser carries so much of requests whose page has gone. */
const KEEPALIVE = 32 * 1024

export class Links {
  /** @type {URL} */ #base
  /** @type {{ pump: () => void, judge: (error: TickwireError) => void, online: () => boolean }} */ #net
  /** @type {WebSocket | undefined} */ #ws
  /** Requests under way of a polling link. @type {{ post?: AbortController, poll?: AbortController }} */ #requests = {}

  /** @param {string} url @param {{ pump: () => void, judge: (error: TickwireError) => void, online: () => boolean }} net */
  constructor(url, net) {
    this.#base = new URL(url, globalThis.location?.href)
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/'
    this.#net = net
  }

  /** Whether the WebSocket has bytes that are not on their way. */
  get isFull() { return (this.#ws?.bufferedAmount ?? 0) > 0 }

  /** Writes what the core has to say, as far as the links take it. @param {Core} core */
  write(core) {
    const ws = this.#ws
    while (ws?.readyState === 1 && ws.bufferedAmount < WRITABLE) {
      const frame = core.next(now(), WRITABLE - ws.bufferedAmount)
      if (!frame) break
      ws.send(/** @type {Uint8Array<ArrayBuffer>} */ (frame))
    }
    for (let body; (body = core.ask(now())) !== undefined;) this.#ask(core, body, core.asked_ticket(), core.asked_post() ? 'post' : 'poll')
  }

  /** Sends a request of a polling link, and tells the core what became of it. @param {Core} core @param {Uint8Array} body @param {number} ticket @param {'post' | 'poll'} way */
  async #ask(core, body, ticket, way) {
    const abort = new AbortController(), goodbye = ticket < 0
    if (!goodbye) {
      this.#requests[way]?.abort()
      this.#requests[way] = abort
    }
    let status = 0, answer = new Uint8Array()
    try {
      const response = await fetch(this.#at('poll'), {
        method: 'POST', body: /** @type {BodyInit} */ (body), headers: { 'content-type': 'application/octet-stream' }, cache: 'no-store', credentials: 'omit',
        redirect: 'error', keepalive: way === 'post' && body.length < KEEPALIVE, signal: abort.signal,
      })
      answer = new Uint8Array(await response.arrayBuffer())
      status = response.status
    } catch { /* nothing was heard: the core asks again */ }
    if (goodbye || abort.signal.aborted) return
    core.answered(now(), ticket, status, answer)
    this.#net.pump()
  }

  /** Nothing is asked any more by polling. */
  unask() {
    for (const abort of Object.values(this.#requests)) abort?.abort()
    this.#requests = {}
  }

  /** Opens a WebSocket. @param {Core} core @param {number} number of the try */
  open(core, number) {
    this.drop()
    const url = this.#at('ws', number)
    url.protocol = /^(https|wss):$/.test(this.#base.protocol) ? 'wss:' : 'ws:'
    const ws = new WebSocket(url)
    let opened = false
    this.#ws = ws
    ws.binaryType = 'arraybuffer'
    /** @param {() => void} f */
    const mine = f => { if (this.#ws === ws) { f(); this.#net.pump() } }
    ws.onopen = () => mine(() => { opened = true; core.link_open(now()) })
    ws.onmessage = e => mine(() => { if (typeof e.data !== 'string') core.frame(now(), new Uint8Array(e.data)) })
    ws.onclose = e => mine(() => {
      this.#ws = undefined
      core.link_lost(now(), opened ? e.code : 0)
      // a try to move up from polling is nobody's trouble
      if (!opened && !this.#net.online()) this.#why(number)
    })
  }

  /** The last words, and no link any more. @param {Core} core */
  hangUp(core) {
    this.write(core)
    core.hang_up(now())
    this.unask()
    this.drop()
    this.write(core) // a polling link's goodbye
  }

  /** Forgets the WebSocket. */
  drop() {
    const ws = this.#ws
    this.#ws = undefined
    if (ws && ws.readyState < 2) ws.close(1000)
  }

  /** @param {string} path @param {number} [number] */
  #at(path, number) {
    const url = new URL(`tickwire/${path}${number === undefined ? '' : `?try=${number}`}`, this.#base)
    url.protocol = url.protocol.replace(/^ws/, 'http')
    return url
  }

  /** A browser hides why an upgrade failed: ask. @param {number} number */
  async #why(number) {
    /** @type {TickwireError} */
    let error
    try {
      const answer = await fetch(this.#at('why', number), { cache: 'no-store', signal: AbortSignal.timeout(3000) })
      const { code, message, fix } = await answer.json()
      error = new TickwireError(code, message, fix)
    } catch { error = this.silence() }
    this.#net.judge(error)
    this.#net.pump()
  }

  /** Nobody answers. */
  silence() { return new TickwireError('Unreachable', `there is no answer from ${this.#base.host}.`) }
}
