// A connection to a server: what a page asks of it, what the core (WebAssembly) asks for, and the time. Links, rooms and namespaces are files of their own.
// @ts-check
import init, { Core } from './tickwire_core.js'
import { TickwireError, unknown } from './errors.js'
import { bytesOf, dropSeat, keepSeat, reload, seatKey } from './kept.js'
import { Links } from './links.js'
import { Listeners, guard, now } from './listeners.js'
import { Namespace, personOf } from './namespace.js'
import { Room } from './room.js'

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

export class Net {
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
