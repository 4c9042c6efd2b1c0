// The arena's keys: one table, by which keys are heard and the help is written, so that the help says what is true. What they do is the page's matter.
import { keys } from '/tickwire.js'

/**
 * `codes`: places on the keyboard, so that AZERTY works; `char`: or what is typed; `caps`: how the help names them; `held`: asked for each tick, the
 * others are pressed once.
 */
export const KEYS = [
  { name: 'up', codes: ['KeyW', 'ArrowUp'], caps: ['W', '↑'], text: 'fly up', held: true },
  { name: 'left', codes: ['KeyA', 'ArrowLeft'], caps: ['A', '←'], text: 'fly left', held: true },
  { name: 'down', codes: ['KeyS', 'ArrowDown'], caps: ['S', '↓'], text: 'fly down', held: true },
  { name: 'right', codes: ['KeyD', 'ArrowRight'], caps: ['D', '→'], text: 'fly right', held: true },
  { name: 'fire', codes: ['Space'], caps: ['click', 'Space'], text: 'bolts, which ricochet once', held: true },
  { name: 'rail', codes: ['KeyE'], caps: ['right click', 'E'], text: 'rail: hold half a second, hits at once what you see', held: true },
  { name: 'help', codes: ['KeyH', 'F1'], char: '?', caps: ['H', '?'], text: 'these keys' },
  { name: 'figures', codes: ['F3'], caps: ['F3'], text: 'network figures' },
  { name: 'link', codes: ['KeyL'], caps: ['L'], text: 'a worse link: delay, loss, cuts' },
  { name: 'ghosts', codes: ['KeyG'], caps: ['G'], text: 'ghosts: where the server’s newest snapshot has the ships' },
  { name: 'vectors', codes: ['KeyV'], caps: ['V'], text: 'corrections of your ship as arrows: true to scale, tenfold, off' },
  { name: 'leave', codes: ['Escape'], caps: ['Esc'], text: 'back to the lobby' },
]

/** Whether a key of that row is held. */
export function held(name) { return KEYS.find(key => key.name === name).codes.some(keys.down) }

/** Calls what a pressed key is to do, while `playing()`. Each row that is pressed has an action, and each action a row. */
export function hear(actions, playing) {
  const pressed = KEYS.filter(key => !key.held)
  for (const { name } of pressed) if (!actions[name]) throw new Error(`no action for the key ${name}`)
  for (const name of Object.keys(actions)) if (!pressed.some(key => key.name === name)) throw new Error(`no key for ${name}`)
  addEventListener('keydown', event => {
    const key = pressed.find(key => key.codes.includes(event.code) || (key.char && event.key === key.char))
    if (!key || !playing()) return
    if (/^F\d/.test(event.code)) event.preventDefault()
    if (!event.repeat) actions[key.name]()
  })
}

/** The help: a line for each key. */
export function table() {
  return KEYS.map(({ name, caps, text }) => {
    const li = document.createElement('li'), names = document.createElement('span'), says = document.createElement('span')
    li.dataset.key = name
    for (const cap of caps) { const kbd = document.createElement('kbd'); kbd.textContent = cap; names.append(kbd) }
    says.textContent = text
    li.append(names, says)
    return li
  })
}
