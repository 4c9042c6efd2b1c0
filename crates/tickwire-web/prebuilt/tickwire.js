// Tickwire's browser client; its sources are several files, joined by `cargo xtask web`.
import init, { Core } from './tickwire_core.js'

// What goes wrong, as a page is told: a code, a text, what to do. Where it goes wrong is elsewhere.

/** What to do, by code, where the server does not say it. @type {Record<string, string>} */
const FIX = {
  Full: 'Try again later, or take another room.',
  Locked: 'Wait until the room is opened, or take another one.',
  NotFound: 'Ask for the list of rooms with lobby(), or create one.',
  Forbidden: 'Ask with other credentials, or take another room.',
  Limit: 'Ask less often, or leave something first.',
  Refused: 'Give other credentials: connect(url, { auth: () => … }).',
  Version: 'Reload the page. If that does not help, the server and its page are of two versions.',
  Unreachable: 'Is the server running, and is the address right?',
  BadMessage: 'Send a message of the game, with the fields that it has: /tickwire/schema.json lists them.',
  Away: 'Wait for the state "online".',
}

/** An error with a code for programs, and advice for people. */
class TickwireError extends Error {
  /** @param {string} code @param {string} message @param {string} [fix] @param {unknown} [data] */
  constructor(code, message, fix, data) {
    super(message)
    this.name = 'TickwireError'
    this.code = code
    this.fix = fix ?? FIX[code]
    this.data = data
  }
  toString() { return [`${this.code}: ${this.message}`, this.fix].filter(Boolean).map(text => (/[.!?]$/.test(`${text}`) ? text : `${text}.`)).join(' ') }
}

/** @param {string} what @param {string} name @param {string[]} names */
function unknown(what, name, names, where = 'there is') {
  return new TickwireError('BadName', `${where} no ${what} "${name}".`, names.length ? `There are: ${names.join(', ')}.` : 'There are none.')
}

// The keyboard, as games ask for it. What a key does is the game's matter.

/** The keyboard, by the code of keys ('KeyA', 'Space'). Typing into a field of the page is not playing. */
const keys = (() => {
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

// What a page keeps for the one that is loaded after it, in its storage: the secrets of its seats, and its rooms. Nobody is told here.

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
function seatKey() {
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
function keepSeat(key) {
  if (!seats.includes(key)) seats.push(key)
  return key
}

/** A connection that was closed leaves nothing for the next page. @param {string} key */
function dropSeat(key) {
  if (seats.includes(key)) seats.splice(seats.indexOf(key), 1)
}

/** @param {string} hex */
const bytesOf = hex => Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16))

/** The id of the room that this page was in before it reloaded itself, or ''. @param {string} kind @param {string} text */
function recall(kind, text) {
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
function reload(rooms) {
  try {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED) ?? 0) < 60_000) return false
    sessionStorage.setItem(RELOADED, String(Date.now()))
    sessionStorage.setItem(KEPT, JSON.stringify(rooms))
    location.reload()
    return true
  } catch { return false }
}

// Functions of the page by the names that they listen to, and the time that pages know. What is told is elsewhere.

/** Functions by name; one that throws disturbs no other. */
class Listeners {
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
function guarded(f, tell) { try { f() } catch (e) { tell(e) } }

/** Runs code of the page; what it throws goes to the console, not into our loops. @param {() => void} f */
function guard(f) {
  try { f() } catch (e) { reportError(e) }
}

const now = () => performance.now()

// The links of a connection as the browser has them: a WebSocket, and the requests of a polling link. Which there are, and what goes over them, the core decides.

/** Bytes that may wait in a socket: more would only grow old there. */
const WRITABLE = 64 * 1024
/** The browser carries so much of requests whose page has gone. */
const KEEPALIVE = 32 * 1024

class Links {
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

// Messages and requests, as a room and a namespace have them alike. Whose they are is told by a number.

/** Messages and requests, in both directions, of a room or of a namespace outside of its rooms. */
class Talk {
  /** @type {any} */ #net
  /** @type {Core | undefined} */ #core
  /** The room's key; below 0 a namespace. */ #to = 0
  /** Who answers what is asked of this side. @type {Map<string, (request: any) => any>} */ #answers = new Map()

