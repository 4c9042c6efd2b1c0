// Messages and requests, as a room and a namespace have them alike. Whose they are is told by a number.
// @ts-check
/** @import { Core } from './tickwire_core.js' */
import { TickwireError } from './errors.js'
import { now } from './listeners.js'

/** Messages and requests, in both directions, of a room or of a namespace outside of its rooms. */
export class Talk {
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
