// A room that one is in: its picture, what is bound to it, its events, and what one does there. Its link is the connection's.
// @ts-check
/** @import { Core } from './tickwire_core.js' */
/** @import { Namespace } from './namespace.js' */
import { TickwireError, unknown } from './errors.js'
import { Listeners, guard, now } from './listeners.js'
import { encode, entityClass, valuesOf } from './records.js'
import { Talk } from './talk.js'

/** Names of a room's own events; a game's are written large. */
const OWN = ['joined', 'moved', 'away', 'kicked', 'ended', 'members', 'corrected']

/** A room that one is in. It stays the same object when the link is lost, and when the room is joined again. */
export class Room {
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
