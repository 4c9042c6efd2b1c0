// The netcode made visible: the server's ghosts beside what is drawn, and corrections of the own ship as arrows. What it looks at tickwire.js knows.
import { hull, teamOf } from '/stage.js'

/** An arrow is gone after so long. */
const FADE_MS = 1000
/** Farther than this nobody flies between two updates: the ship came back to life elsewhere, which is no correction of a flight. */
const JUMP = 160
/** A correction by less moved nothing that could be seen: half of what the wire can say. */
const LEAST = 0.03

export class NetView {
  constructor() {
    this.ghosts = false
    this.vectors = 0 // by how much arrows are longer than what they show; 0: none are drawn
    this.clear()
  }

  clear() {
    this.arrows = []
    this.count = { all: 0, moved: 0, jumps: 0, last: 0, most: 0 }
    this.drawn = [] // the ghosts of this picture
  }

  /** The next of: no arrows, true to scale, tenfold. */
  turn() { this.vectors = { 0: 1, 1: 10, 10: 0 }[this.vectors] }

  /** Something was predicted otherwise than the server had it. */
  corrected({ mine, component, from, to }) {
    if (!mine || component !== 'Ship') return
    const far = Math.hypot(to.x - from.x, to.y - from.y)
    this.count.all++
    if (far < LEAST) return // its health, say
    if (far > JUMP || !from.health || !to.health) { this.count.jumps++; return }
    this.count.moved++; this.count.last = far; this.count.most = Math.max(this.count.most, far)
    this.arrows.push({ x: from.x, y: from.y, dx: to.x - from.x, dy: to.y - from.y, at: performance.now() })
    if (this.arrows.length > 100) this.arrows.shift()
  }

  draw(g, ships, room, now) {
    this.arrows = this.arrows.filter(arrow => now - arrow.at < FADE_MS)
    this.drawn = this.ghosts && room.newest ? room.newest('Ship').filter(({ value }) => value.health > 0) : []
    for (const ghost of this.drawn) this.ghost(g, ghost, ships.find(ship => ship.id === ghost.id))
    if (this.vectors) for (const arrow of this.arrows) this.arrow(g, arrow, 1 - (now - arrow.at) / FADE_MS)
    g.globalAlpha = 1
  }

  ghost(g, ghost, ship) {
    const { x, y, aim, team } = ghost.value
    ghost.away = ship?.Ship ? Math.hypot(ship.Ship.x - x, ship.Ship.y - y) : null
    g.strokeStyle = '#fff'; g.lineWidth = 1.3; g.globalAlpha = 0.6; g.lineJoin = 'round'
    g.save(); g.translate(x, y); g.rotate(aim); hull(g, teamOf(team)); g.stroke(); g.restore()
    if (!ship?.Ship || ghost.away < 1) return
    g.globalAlpha = 0.35; g.lineWidth = 1
    g.beginPath(); g.moveTo(x, y); g.lineTo(ship.Ship.x, ship.Ship.y); g.stroke()
  }

  arrow(g, { x, y, dx, dy }, strength) {
    const far = Math.hypot(dx, dy) * this.vectors, angle = Math.atan2(dy, dx), head = Math.min(9, Math.max(3, far / 2))
    g.globalAlpha = strength
    g.strokeStyle = g.fillStyle = '#ff5a6e'; g.lineWidth = 2; g.lineCap = 'round'
    g.save(); g.translate(x, y); g.rotate(angle)
    g.beginPath(); g.arc(0, 0, 2, 0, 7); g.fill() // where it was predicted
    g.beginPath(); g.moveTo(0, 0); g.lineTo(far, 0); g.moveTo(far - head, -head * 0.6); g.lineTo(far, 0); g.lineTo(far - head, head * 0.6); g.stroke()
    g.restore()
  }

  /** What is shown, in words; nothing where nothing is. */
  legend() {
    const lines = [], { all, moved, jumps, last, most } = this.count
    if (this.ghosts) {
      const away = this.drawn.filter(ghost => ghost.away != null), others = away.filter(ghost => !ghost.mine)
      const mean = others.length ? others.reduce((sum, ghost) => sum + ghost.away, 0) / others.length : 0
      lines.push(`Ghosts: the newest snapshot. You are drawn ${(away.find(ghost => ghost.mine)?.away ?? 0).toFixed(0)} units from yours, ${others.length ? `others ${mean.toFixed(0)} on average` : 'nobody else is here'}.`)
    }
    if (this.vectors) {
      lines.push(`Corrections ×${this.vectors}: ${all} of your ship, ${moved} moved it (last ${last.toFixed(1)}, at most ${most.toFixed(1)} units)${jumps ? `, ${jumps} came back to life` : ''}.`)
    }
    return lines
  }
}
