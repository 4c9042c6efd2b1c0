// The arena's page: lobby, HUD, what keys do; what is drawn on the canvas lives in stage.js, the keys in keys.js, the netcode in tickwire.js.
import { connect, TickwireError } from '/tickwire.js'
import { hear, held, table } from '/keys.js'
import { NetView } from '/netview.js'
import { Stage } from '/stage.js'
import { Chat } from '/chat.js'

const $ = id => document.getElementById(id)
const params = new URLSearchParams(location.search)
const stage = new Stage($('stage')), netview = new NetView()
stage.over = (...picture) => netview.draw(...picture)
const NAMES = ['Mira', 'Juno', 'Orin', 'Kestrel', 'Nyx', 'Tess', 'Ivo', 'Sol', 'Pax', 'Wren', 'Lyra', 'Finch']

let room = null
let busy = false
const rollbacks = [] // how many there were, in the last minute
let net = null
let shown = '' // the name that the connection was opened by
const chat = new Chat($('chat'))

$('name').value = params.get('name') ?? guest()?.name ?? NAMES[Math.floor(Math.random() * NAMES.length)]
window.arena = { stage, chat, netview, get net() { return net }, get room() { return room } } // for the curious, and for the browser tests

/* Who one is -------------------------------------------------------------------------------------------- */

/** A connection as the guest of that name; another name needs another one. */
function open() {
  const name = $('name').value.trim()
  if (net && name === shown) return
  const old = net
  net = null // what it says from here on is nobody's
  old?.close()
  shown = name
  const mine = net = connect(undefined, { link: params.get('link') ?? 'auto', auth: () => ({ token: guest()?.token ?? '', guest: name }) })
  if (Number($('way').value) || Number($('lost').value)) way(Number($('way').value), Number($('lost').value))
  mine.on('state', state => {
    if (mine !== net) return
    if (state.at === 'online') banner('')
    if (state.at === 'away') banner(`The server is away. Back in ${Math.max(0, Math.round((state.retryInMs ?? 0) / 100) / 10)} s…`, true)
    if (state.at === 'ended') { leave(); problem(`The session ended: ${state.reason}${state.message ? `. ${state.message}` : ''}`) }
  })
  mine.namespace('/').on('attached', identity => signIn(mine, identity, name))
  chat.open(mine)
}

/** The token that the server signed: with it one is the same player whenever one comes again. */
async function signIn(mine, identity, name) {
  const known = guest()
  if (!name || (known?.identity === identity && known.name === name)) return
  try { store('guest', JSON.stringify(await mine.ask('SignIn', { name }))) } catch (error) { console.error(error) }
}

function guest() {
  try { return JSON.parse(stored('guest')) } catch { return null }
}

/* Lobby ------------------------------------------------------------------------------------------------- */

$('play').addEventListener('submit', event => { event.preventDefault(); enter(() => net.quick('arena')) })
$('create').addEventListener('click', () => enter(() => net.create('arena')))

async function enter(ask) {
  if (busy || room) return
  busy = true
  problem('')
  open()
  for (const button of document.querySelectorAll('button')) button.disabled = true
  try {
    start(await ask())
  } catch (error) {
    problem(error instanceof TickwireError ? sentence(error) : String(error))
    if (!(error instanceof TickwireError)) console.error(error)
  } finally {
    busy = false
    for (const button of document.querySelectorAll('button')) button.disabled = false
    listRooms()
  }
}

function sentence(error) {
  const texts = { Full: 'That room is full. Pick another one, or make a new one.', NotFound: 'That room is gone.', Locked: 'That room is locked.' }
  return texts[error.code] ?? [`${error.code}: ${error.message}`, error.fix].filter(Boolean).join(' ')
}

async function listRooms() {
  if (room) return
  let rooms
  try { rooms = await net.lobby('arena') } catch (error) { return emptyList(error instanceof TickwireError ? sentence(error) : 'No answer from the server yet.') }
  if (!rooms.length) return emptyList('No room is open. “Play now” opens one.')
  $('rooms').replaceChildren(...rooms.map(row))
}

