// What the arena draws: camera, floor, walls, ships, bolts, beams and sparks on a 2-D canvas. It knows nothing of links or sessions.
const C = { void: '#070a12', floor: '#0e1422', grid: '#223052', wall: '#2b3a5c', lid: '#5874ad', ink: '#e8eef9', dim: '#8fa0bf', danger: '#ff5a6e' }
const TEAM = ['#ffb000', '#3da5ff']
export const teamOf = team => team === 1 || team === 'Azure' ? 1 : 0

export class Stage {
  constructor(canvas) {
    this.canvas = canvas
    this.g = canvas.getContext('2d', { alpha: false })
    this.glow = TEAM.map(color => glow(color, 96))
    this.camera = { x: 800, y: 500, zoom: 1 }
    this.mouse = { x: 0, y: 0 }
    this.pressed = this.railed = false // the left and the right button
    this.over = null // draws over the ships: (g, ships, room, now)
    this.effects = []
    this.charges = new Map()
    this.trails = new Map()
    this.last = performance.now()
    canvas.addEventListener('pointermove', event => { this.mouse = { x: event.clientX, y: event.clientY } })
    const buttons = event => { this.pressed = Boolean(event.buttons & 1); this.railed = Boolean(event.buttons & 2) }
    canvas.addEventListener('pointerdown', event => { buttons(event); this.mouse = { x: event.clientX, y: event.clientY } })
    canvas.addEventListener('pointermove', event => { if (this.pressed || this.railed || event.buttons) buttons(event) }) // a second button is no new pointer
    canvas.addEventListener('contextmenu', event => event.preventDefault())
    addEventListener('pointerup', buttons)
    addEventListener('blur', () => { this.pressed = this.railed = false })
    addEventListener('resize', () => this.resize())
    this.resize()
    this.clear()
  }

  resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2)
    this.width = innerWidth; this.height = innerHeight
    this.canvas.width = Math.round(this.width * ratio); this.canvas.height = Math.round(this.height * ratio)
    this.ratio = ratio
    this.clear()
  }

  clear() { this.g.setTransform(1, 0, 0, 1, 0, 0); this.g.fillStyle = C.void; this.g.fillRect(0, 0, this.canvas.width, this.canvas.height) }
  enter() { this.mine = null; this.effects.length = 0; this.trails.clear(); this.charges.clear(); this.settled = false }

  /** The angle from the own ship to the pointer, in radians. */
  aim() {
    const s = this.mine ? this.toScreen(this.mine.x, this.mine.y) : { x: this.width / 2, y: this.height / 2 }
    return Math.atan2(this.mouse.y - s.y, this.mouse.x - s.x)
  }

  toScreen(x, y) { return { x: (x - this.camera.x) * this.camera.zoom + this.width / 2, y: (y - this.camera.y) * this.camera.zoom + this.height / 2 } }
  boom({ x, y, team }) { this.effects.push({ kind: 'boom', x, y, team: teamOf(team), at: performance.now(), life: 620, seed: x * 7 + y }) }
  spark({ x, y, team }) { this.effects.push({ kind: 'spark', x, y, team: teamOf(team), at: performance.now(), life: 240, seed: x * 3 + y }) }
  beam({ x, y, to_x, to_y, team }) { this.effects.push({ kind: 'beam', x, y, to_x, to_y, team: teamOf(team), at: performance.now(), life: 520, seed: x }) }

  draw(view, room) {
    const now = performance.now(), dt = Math.min(0.1, (now - this.last) / 1000)
    this.last = now
    const ships = [...view.all('Ship')]
    const mine = ships.find(ship => ship.mine)
    this.mine = mine ? mine.Ship : this.mine
    const ground = room.resource('Ground') ?? { width: 1600, height: 1000 }
    this.follow(dt, ground)
    const g = this.g, z = this.camera.zoom * this.ratio
    this.clear()
    g.setTransform(z, 0, 0, z, this.canvas.width / 2 - this.camera.x * z, this.canvas.height / 2 - this.camera.y * z)
    this.floor(ground)
    for (const { Wall } of view.all('Wall')) this.wallBody(Wall)
    g.globalCompositeOperation = 'lighter'
    for (const { Ship } of ships) if (Ship.health > 0) this.light(Ship.x, Ship.y, teamOf(Ship.team), 0.34, 90)
    const bolts = [...view.all('Bolt')]
    for (const { Bolt } of bolts) this.bolt(Bolt)
    for (const ship of ships) this.trail(ship, now)
    if (this.trails.size > ships.length) { // of those that are gone
      const here = new Set(ships.map(ship => ship.id))
      for (const id of this.trails.keys()) if (!here.has(id)) this.trails.delete(id)
    }
    for (const e of this.effects) if (e.kind === 'beam' && now - e.at < e.life) this.drawBeam(e, (now - e.at) / e.life)
    g.globalAlpha = 1; g.globalCompositeOperation = 'source-over'
    for (const { Wall } of view.all('Wall')) this.wallLid(Wall)
    for (const ship of ships) this.ship(ship, now)
    this.over?.(g, ships, room, now)
    this.drawEffects(now)
    this.vignette()
  }

  follow(dt, ground) {
    const view = Math.max(this.width / 1456, this.height / 819)
    this.camera.zoom += (view * 1.15 - this.camera.zoom) * (this.settled ? 1 - Math.exp(-dt * 6) : 1)
    const target = this.mine ? { ...this.mine } : { x: ground.width / 2, y: ground.height / 2 }
    if (this.mine) { // lead the aim by 12 %
      target.x += (this.mouse.x - this.width / 2) / this.camera.zoom * 0.12
      target.y += (this.mouse.y - this.height / 2) / this.camera.zoom * 0.12
    }
    // The void beyond the edge is shown only a little.
    const edge = (at, side, size) => { const half = size / 2 / this.camera.zoom - 90; return side < 2 * half ? side / 2 : Math.min(Math.max(at, half), side - half) }
    target.x = edge(target.x, ground.width, this.width); target.y = edge(target.y, ground.height, this.height)
    const pull = this.settled ? 1 - Math.exp(-dt * 9) : 1
    this.camera.x += (target.x - this.camera.x) * pull
    this.camera.y += (target.y - this.camera.y) * pull
    this.settled = Boolean(this.mine)
  }

  floor(ground) {
    const g = this.g
    g.fillStyle = C.floor; g.fillRect(0, 0, ground.width, ground.height)
    g.strokeStyle = C.grid; g.lineWidth = 1; g.globalAlpha = 0.55; g.beginPath()
    for (let x = 0; x <= ground.width; x += 80) { g.moveTo(x, 0); g.lineTo(x, ground.height) }
    for (let y = 0; y <= ground.height; y += 80) { g.moveTo(0, y); g.lineTo(ground.width, y) }
    g.stroke(); g.globalAlpha = 1
    g.strokeStyle = C.lid; g.lineWidth = 3; g.strokeRect(0, 0, ground.width, ground.height)
  }

  lift(wall) { // the lid leans away from the camera's centre
    const k = 0.055
    return { x: (wall.x + wall.w / 2 - this.camera.x) * k, y: (wall.y + wall.h / 2 - this.camera.y) * k - 4 }
  }

  wallBody(w) {
    const g = this.g, { x: dx, y: dy } = this.lift(w)
    g.fillStyle = 'rgb(0 0 0 / 35%)'; g.fillRect(w.x + 6, w.y + 9, w.w, w.h)
    const a = [[w.x, w.y], [w.x + w.w, w.y], [w.x + w.w, w.y + w.h], [w.x, w.y + w.h]]
    const shades = ['#24314f', '#1b2540', '#161f36', '#1f2b47']
    for (let i = 0; i < 4; i++) {
      const [p, q] = [a[i], a[(i + 1) % 4]]
      g.fillStyle = shades[i]; g.beginPath(); g.moveTo(...p); g.lineTo(...q); g.lineTo(q[0] + dx, q[1] + dy); g.lineTo(p[0] + dx, p[1] + dy); g.closePath(); g.fill()
    }
  }

  wallLid(w) {
    const g = this.g, { x: dx, y: dy } = this.lift(w)
    g.fillStyle = C.wall; g.fillRect(w.x + dx, w.y + dy, w.w, w.h)
    g.strokeStyle = C.lid; g.lineWidth = 1.5; g.strokeRect(w.x + dx, w.y + dy, w.w, w.h)
  }

  light(x, y, team, alpha, radius) {
    this.g.globalAlpha = alpha
    this.g.drawImage(this.glow[team], x - radius, y - radius, radius * 2, radius * 2)
    this.g.globalAlpha = 1
  }

  bolt(b) {
    const g = this.g, team = teamOf(b.team), speed = Math.hypot(b.vx, b.vy) || 1, dx = b.vx / speed, dy = b.vy / speed
    this.light(b.x, b.y, team, 0.5, 26)
    g.lineCap = 'round'
    g.strokeStyle = TEAM[team]; g.lineWidth = 4.5; g.beginPath(); g.moveTo(b.x - dx * 20, b.y - dy * 20); g.lineTo(b.x + dx * 6, b.y + dy * 6); g.stroke()
    g.strokeStyle = '#fff8e6'; g.lineWidth = 2; g.beginPath(); g.moveTo(b.x - dx * 7, b.y - dy * 7); g.lineTo(b.x + dx * 6, b.y + dy * 6); g.stroke()
  }

  trail({ id, Ship }, now) {
    let points = this.trails.get(id)
    if (!points) this.trails.set(id, points = [])
    if (Ship.health > 0) points.push({ x: Ship.x, y: Ship.y, at: now })
    while (points.length && now - points[0].at > 220) points.shift()
    if (points.length < 2) { if (!points.length && Ship.health <= 0) this.trails.delete(id); return }
    const g = this.g
    g.strokeStyle = TEAM[teamOf(Ship.team)]; g.lineCap = 'round'
    for (let i = 1; i < points.length; i++) {
      const k = i / points.length
      g.globalAlpha = 0.34 * k * k; g.lineWidth = 11 * k
      g.beginPath(); g.moveTo(points[i - 1].x, points[i - 1].y); g.lineTo(points[i].x, points[i].y); g.stroke()
    }
    g.globalAlpha = 1
  }

  ship(entity, now) {
    const { Ship, mine } = entity
    if (Ship.health <= 0) return
    const g = this.g, team = teamOf(Ship.team), color = TEAM[team]
    g.save(); g.translate(Ship.x, Ship.y); g.rotate(Ship.aim)
    g.fillStyle = '#0b101c'; g.strokeStyle = color; g.lineWidth = mine ? 3.4 : 2.6; g.lineJoin = 'round'
    hull(g, team)
    g.fill(); g.stroke()
    g.fillStyle = '#fff'; g.beginPath(); g.arc(team === 0 ? 0 : -5, 0, 3.2, 0, 7); g.fill()
    g.restore()
    this.charge(entity, team, now)
    g.strokeStyle = Ship.health <= 30 ? C.danger : color; g.lineWidth = 3; g.lineCap = 'round'
    g.beginPath(); g.arc(Ship.x, Ship.y, 26, Math.PI / 2 - 0.9 * Ship.health / 100, Math.PI / 2 + 0.9 * Ship.health / 100); g.stroke()
    const pilot = entity.Pilot
    if (pilot) {
      g.font = `${mine ? 650 : 500} 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`; g.textAlign = 'center'
      g.fillStyle = mine ? C.ink : C.dim; g.fillText(mine ? 'you' : pilot.name, Ship.x, Ship.y + 46)
    }
  }

  /** Light that gathers before the muzzle: who sees it can step aside. */
  charge({ id, Ship }, team, now) {
    if (!Ship.charging) { this.charges.delete(id); return }
    if (!this.charges.has(id)) this.charges.set(id, now)
    const k = Math.min(1, (now - this.charges.get(id)) / 500), x = Ship.x + Math.cos(Ship.aim) * 24, y = Ship.y + Math.sin(Ship.aim) * 24, g = this.g
    g.globalCompositeOperation = 'lighter'
    this.light(x, y, team, 0.3 + 0.6 * k, 14 + 22 * k)
    g.globalCompositeOperation = 'source-over'
    g.fillStyle = '#fff8e6'; g.beginPath(); g.arc(x, y, 1.5 + 3 * k, 0, 7); g.fill()
    g.strokeStyle = TEAM[team]; g.lineWidth = 1.5; g.globalAlpha = k; g.beginPath(); g.arc(x, y, 18 - 12 * k, 0, 7); g.stroke(); g.globalAlpha = 1
  }

  drawBeam(e, k) {
    const g = this.g
    g.lineCap = 'round'; g.globalAlpha = (1 - k) ** 2
    for (const [color, width] of [[`${TEAM[e.team]}55`, 16], [TEAM[e.team], 6], ['#fff8e6', 2.2]]) {
      g.strokeStyle = color; g.lineWidth = width * (1 - 0.6 * k)
      g.beginPath(); g.moveTo(e.x, e.y); g.lineTo(e.to_x, e.to_y); g.stroke()
    }
    this.light(e.x, e.y, e.team, 0.8 * (1 - k), 60)
    this.light(e.to_x, e.to_y, e.team, 0.9 * (1 - k), 70)
  }

  drawEffects(now) {
    const g = this.g
    this.effects = this.effects.filter(e => now - e.at < e.life).slice(-200)
    g.globalCompositeOperation = 'lighter'
    for (const e of this.effects) {
      const k = (now - e.at) / e.life, big = e.kind === 'boom'
      if (e.kind === 'beam') continue // lower than the walls, drawn before them
      g.globalAlpha = (1 - k) ** 1.5
      g.strokeStyle = TEAM[e.team]; g.lineWidth = big ? 3 : 2
      g.beginPath(); g.arc(e.x, e.y, (big ? 110 : 22) * (1 - (1 - k) ** 3), 0, 7); g.stroke()
      this.light(e.x, e.y, e.team, (1 - k) * (big ? 0.8 : 0.5), big ? 120 : 34)
      g.globalAlpha = 1 - k
      for (let i = 0, n = big ? 24 : 7; i < n; i++) {
        const angle = hash(e.seed + i) * 6.283, far = (big ? 120 : 34) * (0.35 + 0.65 * hash(e.seed * 3 + i)) * (1 - (1 - k) ** 2)
        const x = e.x + Math.cos(angle) * far, y = e.y + Math.sin(angle) * far
        g.beginPath(); g.moveTo(x, y); g.lineTo(x + Math.cos(angle) * 9 * (1 - k), y + Math.sin(angle) * 9 * (1 - k)); g.stroke()
      }
    }
    g.globalAlpha = 1; g.globalCompositeOperation = 'source-over'
  }

  vignette() {
    const g = this.g
    g.setTransform(1, 0, 0, 1, 0, 0)
    if (!this.shade || this.shade.width !== this.canvas.width || this.shade.height !== this.canvas.height) this.shade = vignette(this.canvas.width, this.canvas.height)
    g.drawImage(this.shade, 0, 0)
  }
}

