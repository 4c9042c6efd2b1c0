// The types of tickwire.js: what a page says to Tickwire.

/** What a game has; `any` unless a page brings its own (`connect<Arena>()`). */
export interface GameTypes {
  components: { [name: string]: any }
  resources: { [name: string]: any }
  command: any
  events: { [name: string]: any }
  messages: { [name: string]: any }
  /** By name: what is asked, and what answers it. */
  requests: { [name: string]: [any, any] }
  rooms: { [kind: string]: any }
}

export type Reason = 'Kicked' | 'Banned' | 'Refused' | 'Left' | 'Violation' | 'Draining' | 'Restarting' | 'Overflow' | 'Expired' | 'Version'
export type Code = 'Full' | 'Locked' | 'NotFound' | 'Forbidden' | 'Limit' | 'Timeout' | 'Ended' | 'Failed' | 'Refused' | 'Origin' | 'Version' | 'Unreachable' | 'Away'
  | 'BadCommand' | 'BadMessage' | 'BadName' | 'Mismatch' | 'Lost' | Reason | (string & {})

/** An error with a code for programs and advice for people. */
export class TickwireError extends Error {
  constructor(code: Code, message: string, fix?: string, data?: unknown)
  readonly code: Code
  /** What to do. */
  readonly fix?: string
  readonly data?: unknown
}

export type State =
  /** Told anew when the session moves to another kind of link: a WebSocket, or polling where those are blocked. Nothing is lost by that. */
  | { at: 'online'; link: 'ws' | 'poll' }
  /** With a reason where the server ended the session, as when it restarts: a new one begins by itself. Without: the link was lost. */
  | { at: 'away'; retryInMs: number; reason?: Reason; message?: string }
  | { at: 'ended'; reason: Reason | Code; message: string }

/** An entity with the component asked for, and any other that it has. */
export type Entity<C, K extends keyof C = keyof C> = Pick<C, K> & Partial<Omit<C, K>> & {
  /** The same for as long as the entity lives. */
  readonly id: number
  /** Whether one's own seat owns it. */
  readonly mine: boolean
  /**
   * Seconds of the game from a tick to the moment at which the picture shows it: `e.since(e.Door.opened)` is the time of an animation that began at
   * the tick that the field holds. Below 0: that tick is to come.
   */
  since(tick: number): number
}

export interface Member {
  readonly member: number
  /** null: only watches. */
  readonly seat: number | null
  readonly name: string
  readonly presence: 'online' | 'away' | 'gone'
  /** What it says of itself ("in queue", "typing"); empty: nothing. */
  readonly status: string
  /** Oneself. */
  readonly mine: boolean
  readonly ready: boolean
  /** May use `room.host`. */
  readonly host: boolean
}

/** Somebody whom one follows. */
export interface Person {
  readonly identity: string
  /** Online with any of its sessions, away with all that it has, or gone. */
  readonly presence: 'online' | 'away' | 'gone'
  /** Why it is gone, where it is and the server knows: how its last session ended. */
  readonly gone?: 'Left' | 'Lost' | 'Kicked' | 'Ended' | 'Replaced'
  /** What it says of itself outside of rooms; empty: nothing. */
  readonly status: string
}

/** Something that one's identity is told, wherever it is connected. */
export interface Notice {
  readonly kind: string
  readonly data: any
  /** Of one that the server keeps until it is done with: it came to this device alone. null: a live one, which all devices get that are online. */
  readonly cursor: number | null
  /** It is done with, and never comes again. Called by itself when the listener returns, or what it returns is fulfilled. */
  done(): void
}

/** What a way to a server is like, by name, best first: 10±1 ms; 32±12, 2 % lost; 50±50, 1 %; 30±20, 4 %; 100±20, 4 %; 160±30, 6 %. */
export type Profile = 'fiber' | 'broadband' | 'congested' | '5G' | '4G' | '3.5G'

export interface Figures {
  readonly pingMs: number
  readonly jitterMs: number
  readonly tick: number
  readonly kBps: number
  readonly updatesPerS: number
  readonly entities: number
  /** How old the newest update was on arrival. */
  readonly ageMs: number
  /** How far the picture is behind the newest update. */
  readonly delayMs: number
  /** How far commands are ahead, beyond the round trip. */
  readonly leadTicks: number
  /** Ticks that the newest command came before it was needed. */
  readonly slack: number
  readonly underruns: number
  /** For how long pictures went on beyond the newest update, in all: see `extrapolateMs` of `connect`. */
  readonly extrapolatedMs: number
  readonly faults: number
  readonly link: 'ws' | 'poll' | 'away'
  /** Where the client has the game inside (`tickwire build`) and runs it ahead. */
  readonly prediction: Prediction | null
}