function row(info) {
  const li = document.createElement('li')
  const name = document.createElement('span'), bar = document.createElement('span'), fill = document.createElement('i')
  const seats = document.createElement('small'), button = document.createElement('button')
  name.textContent = `Room ${info.id}`
  bar.className = 'bar'; fill.style.width = `${100 * info.members / info.seats}%`; bar.append(fill); name.append(bar)
  seats.textContent = `${info.members} of ${info.seats} seats`
  button.textContent = info.members >= info.seats ? 'Full' : 'Join'
  button.dataset.room = info.id
  button.addEventListener('click', () => enter(() => net.join(info.id)))
  li.append(name, seats, button)
  return li
}

function emptyList(text) {
  const li = document.createElement('li')
  li.className = 'empty'; li.textContent = text
  $('rooms').replaceChildren(li)
}

/* Playing ----------------------------------------------------------------------------------------------- */

function start(joined) {
  room = joined
  document.body.classList.add('playing')
  history.replaceState(null, '', `#${room.id}`)
  document.activeElement?.blur?.()
  room.command = command
  room.on('Boom', boom => stage.boom(boom))
  room.on('Spark', spark => stage.spark(spark))
  room.on('Beam', beam => stage.beam(beam))
  if (room.newest) room.on('corrected', correction => netview.corrected(correction))
  room.on('ended', ({ reason, message }) => { leave(); problem(`The room ended: ${reason}${message ? `. ${message}` : ''}`) })
  stage.enter()
  netview.clear()
  rollbacks.length = 0
  greet()
  room.frame(view => stage.draw(view, room))
}

function leave() {
  if (!room) return
  const left = room
  room = null
  document.body.classList.remove('playing')
  $('help').hidden = $('hint').hidden = $('legend').hidden = true
  history.replaceState(null, '', location.pathname)
  left.leave().catch(() => {})
  if (!busy) open() // a name that was written in flight
  listRooms()
}

function command() {
  return {
    x: held('right') - held('left'),
    y: held('down') - held('up'),
    aim: stage.aim(),
    fire: held('fire') || stage.pressed,
    rail: held('rail') || stage.railed,
  }
}

hear({
  help: () => help($('help').hidden),
  figures: () => $('net').classList.toggle('off'),
  link: () => { $('link').classList.toggle('off'); $('hint').hidden = true },
  ghosts: () => { netview.ghosts = !netview.ghosts; legend() },
  vectors: () => { netview.turn(); legend() },
  leave: () => { if ($('help').hidden) leave(); else help(false) },
}, () => room)

$('help').querySelector('ol').replaceChildren(...table())
$('help').addEventListener('click', () => help(false))
$('more').addEventListener('click', () => help($('help').hidden))
if (innerWidth < 640) $('link').classList.add('off') // there is no room for both

function help(open) {
  $('help').hidden = !open
  $('hint').hidden = true
  $('more').blur() // the space bar fires
  if (open) store('helped', '1')
}

/** Who is here for the first time is told how to fly, until they have looked at the keys or flown for a while. */
function greet() {
  $('hint').hidden = Boolean(stored('helped'))
  setTimeout(() => { $('hint').hidden = true }, 15_000)
}

/* The way to the server --------------------------------------------------------------------------------- */

