// A part in one namespace of a server: what can be asked for there, and who is followed. The connection below it is another file's.
// @ts-check
/** @import { Core } from './tickwire_core.js' */
import { TickwireError } from './errors.js'
import { recall } from './kept.js'
import { Listeners, guarded } from './listeners.js'
import { Talk } from './talk.js'

/** A part in one namespace of a server: its rooms, and the messages outside of them. */
export class Namespace {
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
export function personOf({ identity, presence, gone, status }) {
  return gone ? { identity, presence, gone, status } : { identity, presence, status }
}
