// Every name of `tickwire.d.ts`, used as it is meant, with and without types of a game; and uses that must be errors. It never runs.
import { connect, keys, TickwireError } from '../../crates/tickwire-web/js/tickwire.js'
import type { Code, Correction, Entity, Figures, GameTypes, Member, Namespace, Net, Notice, Person, Prediction, Profile, Reason, Room, RoomEvents, RoomInfo, State } from '../../crates/tickwire-web/js/tickwire.js'

interface Dots extends GameTypes {
  components: { Dot: { x: number, hue: number }, Name: { text: string } }
  resources: { Score: { total: number } }
  command: { x: number }
  events: { Pop: { x: number } }
  messages: { Say: { text: string } }
  requests: { Vote: [{ map: number }, { winner: string }] }
  rooms: { dots: { mode: string } }
}

// A connection.
const net: Net<Dots> = connect<Dots>()
connect<Dots>('wss://example.com', { auth: async () => ({ token: 'fresh' }) })
connect<Dots>(undefined, {})
connect<Dots>(undefined, { extrapolateMs: 100 })
const state: State = net.state
if (state.at === 'online') { const link: string = state.link; void link }
if (state.at === 'away') { const ms: number = state.retryInMs, why: Reason | undefined = state.reason, text: string | undefined = state.message; void [ms, why, text] }
if (state.at === 'ended') { const why: [Reason | Code, string] = [state.reason, state.message]; void why }
const stop: () => void = net.on('state', s => { const at: 'online' | 'away' | 'ended' = s.at; void at })
stop()
net.on('resumed', () => {})
net.on('expired', () => {})
net.on('error', e => { const told: [Code, string, string | undefined, unknown] = [e.code, e.message, e.fix, e.data]; void told })
const list: RoomInfo[] = await net.lobby('dots')
for (const { id, kind, members, seats, locked, attributes } of list) {
  const told: [string, string, number, number, boolean, string | undefined] = [id, kind, members, seats, locked, attributes.mode]
  void told
}
await net.lobby()

// A room.
const room: Room<Dots> = await net.quick('dots', { mode: 'ffa' })
const others: Room<Dots>[] = [await net.quick('dots'), await net.create('dots', { mode: 'duel' }), await net.join(room.id)]
const place: [string, string, number | null] = [room.id, room.kind, room.seat]
const members: readonly Member[] = room.members
for (const { member, seat, name, presence, status, mine } of members) {
  const told: [number, number | null, string, 'online' | 'away' | 'gone', string, boolean] = [member, seat, name, presence, status, mine]
  void told
}
const figures: Figures = room.figures
const numbers: number[] = [
  figures.pingMs, figures.jitterMs, figures.tick, figures.kBps, figures.updatesPerS, figures.entities, figures.ageMs, figures.delayMs,
  figures.leadTicks, figures.slack, figures.underruns, figures.extrapolatedMs, figures.faults,
]
const link: string = figures.link
const ahead: Prediction | null = figures.prediction
const predicted: number[] = ahead ? [ahead.aheadTicks, ahead.rollbacks, ahead.mispredictions, ahead.replayedTicks, ahead.updates] : []
void predicted
room.command = () => ({ x: keys.axis('KeyA', 'KeyD') })
room.command = () => null
room.command = null
const unframe: () => void = room.frame(view => view.all('Dot').forEach(e => e.Dot.x))
unframe()
room.draw()
const dots: Entity<Dots['components'], 'Dot'>[] = room.all('Dot')
for (const e of dots) {
  const told: [number, number, boolean, string | undefined, number] = [e.Dot.x, e.id, e.mine, e.Name?.text, e.since(e.Dot.x)]
  void told
}
const total: number | undefined = room.resource('Score')?.total
const unbind: () => void = room.bind('Dot', { add: e => [e.Dot.hue], frame: (hues, e) => hues.push(e.Dot.hue), remove: (hues, e) => hues.splice(e.id) })
unbind()
room.bind('Name', { add: e => e.Name.text.length })
room.on('Pop', e => e.x.toFixed())
room.on('Say', m => m.text.trim())
room.on('joined', again => again.id)
room.on('away', () => {})
room.on('ended', ({ reason, message }) => `${reason}: ${message}`)
room.on('members', all => all.map(m => m.name))
const heard: RoomEvents['members'] = room.members
room.on('corrected', ({ id, mine, tick, component, from, to }: Correction) => console.log(id, mine, tick, component, from, to))
for (const it of room.newest('Dot')) { const told: [number, boolean, number] = [it.id, it.mine, it.value.hue]; void told }
room.send('Say', { text: 'hi' })
room.send('Say', { text: 'hi' }, { channel: 3, volatile: true })
const winner: string = (await room.ask('Vote', { map: 1 })).winner
await room.ask('Vote', { map: 2 }, { timeoutMs: 2000, channel: 1, signal: AbortSignal.timeout(1000) })
const unanswer: () => void = room.onAsk('Vote', ({ map }) => ({ winner: `map ${map}` }))
room.onAsk('Vote', async () => { throw new TickwireError('Forbidden', 'not now', undefined, { winner }) })
unanswer()
room.status('in queue')
room.status('back soon', { expiresMs: 60_000 })
room.typing()
room.typing(false)
await net.status('', {})
await net.follow('guest:Ann', 'guest:Bob')
await net.unfollow('guest:Bob')
net.on('person', p => { const seen: Person = p; void seen })
net.on('notice', async (n: Notice) => { const told: [string, number | null, string] = [n.kind, n.cursor, n.data.text]; void told; n.done() })
const ann: Person | undefined = net.person('guest:Ann')
if (ann) { const told: [string, 'online' | 'away' | 'gone', string] = [ann.identity, ann.presence, ann.status]; void told }

