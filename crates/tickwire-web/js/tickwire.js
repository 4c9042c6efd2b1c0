// What a page imports of Tickwire. All else is in the files beside this one, and one file when it is served.
// @ts-check
import { TickwireError } from './errors.js'
import { keys } from './keys.js'
import { Net } from './net.js'

/** @import { Options } from './net.js' */

/**
 * A connection to a server, opened when the first room is asked for.
 * @param {string} [url] http(s) or ws(s); where the page came from by default
 * @param {Options} [options]
 */
function connect(url, options) { return new Net(url, options) }

export { TickwireError, connect, keys }
