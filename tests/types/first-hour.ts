// What a page's author writes in the first hour, in TypeScript: it type-checks against `tickwire.d.ts` as it stands, and never runs.
import { connect, keys, TickwireError } from '../../crates/tickwire-web/js/tickwire.js'
import type { GameTypes } from '../../crates/tickwire-web/js/tickwire.js'

interface Arena extends GameTypes {
  components: { Ship: { x: number, y: number, rot: number, team: 'Amber' | 'Azure' } }
  resources: { Scores: { amber: number, azure: number } }
  command: { x: -1 | 0 | 1, y: -1 | 0 | 1, aim: number, fire: boolean }
  events: { Boom: { x: number, y: number } }
  messages: { Chat: { text: string } }
  rooms: { arena: { mode: string } }
}

declare class ShipSprite {
  constructor(team: 'Amber' | 'Azure', mine: boolean)
  pose(x: number, y: number, rot: number): void
  explode(): void
}
declare const scene: { on(name: 'update', f: () => void): void }
declare function banner(text: string): void
declare function boom(x: number, y: number): void

const nick = 'Ann', aim = 0
const net = connect<Arena>('http://localhost:7777', { auth: () => ({ guest: nick }) })
net.on('state', s => banner(s.at === 'away' ? `back in ${s.retryInMs} ms…` : s.at === 'ended' ? s.reason : ''))
try {
  const room = await net.quick('arena', { mode: 'ffa' })
  room.bind('Ship', {
    add: e => new ShipSprite(e.Ship.team, e.mine),
    frame: (sprite, e) => sprite.pose(e.Ship.x, e.Ship.y, e.Ship.rot),
    remove: sprite => sprite.explode(),
  })
  room.on('Boom', b => boom(b.x, b.y))
  room.command = () => ({ x: keys.axis('KeyA', 'KeyD'), y: keys.axis('KeyW', 'KeyS'), aim, fire: keys.down('Space') })
  scene.on('update', () => room.draw())
  room.send('Chat', { text: 'hello' })
} catch (e) {
  if (e instanceof TickwireError && e.code === 'Full') banner(`Room full. ${e.fix ?? ''}`)
  else throw e
}
