// The lobby's chat: what is said, what was said before, who is here and who types. All of it is text, never HTML.
import { TickwireError } from '/tickwire.js'

/** Lines that stay on the page. */
const KEPT = 200

export class Chat {
  #lines; #input; #typing; #here; #room = null; #newest = 0; #opened = 0

  /** @param {HTMLElement} box with a list, a form, a line for who types and a count */
  constructor(box) {
    this.#lines = box.querySelector('ol')
    this.#input = box.querySelector('input')
    this.#typing = box.querySelector('.typing')
    this.#here = box.querySelector('.here')
    this.#input.addEventListener('input', () => this.#types(this.#input.value.trim() !== ''))
    box.querySelector('form').addEventListener('submit', event => { event.preventDefault(); this.#say() })
  }

  get room() { return this.#room }

  /** Joins the talk over a connection; one before that is over. */
  async open(net) {
    const opened = ++this.#opened
    this.#room = null
    try {
      const room = await net.quick('chat')
      if (opened !== this.#opened) return
      this.#room = room
      room.on('Line', line => this.#add(line))
      room.on('members', members => this.#people(members))
      room.on('joined', () => this.#history(room, true))
      room.on('ended', () => { if (this.#room === room) this.#offline('The chat is closed.') })
      this.#people(room.members)
      this.#input.disabled = false
      await this.#history(room, true)
    } catch (error) {
      if (opened === this.#opened) this.#offline(error instanceof TickwireError ? 'No chat at the moment.' : String(error))
    }
  }

  async #history(room, anew) {
    try {
      const { lines } = await room.ask('Earlier', { beyond: 0 })
      if (room !== this.#room) return
      if (anew) { this.#lines.replaceChildren(); this.#newest = 0 }
      for (const line of lines) this.#add(line)
      if (!this.#newest) this.#note('Nobody has said anything yet.')
    } catch { /* the link is away: it comes with the next join */ }
  }

  #add({ number, name, text }) {
    if (number <= this.#newest) return
    if (!this.#newest) this.#lines.replaceChildren()
    this.#newest = number
    const line = document.createElement('li'), who = document.createElement('b')
    who.textContent = name
    who.style.color = `hsl(${hue(name)} 80% 72%)`
    line.append(who, ` ${text}`)
    this.#put(line)
  }

  #note(text) {
    const line = document.createElement('li')
    line.className = 'note'; line.textContent = text
    this.#put(line)
  }

  #put(line) {
    const atEnd = this.#lines.scrollHeight - this.#lines.scrollTop - this.#lines.clientHeight < 40
    this.#lines.append(line)
    while (this.#lines.children.length > KEPT) this.#lines.firstChild.remove()
    if (atEnd) this.#lines.scrollTop = this.#lines.scrollHeight
  }

  #people(members) {
    const there = members.filter(member => member.presence === 'online')
    this.#here.textContent = `${there.length} here`
    const names = there.filter(member => !member.mine && member.status === 'typing').map(member => member.name)
    this.#typing.textContent = !names.length ? '' : names.length === 1 ? `${names[0]} is typing…`
      : names.length === 2 ? `${names[0]} and ${names[1]} are typing…` : `${names.length} people are typing…`
  }

  #types(on) {
    try { this.#room?.typing(on) } catch { /* nobody would see it in time */ }
  }

  #say() {
    const text = this.#input.value.trim()
    if (!text || !this.#room) return
    try {
      this.#room.send('Say', { text })
      this.#input.value = ''
      this.#types(false)
    } catch (error) {
      this.#note(error instanceof TickwireError ? 'The link is away: say it again in a moment.' : String(error))
    }
  }

  #offline(text) {
    this.#room = null
    this.#input.disabled = true
    this.#typing.textContent = ''
    this.#here.textContent = ''
    this.#note(text)
  }
}

/** A colour for a name, always the same. */
function hue(name) {
  let sum = 7
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360
  return sum
}
