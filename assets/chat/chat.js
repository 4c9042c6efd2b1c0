// The page of Parlour: a door, rooms, and what is said in them. Everything that survives a lost link is the client's doing, not this page's.
import { connect } from '/tickwire.js'

const $ = query => document.querySelector(query)
const door = $('#door'), inside = $('#inside'), lines = $('#lines'), words = $('#say input')
const LOBBY = 'lobby', KEPT = 'parlour', BOX = 100, PAGE = 50

/** Who one is, once signed in: { name, token, until }. */
let me = JSON.parse(localStorage.getItem(KEPT) ?? 'null')
/** The room that is shown, and the number of the oldest line of it. */
let room, oldest = 0
/** What came for this name while nobody looked. */
let box = []

// At the door everybody is let in: that is the namespace of the connection. Inside, only a token is.
const net = connect(undefined, { namespace: '/door', auth: () => ({}) })
const house = net.namespace('/', { auth: async () => ({ token: await freshToken() }) })

net.on('state', ({ at, retryInMs, message }) => {
  $('#state').className = at
  $('#state').textContent = at === 'online' ? '' : at === 'away' ? `reconnecting${retryInMs > 1500 ? ` in ${Math.round(retryInMs / 1000)} s` : ''} …` : message
})
net.on('error', e => console.warn(String(e)))
house.on('ended', e => { if (me) leave(e.message) })
house.on('notice', rings)

// The door.

/** Asked at each attach and when the token has run out. */
async function freshToken() {
  if (me && me.until - Date.now() < 60_000) keep(await net.ask('Renew', { token: me.token }))
  return me?.token
}
function keep({ name, token, good_for_s }) {
  me = { name, token, until: Date.now() + good_for_s * 1000 }
  localStorage.setItem(KEPT, JSON.stringify(me))
}
$('#door form').onsubmit = async e => {
  e.preventDefault()
  $('#wrong').textContent = ''
  try {
    keep(await net.ask('SignIn', { name: $('#name').value.trim(), password: $('#password').value, new: e.submitter?.name === 'new' }))
    $('#password').value = ''
    show()
  } catch (error) { $('#wrong').textContent = error.message }
}
function leave(why = '') {
  me = undefined
  localStorage.removeItem(KEPT)
  $('#wrong').textContent = why
  unlist()
  house.leave()
  room = undefined
  show()
}
$('#out').onclick = () => leave()

let unlist = () => {}
/** The door or the house, whichever one is at. */
function show() {
  door.hidden = !!me
  inside.hidden = !me
  if (!me) return void $('#name').focus()
  $('#own').textContent = me.name
  box = JSON.parse(localStorage.getItem(`${KEPT}.${me.name}`) ?? '[]')
  ring()
  unlist()
  unlist = house.lobbyLive('talk', list)
  enter(location.hash.slice(1) || LOBBY)
}

// Rooms.

/** The name of the room that one is on the way to. */
let entering = ''
async function enter(name) {
  const before = room
  if (entering === name || room?.name === name && !room.over) return
  entering = name
  try {
    const next = await house.quick('talk', { name })
    if (entering !== name) return void next.leave()
    room = Object.assign(next, { name, over: false })
    before?.leave()
    location.hash = name
    lines.replaceChildren()
    oldest = 2 ** 32 - 1
    next.on('Line', line => { if (room === next) add(line) })
    next.on('members', () => people())
    next.on('joined', () => more(next, true))
    next.on('ended', () => { next.over = true })
    people()
    list(known)
    await more(next, true)
    words.focus()
  } catch (e) {
    add({ by: 'Parlour', text: e.message, at: Date.now() / 1000, failed: true })
  } finally { if (entering === name) entering = '' }
}
addEventListener('hashchange', () => { if (me) enter(location.hash.slice(1) || LOBBY) })

/** The lines before the oldest that is shown; `last`: those that were missed at the end. */
async function more(of, last = false) {
  const { lines: found } = await of.ask('History', { before: last ? 2 ** 32 - 1 : oldest })
  if (room !== of) return
  const height = lines.scrollHeight - lines.scrollTop
  $('#older')?.remove()
  for (const line of found) add(line)
  if (found.length === PAGE && oldest > 1) {
    const button = Object.assign(document.createElement('button'), { id: 'older', textContent: 'Earlier', onclick: () => more(of) })
    lines.prepend(button)
  }
  lines.scrollTop = last ? lines.scrollHeight : lines.scrollHeight - height
}

/** What rooms there are. */
let known = []
function list(rooms) {
  known = rooms
  const all = new Map([[LOBBY, 0], ...rooms.map(it => [it.attributes.name, it.members])])
  if (room) all.set(room.name, all.get(room.name) ?? 1)
  $('#rooms').replaceChildren(...[...all].sort().map(([name, members]) => {
    const item = document.createElement('li'), button = document.createElement('button')
    button.append(`# ${name}`, Object.assign(document.createElement('small'), { textContent: members || '' }))
    button.className = name === room?.name ? 'here' : ''
    button.onclick = () => { location.hash = name }
    item.append(button)
    return item
  }))
}
$('#open').onsubmit = e => {
  e.preventDefault()
  const name = e.target[0].value.trim().toLowerCase().replace(/[^\p{L}\p{N}_-]+/gu, '-')
  e.target.reset()
  if (name) location.hash = name
}