/** The outline of a hull that points to the right: darts and crescents. */
export function hull(g, team) {
  g.beginPath()
  if (team === 0) { g.moveTo(20, 0); g.lineTo(-14, -15); g.lineTo(-7, 0); g.lineTo(-14, 15); g.closePath() }
  else { g.arc(0, 0, 17, 0.75, Math.PI * 2 - 0.75); g.quadraticCurveTo(1, 0, 17 * Math.cos(0.75), 17 * Math.sin(0.75)) }
}

const hash = n => { const s = Math.sin(n * 12.9898) * 43758.5453; return s - Math.floor(s) }

function glow(color, radius) { // a sprite made once: shadowBlur a frame would cost more than everything else
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = radius * 2
  const g = canvas.getContext('2d'), fill = g.createRadialGradient(radius, radius, 0, radius, radius, radius)
  fill.addColorStop(0, color); fill.addColorStop(0.25, `${color}88`); fill.addColorStop(0.6, `${color}22`); fill.addColorStop(1, `${color}00`)
  g.fillStyle = fill; g.fillRect(0, 0, radius * 2, radius * 2)
  return canvas
}

function vignette(width, height) {
  const canvas = document.createElement('canvas')
  canvas.width = width; canvas.height = height
  const g = canvas.getContext('2d'), r = Math.hypot(width, height) / 2
  const fill = g.createRadialGradient(width / 2, height / 2, r * 0.45, width / 2, height / 2, r)
  fill.addColorStop(0, '#070a1200'); fill.addColorStop(1, '#070a12c8')
  g.fillStyle = fill; g.fillRect(0, 0, width, height)
  return canvas
}