/** How running ahead is doing. */
export interface Prediction {
  /** Ticks by which what one owns is ahead of the newest update. */
  readonly aheadTicks: number
  /** Updates that did not fit, so that ticks were stepped again. */
  readonly rollbacks: number
  /** Of these, such as were about what one owns. */
  readonly mispredictions: number
  readonly replayedTicks: number
  /** Updates that were compared. */
  readonly updates: number
}

export interface RoomInfo {
  readonly id: string
  readonly kind: string
  readonly members: number
  readonly seats: number
  readonly locked: boolean
  readonly attributes: { readonly [name: string]: string }
}

export interface RoomEvents {
  /** Joined again after a session that expired. The entities are new ones. A resumed session tells nothing here: the room goes on. */
  joined: Room<any>
  /** The game or the server moved one to another room: the same object, with other entities, seat and members. */
  moved: Room<any>
  /** Sent away by the game or the host; `ended` follows. */
  kicked: { reason: 'Kicked' | 'Banned'; message: string }
  /** The session is lost and the room with it; it is joined again by itself. A lost link alone is told by the state `away` of the connection. */
  away: undefined
  /** Over for good. `Replaced`: the same identity has joined it with a newer session, on another page say, which holds the seat now. */
  ended: { reason: string; message: string }
  members: readonly Member[]
  /** Something was predicted otherwise than the server had it. */
  corrected: Correction
}

/** One component that was predicted otherwise than the server had it, at the tick that one's own is shown at: until the truth came, and now. */
export interface Correction {
  readonly id: number
  readonly mine: boolean
  readonly tick: number
  readonly component: string
  /** What is shown slides from the one to the other. */
  readonly from: any
  readonly to: any
}

/** A room that one is in. The same object when the link is lost and the room is joined again. */
export interface Room<G extends GameTypes = GameTypes> {
  readonly id: string
  readonly kind: string
  readonly seat: number | null
  readonly members: readonly Member[]
  readonly figures: Figures
  /** Asked once a tick for what the player wants; null (or an answer of null): nothing. */
  command: (() => G['command'] | null | undefined) | null
  /** Calls a function at each picture of the browser. Returns what stops it. */
  frame(f: (view: Room<G>) => void): () => void
  /** For a loop of one's own: moves the picture to this moment. */
  draw(): void
  all<K extends keyof G['components'] & string>(kind: K): Entity<G['components'], K>[]
  /** The same as the newest update has them, beside the picture: nothing predicted, nothing in between. To show what the netcode does. */
  newest<K extends keyof G['components'] & string>(kind: K): { readonly id: number; readonly mine: boolean; readonly value: G['components'][K] }[]
  resource<K extends keyof G['resources'] & string>(name: K): G['resources'][K] | undefined
  /** Keeps something of the page for each entity: updated by `draw` and `frame`. */
  bind<K extends keyof G['components'] & string, S>(kind: K, handlers: {
    add(e: Entity<G['components'], K>): S
    frame?(thing: S, e: Entity<G['components'], K>): void
    remove?(thing: S, e: Entity<G['components'], K>): void
  }): () => void
  on<K extends keyof RoomEvents>(name: K, f: (e: RoomEvents[K]) => void): () => void
  /** Tick events fire when the picture reaches their tick, messages when they come. */
  on<K extends keyof G['events'] & string>(name: K, f: (e: G['events'][K]) => void): () => void
  on<K extends keyof G['messages'] & string>(name: K, f: (m: G['messages'][K]) => void): () => void
  /**
   * Exactly once, in the order of its channel (0 to 7; 0 unless it is said). `volatile`: at most once, and only if the link takes it now.
   * Throws `Full` where too much waits for the server, and `Away` where the room is not joined.
   */
  send<K extends keyof G['messages'] & string>(name: K, message: G['messages'][K], options?: { channel?: number; volatile?: boolean }): void
  /**
   * Asks the room, and gives its reply. It is handled at most once, over any number of links; `timeoutMs` (5000 unless it is said, ten
   * minutes at most) counts lost links in. Errors: the code of who refused it, `Timeout`, `Ended`, `Away`, `Limit`; the signal's own reason.
   */
  ask<K extends keyof G['requests'] & string>(name: K, request: G['requests'][K][0], options?: { timeoutMs?: number; channel?: number; signal?: AbortSignal }): Promise<G['requests'][K][1]>
  /** Answers what the room asks: with what the function gives, or with the TickwireError that it throws. Returns what stops it. */
  onAsk<K extends keyof G['requests'] & string>(name: K, f: (request: G['requests'][K][0]) => G['requests'][K][1] | Promise<G['requests'][K][1]>): () => void
  /**
   * Says something of oneself to all in the room: at most 64 bytes; empty: nothing any more. With `expiresMs` (an hour at most) it passes,
   * and what was said for good shows again. Said again by itself when the room is joined again.
   */
  status(text: string, options?: { expiresMs?: number }): void
  /** Tells the others that one is typing: the status "typing", which passes after 5 s. To be called at each key; with `false` when it is done. */
  typing(on?: boolean): void
  /** Says that one is ready, or (false) is not any more: the members hear it, and the game. */
  ready(ready?: boolean): void
  /** What the room's host may do; others are refused (Forbidden). */
  readonly host: {
    kick(member: number): Promise<void>
    /** For so many seconds; without: as long as the room lives. */
    ban(member: number, seconds?: number): Promise<void>
    lock(locked?: boolean): Promise<void>
    attributes(attributes: { [name: string]: string }): Promise<void>
    close(message?: string): Promise<void>
  }
  leave(): Promise<void>
}