/** Who is here, and who types: by name, since somebody may be here on several devices. */
function people() {
  const all = new Map(), better = it => 4 * it.mine + 2 * (it.presence !== 'away') + (it.status === 'typing')
  for (const it of room.members) {
    const known = all.get(it.name)
    if (!known || better(it) > better(known)) all.set(it.name, it)
  }
  const others = [...all.values()].filter(it => !it.mine)
  $('#people').replaceChildren(...[...all.values()].map(it => {
    const item = document.createElement('li')
    item.className = it.presence
    item.append(it.name, Object.assign(document.createElement('em'), { textContent: it.mine ? 'you' : it.presence === 'away' ? 'away' : '' }))
    if (!it.mine) item.onclick = () => { words.value = `/w ${it.name} `; words.focus() }
    return item
  }))
  const typing = others.filter(it => it.status === 'typing').map(it => it.name)
  $('#typing').textContent = typing.length ? `${typing.join(', ')} ${typing.length > 1 ? 'are' : 'is'} typing …` : ''
}

// Lines.

words.oninput = () => room?.typing(words.value !== '' && !words.value.startsWith('/'))
$('#say').onsubmit = async e => {
  e.preventDefault()
  const text = words.value.trim(), [, to, word] = /^\/w\s+(\S+)\s+(.+)/s.exec(text) ?? []
  if (!text || !room) return
  words.value = ''
  room.typing(false)
  const sent = { by: me.name, to, text: word ?? text, at: Date.now() / 1000 }
  const element = add({ ...sent, pending: true })
  try {
    // Asked once, answered once, over any number of links: ten minutes in a tunnel are no reason to give up.
    if (to) {
      await house.ask('Whisper', { to, text: word }, { timeoutMs: 600_000 })
      element.remove()
      add({ ...sent, private: `to ${to}` })
    } else {
      const line = await room.ask('Say', { text }, { timeoutMs: 600_000 })
      element.remove()
      add(line)
    }
  } catch (error) {
    element.remove()
    add({ ...sent, text: `${sent.text}\n${error.message}`, failed: true })
  }
}

const hue = name => [...name.toLowerCase()].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 360, 7)

/** Shows a line at its place, once. */
function add(line) {
  if (line.id && lines.querySelector(`[data-id="${line.id}"]`)) return
  const bottom = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80
  const element = document.createElement('div'), face = document.createElement('div'), who = document.createElement('div'), text = document.createElement('div')
  element.className = ['line first', line.pending && 'pending', line.failed && 'failed', line.private && 'private'].filter(Boolean).join(' ')
  if (line.id) element.dataset.id = line.id
  face.className = 'face'
  face.textContent = line.by[0].toUpperCase()
  face.style.background = `hsl(${hue(line.by)} 60% 65%)`
  who.className = 'who'
  who.append(line.by, line.private ? ` ${line.private}` : '', Object.assign(document.createElement('time'), { textContent: new Date(line.at * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }) }))
  text.className = 'text'
  for (const part of line.text.split(/(@[\w-]+)/)) {
    if (part.toLowerCase() === `@${me?.name.toLowerCase()}`) text.append(Object.assign(document.createElement('span'), { className: 'me', textContent: part }))
    else text.append(part)
  }
  element.append(face, who, text)
  const later = line.id && [...lines.querySelectorAll('[data-id]')].find(it => Number(it.dataset.id) > line.id)
  lines.insertBefore(element, later || (line.id ? lines.querySelector('.pending') : null))
  if (line.id) oldest = Math.min(oldest, line.id)
  if (bottom) lines.scrollTop = lines.scrollHeight
  return element
}

// The bell: what came for one's name, here or while one was away. The server keeps it until this function has returned.

function rings({ kind, data }) {
  box = [{ kind, data, at: Date.now(), seen: false }, ...box].slice(0, BOX)
  if (kind === 'whisper') add({ by: data.from, text: data.text, at: Date.now() / 1000, private: 'to you' })
  save()
}
function save() {
  localStorage.setItem(`${KEPT}.${me.name}`, JSON.stringify(box))
  ring()
}
function ring() {
  const unseen = box.filter(it => !it.seen).length, count = $('#bell i')
  count.hidden = !unseen
  count.textContent = unseen
  document.title = unseen ? `(${unseen}) Parlour` : 'Parlour'
  $('#box ul').replaceChildren(...box.map(({ kind, data, at }) => {
    const item = document.createElement('li'), when = document.createElement('small')
    when.textContent = new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
    item.append(kind === 'whisper' ? `${data.from} to you: ${data.text}` : `${data.by} in #${data.room}: ${data.text}`, document.createElement('br'), when)
    return item
  }))
  if (!box.length) $('#box ul').textContent = 'Nothing yet.'
}
$('#bell').onclick = () => {
  $('#box').hidden = !$('#box').hidden
  if ($('#box').hidden) return
  for (const it of box) it.seen = true
  save()
}

show()
