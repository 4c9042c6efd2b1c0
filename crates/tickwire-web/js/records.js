// Components, resources and commands as a page has them, and the doubles and texts that the core has of them. Which there are is the room's matter.
// @ts-check
/** @import { Core } from './tickwire_core.js' */
import { TickwireError, unknown } from './errors.js'

/** A component or a resource, as its doubles and texts have it. @param {Core} core @param {any} record @param {Float64Array} rows @param {number} at */
export function valuesOf(core, record, rows, at) {
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
export function encode({ name, fields }, asked) {
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
export function entityClass(names, read, since) {
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