/** A part in one namespace of a server: its rooms, and the messages outside of them. */
export interface Namespace<G extends GameTypes = GameTypes> {
  readonly name: string
  /** Who one is here, once accepted. */
  readonly identity: string | undefined
  /** A room with a free seat, or a new one. */
  quick<R extends keyof G['rooms'] & string>(kind: R, attributes?: G['rooms'][R]): Promise<Room<G>>
  /** A new room, of which one is the host. A private one is on no list: its id is a short code for friends. */
  create<R extends keyof G['rooms'] & string>(kind: R, attributes?: G['rooms'][R], options?: { private?: boolean }): Promise<Room<G>>
  join(id: string): Promise<Room<G>>
  /** The private room with that code, as a person types it. */
  code(code: string): Promise<Room<G>>
  /** Looks on in the room with that id, without a seat. */
  watch(id: string): Promise<Room<G>>
  /** The seat that the server keeps for whoever shows this token. */
  reserved(token: string): Promise<Room<G>>
  /** Calls a function with the rooms of a kind ('': of all), now and after each change. Returns what stops it. */
  lobbyLive(kind: (keyof G['rooms'] & string) | '', f: (rooms: RoomInfo[]) => void, attributes?: { [name: string]: string }): () => void
  lobby(kind?: keyof G['rooms'] & string): Promise<RoomInfo[]>
  on(name: 'attached', f: (identity: string) => void): () => void
  /** The identity had expired, and fresh credentials were accepted. */
  on(name: 'renewed', f: () => void): () => void
  /** Refused, left, or ended by the server (its identity expired, say). Asking for a room asks for the namespace again. */
  on(name: 'ended', f: (e: TickwireError) => void): () => void
  /** What somebody whom one follows is like now: first after `follow`, then at every change. */
  on(name: 'person', f: (p: Person) => void): () => void
  /** Each kept notice comes once; where the listener throws, again in a later session. */
  on(name: 'notice', f: (n: Notice) => unknown): () => void
  /** A message outside of rooms. */
  on<K extends keyof G['messages'] & string>(name: K, f: (m: G['messages'][K]) => void): () => void
  /** Sends a message to the namespace, outside of rooms; waits until one is let in. */
  send<K extends keyof G['messages'] & string>(name: K, message: G['messages'][K], options?: { channel?: number; volatile?: boolean }): Promise<void>
  /** Asks the namespace, outside of rooms, as `room.ask`; waits until one is let in. */
  ask<K extends keyof G['requests'] & string>(name: K, request: G['requests'][K][0], options?: { timeoutMs?: number; channel?: number; signal?: AbortSignal }): Promise<G['requests'][K][1]>
  /** Answers what the namespace asks, as `room.onAsk`. */
  onAsk<K extends keyof G['requests'] & string>(name: K, f: (request: G['requests'][K][0]) => G['requests'][K][1] | Promise<G['requests'][K][1]>): () => void
  /** Says something of oneself to those who follow one in the namespace. As in a room. */
  status(text: string, options?: { expiresMs?: number }): Promise<void>
  /** Watches people of the namespace by their identities, wherever they are on the server; at most 256 in all. */
  follow(...identities: string[]): Promise<void>
  unfollow(...identities: string[]): Promise<void>
  /** What is known of somebody whom one follows. */
  person(identity: string): Person | undefined
  leave(): Promise<void>
}