  /** @param {any} net */
  constructor(net) { this.#net = net }
  /** @param {Core} core @param {number} to */
  open(core, to) {
    this.#core = core
    this.#to = to
  }

  /** @param {string} name @param {unknown} message @param {{ channel?: number, volatile?: boolean }} [options] */
  send(name, message, { channel = 0, volatile = false } = {}) {
    const wrong = this.#core?.send(this.#to, name, JSON.stringify(message ?? null), channel, volatile)
    this.#net.pump()
    if (wrong === undefined) return
    const { code, message: text } = JSON.parse(wrong)
    throw new TickwireError(code, text)
  }

  /** @param {string} name @param {unknown} request @param {{ timeoutMs?: number, channel?: number, signal?: AbortSignal }} [options] */
  async ask(name, request, { timeoutMs, channel, signal } = {}) {
    signal?.throwIfAborted()
    const core = /** @type {Core} */ (this.#core)
    const asked = core.request(now(), this.#to, name, JSON.stringify(request ?? null), JSON.stringify({ timeoutMs, channel }))
    const ask = Number(asked)
    if (Number.isNaN(ask)) {
      this.#net.pump()
      const { code, message } = JSON.parse(asked)
      throw new TickwireError(code, message)
    }
    const stop = () => { if (this.#net.unanswered(ask, signal?.reason)) core.cancel(ask) }
    signal?.addEventListener('abort', stop)
    try { return await this.#net.reply(ask) } finally { signal?.removeEventListener('abort', stop) }
  }

  /** @param {string} name @param {(request: any) => any} f */
  onAsk(name, f) {
    this.#answers.set(name, f)
    return () => { if (this.#answers.get(name) === f) this.#answers.delete(name) }
  }

  /** @param {{ question: number, name: string, data: any }} it */
  async question({ question, name, data }) {
    const f = this.#answers.get(name)
    let answer
    try {
      if (!f) throw new TickwireError('NotFound', `this page does not answer ${name}`)
      answer = { data: (await f(data)) ?? null }
    } catch (e) {
      // of an error that was not meant for the server it learns no more than that
      answer = e instanceof TickwireError ? { code: e.code, message: e.message, data: e.data } : { code: 'Failed', message: 'the page broke down over it' }
      if (!(e instanceof TickwireError)) this.#net.fault(e)
    }
    const wrong = this.#core?.answer(question, JSON.stringify(answer))
    if (wrong !== undefined) this.#net.fault(new TickwireError('BadMessage', wrong))
    this.#net.pump()
  }
}

// A part in one namespace of a server: what can be asked for there, and who is followed. The connection below it is another file's.

/** A part in one namespace of a server: its rooms, and the messages outside of them. */
class Namespace {
  /** @type {any} */ #net
  /** @type {Talk} */ #talk
  #heard = new Listeners()
  /** Kept notices that nobody listened to yet. @type {any[]} */ #notices = []
  /** Its number in this connection; -1: it is not asked for. */
  _number = -1
  /** How often credentials were asked for: an older answer is late. */
  _asked = 0
  /** Who one is here, once accepted. @type {string | undefined} */ identity

  /** @param {string} name @param {((namespace: string) => unknown) | undefined} auth @param {any} net */
  constructor(name, auth, net) {
    this.name = name
    this._auth = auth
    this.#net = net
    this.#talk = new Talk(net)
    for (const hidden of ['_number', '_asked', '_auth']) Object.defineProperty(this, hidden, { enumerable: false, writable: true })
  }

  /** A room of that kind with those attributes: one with a free seat, or a new one. @param {string} kind */
  quick(kind, attributes = {}) {
    const text = JSON.stringify(attributes)
    return this.#net.want((/** @type {Core} */ core) => core.quick(this.#of(core), kind, text, recall(kind, text)), { kind, text })
  }
  /** A new room; a private one is on no list, and its id is a short code for friends. @param {string} kind @param {{ private?: boolean }} [options] */
  create(kind, attributes = {}, options = {}) {
    const text = JSON.stringify(attributes)
    return this.#net.want((/** @type {Core} */ core) => core.create(this.#of(core), kind, text, options.private === true))
  }
  /** The room with that id. @param {string} id */
  join(id) { return this.#net.want((/** @type {Core} */ core) => core.join(this.#of(core), id)) }
  /** The private room with that code, as a person types it. @param {string} code */
  code(code) { return this.join(String(code).replace(/[^0-9a-z]/gi, '').toUpperCase()) }
  /** Looks on in the room with that id, without a seat. @param {string} id */
  watch(id) { return this.#net.want((/** @type {Core} */ core) => core.watch(this.#of(core), id)) }
  /** The seat that the server keeps for whoever shows this token. @param {string} token */
  reserved(token) { return this.#net.want((/** @type {Core} */ core) => core.join_reserved(this.#of(core), token)) }
  /** Calls a function with the rooms of a kind (or all), now and after each change; returns what stops it. @param {string} kind @param {(rooms: any[]) => void} f */
  lobbyLive(kind, f, attributes = {}) {
    return this.#net.live((/** @type {Core} */ core) => core.watch_lobby(this.#of(core), kind, JSON.stringify(attributes)), f)
  }
  /** The rooms of a kind, or all. */
  lobby(kind = '') { return this.#net.list((/** @type {Core} */ core) => core.lobby(this.#of(core), kind)) }

  /** Hears messages of the namespace outside of rooms by their name, or 'attached', 'renewed', 'ended', 'person', 'notice'. @param {string} name @param {Function} f */
  on(name, f) {
    this.#net.start().then((/** @type {Core} */ core) => guarded(() => { this.#of(core); this.#net.pump() }, this.#net.fault), () => {})
    const off = this.#heard.on(name, f)
    // what came before anybody listened
    if (name === 'notice') for (const it of this.#notices.splice(0)) this._notice(it)
    return off
  }
  /**
   * Says something of oneself to those who follow one in the namespace: for good, or for some time.
   * @param {string} text at most 64 bytes of it are told; empty: nothing any more @param {{ expiresMs?: number }} [options]
   */
  async status(text, { expiresMs = 0 } = {}) {
    const core = await this.#net.start()
    if (!core.status_outside(this.#of(core), text, expiresMs)) throw new TickwireError('Away', 'what passes by itself is of no use later: there is no link now.')
    this.#net.pump()
  }
  /**
   * Watches people of the namespace by their identities, wherever they are on the server: 'person' tells what each is like now, then every change.
   * @param {string[]} identities
   */
  async follow(...identities) {
    const core = await this.#net.start()
    for (const identity of identities) core.follow(this.#of(core), identity, true)
    this.#net.pump()
  }
  /** Watches them no more. @param {string[]} identities */
  async unfollow(...identities) {
    const core = await this.#net.start()
    for (const identity of identities) core.follow(this.#of(core), identity, false)
    this.#net.pump()
  }
  /** What is known of somebody whom one follows, or undefined. @param {string} identity */
  person(identity) {
    const text = this._number < 0 ? undefined : this.#net.core()?.person(this._number, identity)
    if (!text) return undefined
    return personOf(JSON.parse(text))
  }
  /** Sends a message to the namespace, outside of rooms. @param {string} name @param {unknown} message @param {{ channel?: number, volatile?: boolean }} [options] */
  async send(name, message, options) { (await this.#in()).send(name, message, options) }
  /** Asks the namespace, outside of rooms, as a room. @param {string} name @param {unknown} request @param {{ timeoutMs?: number, channel?: number, signal?: AbortSignal }} [options] */
  async ask(name, request, options) { return (await this.#in()).ask(name, request, options) }
  /** Answers what the namespace asks, as a room. @param {string} name @param {(request: any) => any} f */
  onAsk(name, f) { return this.#talk.onAsk(name, f) }
  /** What was asked of this side. @param {any} it */
  _question(it) { return this.#talk.question(it) }
  /** Once one is in. */
  async #in() {
    const core = await this.#net.start(), to = -1 - this.#of(core)
    this.#net.pump()
    if (this.identity === undefined) await this.#once()
    this.#talk.open(core, to)
    return this.#talk
  }
  /** Until one is let in, or not. @returns {Promise<void>} */
  #once() {
    return new Promise((resolve, reject) => {
      const stop = [
        this.#heard.on('attached', () => { stop.forEach(f => f()); resolve() }),
        this.#heard.on('ended', (/** @type {unknown} */ e) => { stop.forEach(f => f()); reject(e) }),
      ]
    })
  }
  /** Leaves it and its rooms; not the one that the connection began with. */
  async leave() {
    const core = await this.#net.start()
    if (this._number <= 0) return
    core.detach(this._number)
    this.#net.left()
    this.#net.pump()
  }

  /** Its number; it is asked for if need be. @param {Core} core */
  #of(core) {
    if (this._number < 0) this._number = core.attach_to(this.name)
    if (this._number < 0) throw new TickwireError('Limit', `there are too many namespaces for ${this.name}.`)
    return this._number
  }
  /** @param {any} it */
  _attached(it) {
    this.identity = it.identity
    this.#heard.emit('attached', it.identity)
  }
  /** @param {string} name @param {unknown} data */
  _tell(name, data) { this.#heard.emit(name, data) }
  /**
   * A notice is done with when all who listen have returned, or what they return is fulfilled; where one of them throws, it is not, and comes again in a later session.
   * @param {any} it
   */
  _notice({ cursor, kind, data }) {
    const number = this._number
    const done = () => {
      if (cursor === null) return
      this.#net.core()?.notice_done(number, cursor)
      this.#net.pump()
    }
    const heard = this.#heard.of('notice')
    if (!heard.length) {
      if (cursor !== null) this.#notices.push({ cursor, kind, data })
      return
    }
    Promise.all(heard.map(async f => f({ kind, data, cursor, done }))).then(done, e => {
      if (cursor !== null) this.#net.core()?.notice_failed(number, cursor)
      reportError(e)
    })
  }
  /** @param {TickwireError} error */
  _over(error) {
    this.#notices = []
    this._number = -1
    this.identity = undefined
    this.#heard.emit('ended', error)
  }
}

/** Somebody whom one follows. @param {any} it */
function personOf({ identity, presence, gone, status }) {
  return gone ? { identity, presence, gone, status } : { identity, presence, status }
}

// Components, resources and commands as a page has them, and the doubles and texts that the core has of them. Which there are is the room's matter.

/** A component or a resource, as its doubles and texts have it. @param {Core} core @param {any} record @param {Float64Array} rows @param {number} at */
function valuesOf(core, record, rows, at) {
  /** @type {any} */
  const out = {}
  for (const field of record.fields) {
    const { name, width, len } = field
    out[name] = len === 1 ? valueOf(core, field, rows, at) : Array.from({ length: len }, (_, i) => valueOf(core, field, rows, at + i * width))
    at += width * len
  }
  return out
}

/** @param {Core} core @param {any} field @param {Float64Array} rows @param {number} at */
function valueOf(core, field, rows, at) {
  const number = rows[at]
  switch (field.kind) {
    case 'b': return number !== 0
    case 'e': return field.variants[number]
    case 'v': return Array.from(rows.subarray(at, at + field.width))
    case 'r': return number >= 0 ? number : null
    case 't': return core.text(number)
    case 'j': return JSON.parse(core.text(number) || 'null')
    default: return number
  }
}

/** A command as doubles and texts, in the order of its layout. @param {any} layout @param {any} asked */
function encode({ name, fields }, asked) {
  const names = fields.map((/** @type {any} */ f) => f.name)
  for (const key of Object.keys(asked)) if (!names.includes(key)) throw unknown('field', key, names, `the command ${name} has`)
  /** @type {number[]} */ const numbers = []
  /** @type {string[]} */ const texts = []
  for (const field of fields) {
    const value = asked[field.name], items = field.len === 1 ? [value] : (value ?? [])
    for (let i = 0; i < field.len; i++) encodeValue(name, field, items[i], numbers, texts)
  }
  return { numbers: Float64Array.from(numbers), texts }
}

/** @param {string} command @param {any} field @param {any} value @param {number[]} numbers @param {string[]} texts */
function encodeValue(command, field, value, numbers, texts) {
  const wrong = (/** @type {string} */ wanted) => new TickwireError('BadCommand',
    `field ${field.name} of the command ${command} is ${JSON.stringify(value)}.`, `It wants ${wanted}.`)
  switch (field.kind) {
    case 'e': {
      const variant = value === undefined ? 0 : field.variants.indexOf(value)
      if (variant < 0) throw wrong(`one of ${field.variants.join(', ')}`)
      return void numbers.push(variant)
    }
    case 'v': {
      const parts = value ?? Array(field.width).fill(0)
      if (!Array.isArray(parts) || parts.length !== field.width || !parts.every(Number.isFinite)) throw wrong(`${field.width} numbers`)
      return void numbers.push(...parts)
    }
    case 'r':
      if (value != null && !Number.isInteger(value)) throw wrong('the id of an entity, or null')
      return void numbers.push(value ?? -1)
    case 't':
      if (value !== undefined && typeof value !== 'string') throw wrong('a text')
      return void numbers.push(texts.push(value ?? '') - 1)
    case 'j': return void numbers.push(texts.push(JSON.stringify(value ?? null)) - 1)
    default:
      if (value !== undefined && typeof value !== 'boolean' && !Number.isFinite(value)) throw wrong('a number')
      return void numbers.push(Number(value ?? 0))
  }
}

/**
 * Entities of a room: an id, and a property for each of the game's components, read from the picture when asked for.
 * @param {string[]} names @param {(name: string, id: number) => any} read @param {(id: number, tick: number) => number} since
 */
function entityClass(names, read, since) {
  class Entity {
    /** @param {number} id @param {boolean} mine */
    constructor(id, mine) {
      this.id = id
      this.mine = mine
    }
    /** Seconds of the game from a tick to the moment at which the picture shows it. @param {number} tick */
    since(tick) { return since(this.id, tick) }
  }
  for (const name of names) {
    Object.defineProperty(Entity.prototype, name, { enumerable: true, get() { return read(name, this.id) } })
  }
  return Entity
}

// A room that one is in: its picture, what is bound to it, its events, and what one does there. Its link is the connection's.

/** Names of a room's own events; a game's are written large. */
const OWN = ['joined', 'moved', 'away', 'kicked', 'ended', 'members', 'corrected']

/** A room that one is in. It stays the same object when the link is lost, and when the room is joined again. */
class Room {
  /** @type {Core} */ #core
  /** @type {WebAssembly.Memory} */ #memory
  /** @type {number} */ #key
  /** @type {any} */ #net
  #heard = new Listeners()
  /** @type {any} */ #layout = {}
  /** @type {Map<string, any>} */ #records = new Map()
  /** @type {any} */ #Entity
  /** Components of the picture drawn last, by name; each a map from id to value. @type {Map<string, Map<number, any>>} */
  #tables = new Map()
  /** @type {Set<any>} */ #binds = new Set()
  /** @type {Set<Function>} */ #frames = new Set()
  /** @type {Talk} */ #talk
  #looping = false
  #drawn = false
  #over = false
  /** @type {(() => any) | null} */ #command = null
  #complaint = ''
  id = ''
  kind = ''
  /** @type {number | null} */ seat = null
  /** @type {any[]} */ members = []
  /** @type {any} */ _how
  /** @type {Namespace | undefined} */ _namespace

  /** @param {Core} core @param {WebAssembly.Memory} memory @param {number} key @param {any} net */
  constructor(core, memory, key, net) {
    this.#core = core
    this.#memory = memory
    this.#key = key
    this.#net = net
    this.#talk = new Talk(net)
    this.#talk.open(core, key)
    for (const hidden of ['_how', '_namespace']) Object.defineProperty(this, hidden, { enumerable: false, writable: true })
  }

  /** The function that is asked once a tick for what the player wants; null: nobody is asked. */
  get command() { return this.#command }
  set command(f) {
    // a wrong name is told here and now, where its line is, not out of a timer
    if (f && this.#layout.command) encode(this.#layout.command, f() ?? {})
    this.#command = f
    this.#net.beat()
  }

  /** Calls a function at each picture of the browser; returns what stops it. @param {(view: Room) => void} f */
  frame(f) {
    this.#frames.add(f)
    if (!this.#looping) {
      this.#looping = true
      requestAnimationFrame(() => this.#loop())
    }
    return () => { this.#frames.delete(f) }
  }
  #loop() {
    if (!this.#frames.size || this.#over) { this.#looping = false; return }
    requestAnimationFrame(() => this.#loop())
    guard(() => this.draw())
    for (const f of this.#frames) guard(() => f(this))
  }

  /** Moves the picture to this moment: tick events fire, bound things are added, moved and removed. */
  draw() {
    if (this.#over) return
    this.#tables.clear()
    this.#drawn = true
    this.#core.draw(this.#key, now())
    for (let text; (text = this.#core.event_due(this.#key)) !== undefined;) {
      const { name, data } = JSON.parse(text)
      this.#heard.emit(name, data)
    }
    for (let text; (text = this.#core.correction_due(this.#key)) !== undefined;) this.#heard.emit('corrected', JSON.parse(text))
    for (const bound of this.#binds) this.#update(bound)
    this.#net.beat()
  }

  /** All entities with a component, as the picture shows them. @param {string} kind */
  all(kind) {
    const table = this.#table(kind)
    return Array.from(table, ([id, row]) => new this.#Entity(id, row.mine))
  }

  /** The same as the newest update has them, beside the picture: nothing predicted, nothing in between. @param {string} kind */
  newest(kind) {
    const record = this.#record('components', kind)
    const count = this.#over ? 0 : this.#core.newest_rows(this.#key, kind), rows = this.#buffer(), width = record.width + 2
    return Array.from({ length: count }, (_, i) => ({
      id: rows[i * width], mine: rows[i * width + 1] !== 0, value: valuesOf(this.#core, record, rows, i * width + 2),
    }))
  }

  /** A resource of the room, or undefined. @param {string} name */
  resource(name) {
    const record = this.#record('resources', name)
    if (!this.#drawn) this.draw()
    return this.#core.resource(this.#key, name) ? valuesOf(this.#core, record, this.#buffer(), 0) : undefined
  }

  /** Keeps something of the page for each entity with a component. @param {string} kind @param {any} handlers */
  bind(kind, handlers) {
    this.#record('components', kind)
    const bound = { kind, ...handlers, pairs: new Map() }
    this.#binds.add(bound)
    return () => {
      this.#binds.delete(bound)
      this.#unbind(bound)
    }
  }

  /** Hears a tick event or a message of the game by its name, or one of the room's own. @param {string} name @param {Function} f */
  on(name, f) {
    const names = [...this.#layout.events, ...this.#layout.messages].map(record => record.name)
    if (!OWN.includes(name) && !names.includes(name)) throw unknown('event or message', name, [...names, ...OWN])
    return this.#heard.on(name, f)
  }

  /**
   * Sends a message to the room: exactly once, in the order of its channel; or, volatile, at most once and only if the link takes it now.
   * @param {string} name @param {unknown} message @param {{ channel?: number, volatile?: boolean }} [options]
   */
  send(name, message, options) { this.#talk.send(name, message, options) }
  /**
   * Asks the room, and gives its reply; it is handled at most once, over any number of links. An error tells why there is none: the code of
   * who refused, or Timeout, Ended, Away, Limit.
   * @param {string} name @param {unknown} request @param {{ timeoutMs?: number, channel?: number, signal?: AbortSignal }} [options]
   */
  ask(name, request, options) { return this.#talk.ask(name, request, options) }
  /**
   * Answers what the room asks: with what the function returns, or with the TickwireError that it throws. Returns what stops it.
   * @param {string} name @param {(request: any) => any} f
   */
  onAsk(name, f) {
    const names = this.#layout.messages.filter((/** @type {any} */ m) => m.reply).map((/** @type {any} */ m) => m.name)
    if (!names.includes(name)) throw unknown('request', name, names)
    return this.#talk.onAsk(name, f)
  }

  /**
   * Says something of oneself to all in the room (`member.status`): for good, or for some time, after which what was said for good shows again.
   * @param {string} text at most 64 bytes of it are told; empty: nothing any more @param {{ expiresMs?: number }} [options]
   */
  status(text, { expiresMs = 0 } = {}) {
    const said = this.#core.status(this.#key, text, expiresMs)
    this.#net.pump()
    if (!said) throw new TickwireError('Away', 'the room is not joined now.')
  }
  /** Tells the others that one is typing: the status "typing", which passes after 5 s. To be called at each key; with `false` when it is done. */
  typing(on = true) {
    // without a link nobody would see it in time
    this.#core.typing(this.#key, on)
    this.#net.pump()
  }

  /** Says that one is ready, or is not any more: the members hear it, and the game. */
  ready(ready = true) {
    if (!this.#core.ready(this.#key, ready)) throw new TickwireError('Away', 'the room is not joined now.')
    this.#net.pump()
  }

  /** What a host may do; others are refused as Forbidden. */
  host = {
    /** Sends a member away, who may come back. @param {number} member */
    kick: member => this.#host({ kick: member }),
    /** Sends a member away for so many seconds, or for good. @param {number} member */
    ban: (member, seconds = 0) => this.#host({ ban: member, seconds }),
    lock: (locked = true) => this.#host({ lock: locked }),
    /** @param {object} attributes */
    attributes: attributes => this.#host({ attributes }),
    close: (message = '') => this.#host({ close: message }),
  }
  /** @param {object} ask */
  async #host(ask) {
    const request = this.#core.host(this.#key, JSON.stringify(ask))
    if (request < 0) throw new TickwireError('Away', 'the room is not joined now, or that is nothing a host can ask for.')
    await this.#net.asked(request)
  }

  /** Leaves the room. */
  async leave() {
    if (this.#over) return
    this.#core.leave(this.#key)
    this.#net.left()
    this._ended('Left', '')
    this.#net.pump()
  }

  /** How the room is doing, seen from here. */
  get figures() {
    const text = this.#over ? undefined : this.#core.figures(this.#key, now())
    return { ...(text ? JSON.parse(text) : {}), link: this.#net.link() }
  }

  /** @param {any} it */
  _joined(it) {
    this.id = it.id
    this.kind = it.kind
    this.seat = it.seat
    this.members = it.members
    this.#layout = it.layout
    this.#records.clear()
    this.#tables.clear()
    this.#drawn = false
    this.#Entity = entityClass(it.layout.components.map((/** @type {any} */ c) => c.name), (name, id) => this.#table(name).get(id)?.value, (id, tick) => this.#core.since(this.#key, id, tick))
    // another world: ids begin anew
    for (const bound of this.#binds) this.#unbind(bound)
    if (it.again) this.#heard.emit('joined', this)
    if (it.moved) this.#heard.emit('moved', this)
    this.#heard.emit('members', this.members)
  }
  _members() {
    this.members = JSON.parse(this.#core.members(this.#key)) ?? []
    this.#heard.emit('members', this.members)
  }
  /** What was asked of this side. @param {any} it */
  _question(it) { return this.#talk.question(it) }
  /** @param {string} name @param {unknown} [data] */
  _tell(name, data) { this.#heard.emit(name, data) }
  /** @param {string} reason @param {string} message */
  _ended(reason, message) {
    if (this.#over) return
    this.#over = true
    this.#tables.clear()
    for (const bound of this.#binds) this.#unbind(bound)
    if (reason === 'Kicked' || reason === 'Banned') this.#heard.emit('kicked', { reason, message })
    this.#heard.emit('ended', { reason, message })
  }
  _nextCommand() { return this.#command ? this.#core.next_command(this.#key) : -1 }
  /** Asks the page for commands, one for each tick that wants one. */
  _sample() {
    if (!this.#command || !this.#layout.command) return
    for (let tick; (tick = this.#core.command_tick(this.#key, now())) >= 0;) {
      try {
        const asked = this.#command()
        if (asked == null) continue
        const { numbers, texts } = encode(this.#layout.command, asked)
        const wrong = this.#core.command(this.#key, tick, numbers, texts)
        if (wrong !== undefined) throw new TickwireError('BadCommand', wrong)
        this.#complaint = ''
      } catch (e) {
        if (this.#complaint !== String(e)) this.#net.fault(e) // once, not at each tick
        this.#complaint = String(e)
      }
    }
  }

  /** @param {any} bound */
  #update(bound) {
    const table = this.#table(bound.kind)
    for (const [id, { mine }] of table) {
      let pair = bound.pairs.get(id)
      if (!pair) {
        const entity = new this.#Entity(id, mine)
        pair = { entity, thing: undefined }
        bound.pairs.set(id, pair)
        guard(() => { pair.thing = bound.add(entity) })
      }
      pair.entity.mine = mine
      if (bound.frame) guard(() => bound.frame(pair.thing, pair.entity))
    }
    for (const [id, pair] of bound.pairs) if (!table.has(id)) this.#remove(bound, id, pair)
  }
  /** @param {any} bound */
  #unbind(bound) { for (const [id, pair] of bound.pairs) this.#remove(bound, id, pair) }
  /** @param {any} bound @param {number} id @param {any} pair */
  #remove(bound, id, pair) {
    bound.pairs.delete(id)
    if (bound.remove) guard(() => bound.remove(pair.thing, pair.entity))
  }

  /** The rows of a component in the picture, read once for each picture. @param {string} kind */
  #table(kind) {
    let table = this.#tables.get(kind)
    if (table) return table
    const record = this.#record('components', kind)
    if (!this.#drawn) this.draw()
    table = new Map()
    const count = this.#over ? 0 : this.#core.rows(this.#key, kind), rows = this.#buffer()
    for (let i = 0, at = 0; i < count; i++, at += record.width + 2) {
      table.set(rows[at], { mine: rows[at + 1] !== 0, value: valuesOf(this.#core, record, rows, at + 2) })
    }
    this.#tables.set(kind, table)
    return table
  }

  /** The doubles that the core wrote, copied: reading a text may move the core's memory. */
  #buffer() { return new Float64Array(this.#memory.buffer, this.#core.buffer(), this.#core.buffered()).slice() }

  /** @param {string} group @param {string} name */
  #record(group, name) {
    const key = `${group} ${name}` // a component and a resource may share a name
    let record = this.#records.get(key)
    if (record) return record
    const records = this.#layout[group]
    record = records.find((/** @type {any} */ r) => r.name === name)
    if (!record) throw unknown(group.slice(0, -1), name, records.map((/** @type {any} */ r) => r.name))
    record.width = record.fields.reduce((/** @type {number} */ sum, /** @type {any} */ f) => sum + f.width * f.len, 0)
    this.#records.set(key, record)
    return record
  }
}

// A connection to a server: what a page asks of it, what the core (WebAssembly) asks for, and the time. Links, rooms and namespaces are files of their own.

/** A timer that comes later than this slept with the page: what waits in the socket is heard first. */
const SLEPT_MS = 3000
/** Tries of the first connection before a page is told that there is no server. */
const FIRST_TRIES = 3

/** Names of a connection's own events; messages are written large. */
const OF_NET = ['state', 'resumed', 'expired', 'error']

/** @type {Promise<{ memory: WebAssembly.Memory }> | undefined} */
let loading
function load() {
  loading ??= init({ module_or_path: new URL('./tickwire_core_bg.wasm', import.meta.url) })
  loading.catch(() => { loading = undefined })
  return loading
}

/** @typedef {{ auth?: (namespace: string) => unknown, namespace?: string, link?: 'auto' | 'ws' | 'poll', extrapolateMs?: number }} Options */

class Net {
  /** @type {Options} */ #options
  /** @type {Core | undefined} */ #core
  /** The secret of its seats. */ #seat = ''
  /** @type {WebAssembly.Memory | undefined} */ #memory
  /** @type {Promise<void> | undefined} */ #starting
  /** @type {Map<number, Room>} */ #rooms = new Map()
  /** Namespaces by name; the main one is the connection itself. @type {Map<string, Namespace>} */ #namespaces = new Map()
  /** @type {Map<number, { resolve: (r: any) => void, reject: (e: unknown) => void, how?: object, namespace: Namespace }>} */ #asked = new Map()
  /** @type {Map<number, { resolve: (r: any) => void, reject: (e: unknown) => void, namespace?: Namespace }>} */ #lists = new Map()
  /** Requests that wait for their reply. @type {Map<number, { resolve: (r: any) => void, reject: (e: unknown) => void }>} */
  #replies = new Map()
  /** Lists that are watched. @type {Map<number, (rooms: any[]) => void>} */
  #live = new Map()
  /** @type {Links} */ #links
  #heard = new Listeners()
  #timer = 0
  #due = 0
  /** Until then no timeouts: the page slept, and what waits in the socket is to be heard first. */
  #patience = 0
  #pumping = false
  #online = false
  #everOnline = false
  #attempt = 0
  /** @type {any} */ #state = { at: 'away', retryInMs: 0 }
  #because = {} // the server said as it ended the last session

  constructor(url = location.origin, options = {}) {
    this.#links = new Links(url, {
      pump: () => this.#pump(),
      judge: error => this.#judge(error),
      online: () => this.#online,
    })
    this.#options = options
  }

  /** Where the connection is. */
  get state() { return this.#state }
  /** @param {string} name 'state', 'resumed', 'expired' or 'error', or a message of the namespace outside of rooms @param {Function} f */
  on(name, f) { return OF_NET.includes(name) ? this.#heard.on(name, f) : this.#main.on(name, f) }

  /**
   * One more namespace of the same server, over the same connection.
   * @param {string} name @param {{ auth?: (namespace: string) => unknown }} [options]
   */
  namespace(name, options = {}) {
    const known = this.#namespaces.get(name)
    if (known) return known
    const namespace = new Namespace(name, options.auth ?? this.#options.auth, {
      ...this.#talking,
      start: () => this.#start(),
      core: () => this.#core,
      want: (/** @type {any} */ ask, /** @type {any} */ how) => this.#want(ask, how, namespace),
      list: (/** @type {any} */ ask) => this.#list(ask, namespace),
      left: () => this.#without(namespace, new TickwireError('Left', 'the namespace was left.')),
      live: (/** @type {any} */ ask, /** @type {any} */ f) => this.#watched(ask, f),
    })
    this.#namespaces.set(name, namespace)
    return namespace
  }

  /** A room of that kind with those attributes: one with a free seat, or a new one. @param {string} kind */
  quick(kind, attributes = {}) { return this.#main.quick(kind, attributes) }
  /** A new room; a private one is on no list, and its id is a short code for friends. @param {string} kind @param {{ private?: boolean }} [options] */
  create(kind, attributes = {}, options = {}) { return this.#main.create(kind, attributes, options) }
  /** The room with that id. @param {string} id */
  join(id) { return this.#main.join(id) }
  /** The private room with that code, as a person types it. @param {string} code */
  code(code) { return this.#main.code(code) }
  /** Looks on in the room with that id, without a seat. @param {string} id */
  watch(id) { return this.#main.watch(id) }
  /** The seat that the server keeps for whoever shows this token. @param {string} token */
  reserved(token) { return this.#main.reserved(token) }
  /** Calls a function with the rooms of a kind (or all), now and after each change; returns what stops it. @param {string} kind @param {(rooms: any[]) => void} f */
  lobbyLive(kind, f, attributes = {}) { return this.#main.lobbyLive(kind, f, attributes) }
  /** The rooms of a kind, or all. */
  lobby(kind = '') { return this.#main.lobby(kind) }
  /** Sends a message to the namespace, outside of rooms. @param {string} name @param {unknown} message @param {{ channel?: number, volatile?: boolean }} [options] */
  send(name, message, options) { return this.#main.send(name, message, options) }
  /** Asks the namespace, outside of rooms, as a room. @param {string} name @param {unknown} request @param {{ timeoutMs?: number, channel?: number, signal?: AbortSignal }} [options] */
  ask(name, request, options) { return this.#main.ask(name, request, options) }
  /** Answers what the namespace asks, as a room. @param {string} name @param {(request: any) => any} f */
  onAsk(name, f) { return this.#main.onAsk(name, f) }

  get #main() { return this.namespace(this.#options.namespace ?? '/') }

  /** @param {(core: Core) => number} ask @param {(rooms: any[]) => void} f */
  #watched(ask, f) {
    let stopped = false, request = -1
    this.#start().then(core => {
      if (stopped) return
      request = ask(core)
      this.#live.set(request, f)
      this.#pump()
    }).catch(e => this.#heard.emit('error', e))
    return () => {
      stopped = true
      if (!this.#live.delete(request)) return
      this.#core?.unwatch_lobby(request)
      this.#pump()
    }
  }

  /** @param {(core: Core) => number} ask @param {Namespace} namespace */
  async #list(ask, namespace) {
    const core = await this.#start()
    return new Promise((resolve, reject) => {
      this.#lists.set(ask(core), { resolve, reject, namespace })
      this.#pump()
    })
  }
  /**
   * Says something of oneself to those who follow, wherever they are: for good, or for some time.
   * @param {string} text at most 64 bytes of it are told; empty: nothing any more @param {{ expiresMs?: number }} [options]
   */
  status(text, options = {}) { return this.#main.status(text, options) }
  /**
   * Watches people by their identities, wherever they are on the server: 'person' tells what each is like now, then every change.
   * @param {string[]} identities
   */
  follow(...identities) { return this.#main.follow(...identities) }
  /** Watches them no more. @param {string[]} identities */
  unfollow(...identities) { return this.#main.unfollow(...identities) }
  /** What is known of somebody whom one follows, or undefined. @param {string} identity */
  person(identity) { return this.#main.person(identity) }

  /** @param {number} number */
  #numbered(number) { return [...this.#namespaces.values()].find(it => it._number === number) }
  /**
   * Makes the WebSocket as bad as one wants, both ways, to try a game on: by the name of a profile ('fiber', 'broadband', 'congested', '5G', '4G',
   * '3.5G'), by numbers for one way, or as it is again by null. `cutMs`: nothing passes for so long.
   * @param {string | { delayMs?: number, jitterMs?: number, loss?: number, cutMs?: number } | null} how
   */
  async condition(how) {
    const core = await this.#start()
    if (typeof how === 'string') {
      if (!core.condition_named(how)) throw unknown('profile', how, ['fiber', 'broadband', 'congested', '5G', '4G', '3.5G'])
    } else if (how?.cutMs) core.cut(now(), how.cutMs)
    else core.condition(how ? how.delayMs ?? 0 : -1, how?.jitterMs ?? 0, how?.loss ?? 0)
    this.#pump()
  }
  /** Leaves all rooms and closes the connection. */
  close() {
    this.#core?.close()
    dropSeat(this.#seat)
    this.#pump()
  }

  async #start() {
    this.#starting ??= load().then(wasm => {
      const [low, high] = crypto.getRandomValues(new Uint32Array(2))
      this.#memory = wasm.memory
      const main = this.#main
      this.#seat = seatKey()
      this.#core = new Core(main.name, low, high, now(), this.#options.link ?? 'auto', bytesOf(this.#seat))
      if (this.#options.extrapolateMs) this.#core.extrapolate(this.#options.extrapolateMs)
      main._number = 0
      for (const name of ['online', 'pageshow']) globalThis.addEventListener?.(name, () => this.#wake())
      globalThis.addEventListener?.('pagehide', e => { if (!e.persisted) this.#goodbye() })
      const hides = () => this.#core?.hidden(globalThis.document?.visibilityState === 'hidden')
      hides()
      globalThis.document?.addEventListener('visibilitychange', () => { hides(); if (document.visibilityState === 'visible') this.#wake(); this.#beat() })
    })
    try { await this.#starting } catch (e) {
      this.#starting = undefined
      throw new TickwireError('Unreachable', `the client could not be loaded: ${e}`)
    }
    const core = /** @type {Core} */ (this.#core)
    if (this.#state.at === 'ended') {
      this.#state = { at: 'away', retryInMs: 0 }
      this.#everOnline = false
      keepSeat(this.#seat)
      core.reconnect(now())
    }
    return core
  }

  /** @param {(core: Core) => number} ask @param {object | undefined} how @param {Namespace} namespace */
  async #want(ask, how, namespace) {
    const core = await this.#start()
    return new Promise((resolve, reject) => {
      this.#asked.set(ask(core), { resolve, reject, how, namespace })
      this.#pump()
    })
  }

  /** Does what the core asks for, writes what it wants to write, and sets the timer. */
  #pump() {
    const core = this.#core
    if (!core || this.#pumping) return
    this.#pumping = true
    try {
      // writing may be what makes it say something: a link that is answered, another one that opens
      for (let more = true; more;) {
        more = false
        for (let text; (text = core.poll(now())) !== undefined; more = true) this.#do(JSON.parse(text))
        this.#links.write(core)
      }
    } finally { this.#pumping = false }
    this.#moved(core)
    this.#arm(core)
  }

  /** The session may go over another kind of link than before. @param {Core} core */
  #moved(core) {
    const link = core.link()
    if (this.#state.at !== 'online' || !link || this.#state.link === link) return
    this.#state = { at: 'online', link }
    this.#heard.emit('state', this.#state)
  }

  /** @param {Core} core */
  #arm(core) {
    clearTimeout(this.#timer)
    let due = core.next_timeout()
    if (due >= 0) due = Math.max(due, this.#patience)
    const sooner = (/** @type {number} */ at) => { if (at >= 0 && (due < 0 || at < due)) due = at }
    for (const room of this.#rooms.values()) sooner(room._nextCommand())
    if (this.#links.isFull) sooner(now() + 50)
    if (due < 0) return
    this.#due = due
    this.#timer = setTimeout(() => this.#beat(), Math.min(Math.max(0, due - now()), 2 ** 31 - 1))
  }

  /** Time has passed: commands, timeouts. */
  #beat() {
    const core = this.#core
    if (!core) return
    const at = now()
    if (this.#due && at - this.#due > SLEPT_MS) this.#patience = at + SLEPT_MS / 2
    if (at >= this.#patience) core.timeout(at)
    for (const room of this.#rooms.values()) room._sample()
    this.#pump()
  }

  /** The page goes: the server hears it, so that the seats wait only as long as a reload takes. Nobody is left to tell. */
  #goodbye() {
    const core = this.#core
    if (!core) return
    clearTimeout(this.#timer)
    core.unload()
    this.#links.hangUp(core)
    while (core.poll(now()) !== undefined);
  }

  #wake() {
    this.#core?.wake(now())
    if (this.#state.at === 'away') this.#core?.reconnect(now())
    this.#pump()
  }

  /** @param {any} it */
  #do(it) {
    const room = this.#rooms.get(it.room)
    switch (it.do) {
      case 'connect': this.#attempt = it.attempt; return
      case 'open': return this.#links.open(/** @type {Core} */ (this.#core), it.number)
      case 'drop': return this.#links.drop()
      case 'unpoll': return this.#links.unask()
      case 'unanswered': return this.#judge(it.said?.code ? new TickwireError(it.said.code, it.said.message, it.said.fix) : this.#links.silence())
      case 'close': return this.#links.hangUp(/** @type {Core} */ (this.#core))
      case 'credentials': return void this.#credentials(it.namespace)
      case 'attached': return this.#numbered(it.namespace)?._attached(it)
      case 'renewed': return void this.#numbered(it.namespace)?._tell('renewed', undefined)
      case 'namespace_refused': return this.#leftOut(it)
      case 'state': return this.#stateIs(it)
      case 'attach_refused': return this.#giveUp(new TickwireError(it.code, it.message, undefined, it.data ?? undefined))
      case 'joined': return this.#joined(it)
      case 'join_refused': return this.#refused(it)
      case 'away': return void room?._tell('away')
      case 'members': return room?._members()
      case 'reply': return this.#replied(it)
      case 'question': return void (it.room ? room : this.#numbered(it.namespace))?._question(it)
      case 'message':
        if (it.room) room?._tell(it.name, it.data)
        else this.#numbered(it.namespace)?._tell(it.name, it.data)
        return
      case 'expired': // nobody will answer what was asked in that session
        for (const { reject } of this.#lists.values()) reject(new TickwireError('Away', 'the session was lost before the answer came.'))
        this.#lists.clear()
        return void this.#heard.emit(it.do)
      case 'resumed': return void this.#heard.emit(it.do)
      case 'over': return void (this.#because = { reason: it.reason, message: it.message })
      case 'lost': return void this.#heard.emit('error', new TickwireError('Lost',
        `${it.count} messages went down with the last session; nobody knows whether they were heard.`, 'Send them again if they matter.'))
      case 'person': return this.#numbered(it.namespace)?._tell('person', personOf(it))
      case 'notice': return this.#numbered(it.namespace)?._notice(it)
      case 'follow_refused': case 'status_refused': return void this.#heard.emit('error', new TickwireError(it.code, it.message))
      case 'unread': return void this.#heard.emit('error', new TickwireError('BadMessage', it.message, 'Load the page anew: the server may be another version.'))
      case 'fault': return void this.#heard.emit('error', new TickwireError('Mismatch', it.message, 'Nothing: the state is being sent anew.'))
      case 'lobby': this.#lists.get(it.request)?.resolve(it.rooms); return void this.#lists.delete(it.request)
      case 'lobby_refused':
        this.#lists.get(it.room)?.reject(new TickwireError(it.code, it.message, undefined, it.data ?? undefined))
        return void this.#lists.delete(it.room)
      case 'lobby_changed': return guard(() => this.#live.get(it.request)?.(it.rooms))
      case 'host_done': this.#lists.get(it.request)?.resolve(undefined); return void this.#lists.delete(it.request)
      case 'request_refused': return this.#requestRefused(it)
      case 'ended':
        this.#rooms.delete(it.room)
        return room?._ended(it.reason, it.message)
    }
  }

  /** What whoever sends and asks needs of the connection. */
  get #talking() {
    return {
      pump: () => this.#pump(),
      fault: (/** @type {unknown} */ e) => { if (!this.#heard.emit('error', e)) reportError(e) },
      reply: (/** @type {number} */ ask) => new Promise((resolve, reject) => {
        this.#replies.set(ask, { resolve, reject })
        this.#pump()
      }),
      /** Nobody waits for it any more. @type {(ask: number, why: unknown) => boolean} */
      unanswered: (ask, why) => {
        const waiting = this.#replies.get(ask)
        this.#replies.delete(ask)
        waiting?.reject(why)
        return waiting !== undefined
      },
    }
  }
  /** @param {any} it */
  #replied({ ask, data, code, message, more }) {
    const waiting = this.#replies.get(ask)
    this.#replies.delete(ask)
    if (code === undefined) waiting?.resolve(data)
    else waiting?.reject(new TickwireError(code, message, undefined, more ?? undefined))
  }

  /** What a link that did not open means. @param {TickwireError} error */
  #judge(error) {
    if (this.#online) return
    if (!this.#everOnline && (error.code !== 'Unreachable' || this.#attempt >= FIRST_TRIES)) this.#giveUp(error)
    else if (error.code !== 'Unreachable') this.#heard.emit('error', error)
  }

  /** @param {number} number of a namespace */
  async #credentials(number) {
    const namespace = this.#numbered(number)
    if (!namespace) return
    const asked = ++namespace._asked, stale = () => namespace._asked !== asked || namespace._number !== number
    try {
      const credentials = JSON.stringify((await namespace._auth?.(namespace.name)) ?? {})
      if (!stale()) this.#core?.attach(number, credentials)
    } catch (e) {
      if (stale()) return
      if (number) { // what it does not get is told by its refusal; the others go on
        this.#core?.attach(number, '')
        this.#heard.emit('error', e)
      } else this.#giveUp(e instanceof TickwireError ? e : new TickwireError('Refused', `auth() failed: ${e}`))
    }
    this.#pump()
  }

  /** @param {any} it */
  #stateIs({ at, retryInMs, reason, message, reload }) {
    this.#online = at === 'online'
    if (at === 'connecting') return
    if (at === 'online') [this.#everOnline, this.#because] = [true, {}]
    if (at === 'ended' && reload && this.#reload()) return
    this.#state = at === 'online' ? { at, link: this.#core?.link() ?? 'ws' } : at === 'away' ? { at, retryInMs, ...this.#because } : { at, reason, message }
    if (at === 'ended') this.#over(new TickwireError(reason, message || `the connection has ended: ${reason}`))
    // a first connection that does not come is told by its promise
    if (at !== 'away' || this.#everOnline) this.#heard.emit('state', this.#state)
  }

  /** The client is too old for the server: one reload, into the same rooms. */
  #reload() {
    const rooms = [...this.#rooms.values()].filter(room => room._how)
    return reload(rooms.map(room => ({ ...room._how, id: room.id })))
  }

  /** A namespace but the main one is refused, or over; its rooms have been told. @param {any} it */
  #leftOut(it) {
    const namespace = this.#numbered(it.namespace)
    if (namespace) this.#without(namespace, new TickwireError(it.code, it.message, undefined, it.data ?? undefined))
  }

  /** @param {Namespace} namespace @param {TickwireError} error */
  #without(namespace, error) {
    for (const waiting of [this.#asked, this.#lists]) {
      for (const [key, { namespace: of, reject }] of waiting) if (of === namespace) { waiting.delete(key); reject(error) }
    }
    for (const [key, room] of this.#rooms) {
      if (room._namespace !== namespace) continue
      this.#rooms.delete(key)
      room._ended(error.code, error.message)
    }
    namespace._over(error)
  }

  /** There is no use in trying on. @param {TickwireError} error */
  #giveUp(error) {
    const core = /** @type {Core} */ (this.#core)
    core.close()
    while (core.poll(now()) !== undefined); // it says that we left; the error says more
    this.#links.hangUp(core)
    this.#online = false
    this.#state = { at: 'ended', reason: error.code, message: error.message }
    this.#over(error)
    this.#heard.emit('error', error)
    this.#heard.emit('state', this.#state)
  }

  /** All that waits, and all rooms, are over. @param {TickwireError} error */
  #over(error) {
    const waiting = [...this.#asked.values(), ...this.#lists.values(), ...this.#replies.values()], rooms = [...this.#rooms.values()]
    this.#asked.clear()
    this.#lists.clear()
    this.#replies.clear()
    this.#live.clear()
    this.#rooms.clear()
    for (const { reject } of waiting) reject(error)
    for (const room of rooms) room._ended(error.code, error.message)
  }

  /** @param {any} it */
  #joined(it) {
    const asked = this.#asked.get(it.room)
    let room = this.#rooms.get(it.room)
    if (!room) {
      room = new Room(/** @type {Core} */ (this.#core), /** @type {WebAssembly.Memory} */ (this.#memory), it.room, {
        ...this.#talking,
        beat: () => this.#beat(),
        left: () => { this.#rooms.delete(it.room) },
        asked: (/** @type {number} */ request) => new Promise((resolve, reject) => {
          this.#lists.set(request, { resolve, reject })
          this.#pump()
        }),
        link: () => (this.#online ? this.#state.link : 'away'),
      })
      room._how = asked?.how
      room._namespace = asked?.namespace
      this.#rooms.set(it.room, room)
    }
    room._joined(it)
    this.#asked.delete(it.room)
    asked?.resolve(room)
  }

  /** A list, or what was asked for as a host. @param {any} it */
  #requestRefused(it) {
    const error = new TickwireError(it.code, it.message, undefined, it.data ?? undefined)
    const asked = this.#lists.get(it.request)
    this.#lists.delete(it.request)
    if (asked) asked.reject(error)
    else if (this.#live.delete(it.request)) this.#heard.emit('error', error)
  }

  /** @param {any} it */
  #refused(it) {
    const error = new TickwireError(it.code, it.message, undefined, it.data ?? undefined)
    this.#asked.get(it.room)?.reject(error)
    this.#asked.delete(it.room)
    const room = this.#rooms.get(it.room)
    this.#rooms.delete(it.room)
    room?._ended(it.code, it.message)
  }
}

// What a page imports of Tickwire. All else is in the files beside this one, and one file when it is served.


/**
 * A connection to a server, opened when the first room is asked for.
 * @param {string} [url] http(s) or ws(s); where the page came from by default
 * @param {Options} [options]
 */
function connect(url, options) { return new Net(url, options) }

export { TickwireError, connect, keys }
