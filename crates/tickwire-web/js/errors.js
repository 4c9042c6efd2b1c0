// What goes wrong, as a page is told: a code, a text, what to do. Where it goes wrong is elsewhere.
// @ts-check

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
export class TickwireError extends Error {
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
export function unknown(what, name, names, where = 'there is') {
  return new TickwireError('BadName', `${where} no ${what} "${name}".`, names.length ? `There are: ${names.join(', ')}.` : 'There are none.')
}