// A namespace.
interface Talks extends GameTypes { messages: { Line: { text: string } }, rooms: { talk: { topic: string } } }
connect<Dots>(undefined, { namespace: '/game', auth: namespace => ({ token: namespace.trim() }) })
const chat: Namespace<Talks> = net.namespace<Talks>('/chat', { auth: async namespace => ({ guest: namespace.trim() }) })
const who: [string, string | undefined] = [chat.name, chat.identity]
chat.on('attached', identity => identity.trim())
chat.on('renewed', () => {})
chat.on('ended', e => { const code: Code = e.code; void code })
chat.on('Line', m => m.text.trim())
net.on('Say', m => m.text.trim())
await chat.send('Line', { text: 'hi' })
await net.send('Say', { text: 'hi' })
const talks: Room<Talks>[] = [
  await chat.quick('talk', { topic: 'maps' }), await chat.create('talk', { topic: 'maps' }, { private: true }), await chat.join('talk-1'),
  await chat.code('KFXR'), await chat.watch('talk-1'), await chat.reserved('token'),
]
chat.lobbyLive('talk', all => all.map(info => info.id))()
const topics: RoomInfo[] = await chat.lobby('talk')
await chat.leave()
await room.leave()
void net.condition('4G')
void net.condition({ delayMs: 75, jitterMs: 10, loss: 0.02 })
void net.condition({ cutMs: 3000 })
void net.condition(null)
const profile: Profile = 'fiber'
void net.condition(profile)
net.close()
const down: boolean = keys.down('Space')

// An error.
const error: Error = new TickwireError('Full', 'the room is full', 'Try another one.', { seats: 2 })
const own = new TickwireError('Sunday', 'a code of the game itself')
const code: Code = own.code

// A game of which the page brings no types.
const any = await connect().quick('whatever', { map: 'moon' })
any.command = () => ({ x: 1, fire: true })
any.all('Anything').map(e => e.Anything.x + e.id)
any.on('Whatever', e => e.text)
any.send('Anything', { deep: [1, 2] })

// What must not pass.
// @ts-expect-error there is no such kind of room
net.quick('dot')
// @ts-expect-error nor such an attribute
net.quick('dots', { mood: 'ffa' })
// @ts-expect-error nor such a component
room.all('Dots')
// @ts-expect-error nor such a field
room.all('Dot')[0]?.Dot.y
// @ts-expect-error an entity of dots need not have a name
room.all('Dot')[0]?.Name.text
// @ts-expect-error it is a number
room.command = () => ({ x: 'left' })
// @ts-expect-error there is no such message
room.send('Shout', { text: 'hi' })
// @ts-expect-error it is called text
room.send('Say', { texts: 'hi' })
// @ts-expect-error nobody tells that
room.on('Popped', () => {})
// @ts-expect-error what is bound must be made
room.bind('Dot', { frame() {} })
// @ts-expect-error the room says where one is
room.id = 'ABCD'
// @ts-expect-error a state says where it is
net.state.retryInMs.toFixed()
// @ts-expect-error who closes has no error to tell
net.on('closed', () => {})

await net.ask('Vote', { map: 1 })
await net.namespace('/chat').ask('Any', {}, { timeoutMs: 100 })
net.onAsk('Vote', () => ({ winner: '' }))()
net.namespace('/chat').onAsk('Any', async () => 1)()
await net.send('Say', { text: 'hi' }, { channel: 1 })
void [others, place, numbers, link, total, heard, down, error, code, who, talks, topics]