/** Milliseconds there and back, of which a third varies a little, and percent lost. */
function way(ms, lost) {
  $('way').value = ms; $('lost').value = lost
  $('way-ms').textContent = ms; $('way-lost').textContent = lost
  for (const pill of document.querySelectorAll('#link [data-way]')) {
    pill.setAttribute('aria-pressed', Number(pill.dataset.way) === ms && Number(pill.dataset.loss ?? 0) === lost)
  }
  net?.condition(ms || lost ? { delayMs: ms / 2, jitterMs: ms / 15, loss: lost / 100 } : null)
}
for (const pill of document.querySelectorAll('#link button')) {
  pill.addEventListener('click', () => {
    if (pill.dataset.cut) net?.condition({ cutMs: Number(pill.dataset.cut) })
    else way(Number(pill.dataset.way), Number(pill.dataset.loss ?? 0))
    pill.blur() // the space bar fires
  })
}
for (const slider of [$('way'), $('lost')]) {
  slider.addEventListener('input', () => way(Number($('way').value), Number($('lost').value)))
  slider.addEventListener('change', () => slider.blur())
}

/* HUD --------------------------------------------------------------------------------------------------- */

setInterval(() => {
  if (!room) return
  const f = room.figures
  $('f-ping').textContent = number(f.pingMs)
  $('f-jitter').textContent = number(f.jitterMs, 1)
  $('f-tick').textContent = number(f.tick)
  $('f-kbps').textContent = number(f.kBps, 1)
  $('f-entities').textContent = number(f.entities)
  $('f-link').textContent = f.link ?? '–'
  $('f-ahead').textContent = number(f.prediction?.aheadTicks)
  $('f-delay').textContent = number(f.delayMs)
  $('f-lead').textContent = number(f.leadTicks, 1)
  $('f-buffer').textContent = number(f.slack)
  $('f-rollbacks').textContent = number(f.prediction && lastMinute(f.prediction.rollbacks))
  $('f-corrected').textContent = number(f.prediction?.mispredictions)
  legend()
  const scores = room.resource('Scores')
  if (scores) { $('s-amber').textContent = scores.amber; $('s-azure').textContent = scores.azure }
  listPilots()
}, 250)

/** How many rollbacks there were in the last minute. */
function lastMinute(count) {
  const now = performance.now()
  rollbacks.push({ now, count })
  while (rollbacks[0].now < now - 60_000) rollbacks.shift()
  return count - rollbacks[0].count
}

function legend() {
  const lines = netview.legend()
  if (lines.length) $('hint').hidden = true // it has been read
  $('legend').hidden = !lines.length
  $('legend').replaceChildren(...lines.map(line => { const p = document.createElement('p'); p.textContent = line; return p }))
}

function listPilots() {
  const pilots = [...room.all('Pilot')].map(({ Pilot, mine }) => ({ ...Pilot, mine })).sort((a, b) => b.kills - a.kills || a.deaths - b.deaths)
  $('scores').replaceChildren(...pilots.slice(0, 10).map(pilot => {
    const li = document.createElement('li'), name = document.createElement('span'), kills = document.createElement('b')
    name.textContent = pilot.name; name.className = pilot.team === 0 || pilot.team === 'Amber' ? 'amber' : 'azure'
    if (pilot.computer) { const tag = document.createElement('i'); tag.textContent = ' computer'; name.append(tag) }
    kills.textContent = pilot.kills
    li.classList.toggle('mine', pilot.mine)
    li.append(name, kills)
    return li
  }))
}

const number = (value, digits = 0) => Number.isFinite(value) ? value.toFixed(digits) : '–'
function banner(text, bad = false) { $('banner').hidden = !text; $('banner').textContent = text; $('banner').classList.toggle('bad', bad) }
function problem(text) { $('problem').hidden = !text; $('problem').textContent = text }
function stored(key) { try { return localStorage.getItem(`afterglow.${key}`) } catch { return null } }
function store(key, value) { try { localStorage.setItem(`afterglow.${key}`, value) } catch { /* private mode */ } }

$('name').addEventListener('change', () => { if (!room && !busy) open() })
open()
listRooms()
setInterval(() => { if (!room && !document.hidden) listRooms() }, 3000)
const asked = location.hash.slice(1)
if (asked) enter(() => net.join(asked)).then(() => { if (!room) history.replaceState(null, '', location.pathname) })
else if (params.has('play')) enter(() => net.quick('arena'))