export interface Net<G extends GameTypes = GameTypes> {
  readonly state: State
  on(name: 'state', f: (s: State) => void): () => void
  /** The link was lost and is back: rooms, entities and frame functions go on, no message was lost or came twice. The state is `online` already. */
  on(name: 'resumed', f: () => void): () => void
  /** The session could not be resumed: rooms that were joined have been told `away`, and are joined again by themselves. */
  on(name: 'expired', f: () => void): () => void
  /** What somebody whom one follows is like now: first after `follow`, then at every change. */
  on(name: 'person', f: (p: Person) => void): () => void
  /** Each kept notice comes once; where the listener throws, again in a later session. */
  on(name: 'notice', f: (n: Notice) => unknown): () => void
  on(name: 'error', f: (e: TickwireError) => void): () => void
  /** A room with a free seat, or a new one. */
  quick<R extends keyof G['rooms'] & string>(kind: R, attributes?: G['rooms'][R]): Promise<Room<G>>
  /** A new room, of which one is the host. A private one is on no list: its id is a short code for friends. */
  create<R extends keyof G['rooms'] & string>(kind: R, attributes?: G['rooms'][R], options?: { private?: boolean }): Promise<Room<G>>
  join(id: string): Promise<Room<G>>
  /** The private room with that code, as a person types it. */
  code(code: string): Promise<Room<G>>
  /** Looks on in the room with that id, without a seat. */
  watch(id: string): Promise<Room<G>>
  /** The seat that the server keeps for whoever shows this token. */
  reserved(token: string): Promise<Room<G>>
  /** Calls a function with the rooms of a kind ('': of all), now and after each change. Returns what stops it. */
  lobbyLive(kind: (keyof G['rooms'] & string) | '', f: (rooms: RoomInfo[]) => void, attributes?: { [name: string]: string }): () => void
  lobby(kind?: keyof G['rooms'] & string): Promise<RoomInfo[]>
  /** Says something of oneself to those who follow, wherever they are. As in a room. */
  status(text: string, options?: { expiresMs?: number }): Promise<void>
  /** Watches people by their identities, wherever they are on the server; at most 256. */
  follow(...identities: string[]): Promise<void>
  unfollow(...identities: string[]): Promise<void>
  /** What is known of somebody whom one follows. */
  person(identity: string): Person | undefined
  /** A message of the main namespace, outside of rooms. */
  on<K extends keyof G['messages'] & string>(name: K, f: (m: G['messages'][K]) => void): () => void
  send<K extends keyof G['messages'] & string>(name: K, message: G['messages'][K], options?: { channel?: number; volatile?: boolean }): Promise<void>
  /** Asks the namespace, outside of rooms, as `room.ask`; waits until one is let in. */
  ask<K extends keyof G['requests'] & string>(name: K, request: G['requests'][K][0], options?: { timeoutMs?: number; channel?: number; signal?: AbortSignal }): Promise<G['requests'][K][1]>
  /** Answers what the namespace asks, as `room.onAsk`. */
  onAsk<K extends keyof G['requests'] & string>(name: K, f: (request: G['requests'][K][0]) => G['requests'][K][1] | Promise<G['requests'][K][1]>): () => void
  /** One more namespace of the same server, over the same connection. The same object for the same name. */
  namespace<H extends GameTypes = GameTypes>(name: string, options?: {
    /** Asked before each attach and when the identity expires; the one of the connection, unless this is given. */
    auth?: (namespace: string) => unknown
  }): Namespace<H>
  close(): void
  /**
   * Makes the WebSocket as bad as one wants, both ways, to try a game on: by the name of a profile, by numbers for one way, or as it is again by null.
   * `cutMs`: nothing passes for so long.
   */
  condition(how: Profile | { delayMs?: number, jitterMs?: number, loss?: number, cutMs?: number } | null): Promise<void>
}

/** A connection to a server (where the page came from, by default), opened when the first room is asked for. */
export function connect<G extends GameTypes = GameTypes>(url?: string, options?: {
  /** Asked, with the name of the namespace, before each attach and when an identity has expired; sent as JSON. */
  auth?: (namespace: string) => unknown
  /** The namespace that rooms are asked for in; `/` by default. */
  namespace?: string
  /** What to connect by: 'ws' a WebSocket, 'poll' HTTP requests. 'auto' (unless this is said): the best that works. A WebSocket that is not open
   * after 2 s gets polling beside it; a session that polls moves to a WebSocket as soon as one opens, and nobody notices. */
  link?: 'auto' | 'ws' | 'poll'
  /** When updates stay away, fields with a velocity go on along it for at most so long (500 at most); 0 unless it is said: pictures wait. */
  extrapolateMs?: number
}): Net<G>

/** The keyboard, by the code of keys ('KeyA', 'Space'). */
export const keys: {
  axis(negative: string, positive: string): -1 | 0 | 1
  down(code: string): boolean
}
