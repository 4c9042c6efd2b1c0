// The TypeScript of `docs/from-socket-io.md`, in its order: a test compares them line by line. It never runs.
import { connect, TickwireError } from '../../crates/tickwire-web/js/tickwire.js'
import type { GameTypes } from '../../crates/tickwire-web/js/tickwire.js'

interface Talk extends GameTypes {
  messages: { Said: { by: string, text: string }, Chat: { text: string } }
  requests: {
    Loadout: [{ weapon: number }, { ammunition: number }]
    Vote: [{ map: string }, { yes: boolean }]
  }
  rooms: { talk: { name: string } }
}

declare function show(text: string): void
declare function confirmed(text: string): Promise<boolean>
declare function freshToken(): Promise<string>
declare const token: string

const net = connect<Talk>()
const room = await net.quick('talk', { name: 'general' })
room.on('Said', ({ by, text }) => show(`${by}: ${text}`))
room.send('Chat', { text: 'hello' })
room.send('Chat', { text: 'only if it goes now' }, { volatile: true })

try {
  const { ammunition } = await room.ask('Loadout', { weapon: 2 }, { timeoutMs: 2000 })
  show(`${ammunition} shots`)
} catch (e) {
  if (e instanceof TickwireError && e.code === 'NoSuchWeapon') show(e.message)
  else throw e
}

room.onAsk('Vote', async ({ map }) => ({ yes: await confirmed(`Play ${map}?`) }))

const library = net.namespace('/library', { auth: () => ({ token }) })
const { titles } = await library.ask('Search', { text: 'crabs' })
show(titles.join())

const closed = connect<Talk>(undefined, { auth: async () => ({ token: await freshToken() }) })
closed.on('state', s => { if (s.at === 'ended') show(s.message) })

const stop = net.lobbyLive('talk', rooms => show(rooms.map(it => `${it.attributes.name}: ${it.members}`).join()))
room.on('members', all => show(all.filter(it => it.presence === 'online').map(it => it.name).join()))
room.typing()
await net.status('in queue')

net.on('state', s => show(s.at === 'away' ? `reconnecting in ${s.retryInMs} ms` : s.at))
net.on('resumed', () => show('nothing was lost'))
net.on('expired', () => show('away for too long: rooms are joined again by themselves'))

net.on('notice', ({ kind, data }) => show(`${kind}: ${JSON.stringify(data)}`))
stop()
