// The arena on Colyseus: the schema's encoder, driven as `SchemaSerializer.applyPatches` of @colyseus/core drives it. Plays a trace that the Rust side wrote; prints one line of JSON.
//
//     node arena.mjs TRACE floats|ints

import { readFileSync } from "node:fs";
import { Decoder, Encoder, schema, t } from "@colyseus/schema";

const WARM_UP = 5 * 30;
const MEASURED = 30 * 30;
/// Ticks between two looks at a client.
const LOOK = 97;
/// `Protocol.ROOM_STATE_PATCH`, the first byte of each patch.
const ROOM_STATE_PATCH = 15;
const ROW = 28;

// Large rooms need a larger buffer, as the encoder's own warning says.
Encoder.BUFFER_SIZE = 256 * 1024;

const FIELDS = ["x", "y", "vx", "vy", "rot", "health", "team", "kind"];
const small = { health: t.uint8(), team: t.uint8(), kind: t.uint8() };
const kinds = {
  floats: { x: t.float32(), y: t.float32(), vx: t.float32(), vy: t.float32(), rot: t.float32(), ...small },
  ints: { x: t.uint16(), y: t.uint16(), vx: t.int16(), vy: t.int16(), rot: t.uint8(), ...small },
};

const [path, how] = process.argv.slice(2);
const Entity = schema(kinds[how], "Entity");
const State = schema({ entities: t.map(Entity) }, "State");

/// One entity of the trace, as this state keeps it: its id, and its fields in order.
function row(trace, at) {
  const [x, y, vx, vy, rot] = [4, 8, 12, 16, 20].map((offset) => trace.readFloatLE(at + offset));
  const rest = [24, 25, 26].map((offset) => trace[at + offset]);
  const floats = [x, y, vx, vy, rot];
  return [String(trace.readUInt32LE(at)), [...(how === "ints" ? quantised(floats) : floats), ...rest]];
}

/// In 1/16 unit and 1/256 turn, the nearest; in single precision, as the Rust side reckons.
function quantised([x, y, vx, vy, rot]) {
  const nearest = (number) => Math.floor(number + 0.5);
  const turn = Math.fround(Math.fround(rot / Math.fround(2 * Math.PI)) * 256);
  return [...[x, y, vx, vy].map((number) => nearest(number * 16)), nearest(turn) & 255];
}

/// What differs from one tick to the next: who is gone, who is born, and the fields that changed.
function difference(before, after) {
  const gone = [...before.keys()].filter((id) => !after.has(id));
  const born = [...after].filter(([id]) => !before.has(id));
  const changed = [];
  for (const [id, values] of after) {
    const old = before.get(id);
    if (old !== undefined) values.forEach((value, n) => { if (value !== old[n]) changed.push([id, FIELDS[n], value]); });
  }
  return { gone, born, changed };
}

/// It goes into the state: what is assigned is sent.
function apply(state, { gone, born, changed }) {
  for (const id of gone) state.entities.delete(id);
  for (const [id, values] of born) {
    const entity = new Entity();
    FIELDS.forEach((field, n) => { entity[field] = values[n]; });
    state.entities.set(id, entity);
  }
  for (const [id, field, value] of changed) state.entities.get(id)[field] = value;
}

/// The share of the truth that a client holds.
function alike(rows, state) {
  let same = 0;
  for (const [id, values] of rows) {
    const entity = state.entities.get(id);
    if (entity !== undefined && FIELDS.every((field, n) => entity[field] === values[n])) same += 1;
  }
  return state.entities.size === rows.size ? same / rows.size : 0;
}

const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };

const trace = readFileSync(path);
const count = trace.readUInt32LE(0);
const state = new State();
const encoder = new Encoder(state);
const clients = Array.from({ length: count }, () => new Decoder(new State()));
// Who joins is told everything once.
const whole = encoder.encodeAll();
for (const client of clients) client.decode(whole);
encoder.discardChanges();

let [offset, tick, sent, spent, wrote] = [4, 0, 0, 0, 0];
let rows = new Map();
const looks = [];
while (offset < trace.length) {
  const entities = trace.readUInt32LE(offset);
  offset += 4;
  const before = rows;
  rows = new Map(Array.from({ length: entities }, (_, n) => row(trace, offset + n * ROW)));
  offset += entities * ROW;
  tick += 1;
  const measured = tick > WARM_UP ? 1 : 0;
  const news = difference(before, rows);
  const written = cpu();
  apply(state, news);
  const begun = cpu();
  encoder.sharedBuffer[0] = ROOM_STATE_PATCH;
  const patch = encoder.encode({ offset: 1 });
  const outbox = clients.map(() => patch);
  encoder.discardChanges();
  const done = cpu();
  wrote += measured * (begun - written);
  spent += measured * (done - begun);
  sent += measured * outbox.reduce((bytes, message) => bytes + message.length, 0);
  clients.forEach((client, n) => client.decode(outbox[n], { offset: 1 }));
  if (tick % LOOK === 0) looks.push(alike(rows, clients[tick % count].state));
}
if (tick !== WARM_UP + MEASURED) throw new Error(`the trace has ${tick} ticks`);

const wrong = clients.findIndex((client) => alike(rows, client.state) < 1);
const result = wrong >= 0
  ? { Err: `client ${wrong} holds ${alike(rows, clients[wrong].state).toFixed(3)} of the entities as they are` }
  : {
      Ok: {
        bytes: sent / count / (MEASURED / 30),
        cpu_ms: spent / MEASURED,
        write_ms: wrote / MEASURED,
        allocations: null,
        payload: null,
        entities: rows.size,
        fresh: looks.reduce((sum, share) => sum + share, 0) / looks.length,
        settled: 0,
      },
    };
console.log(JSON.stringify(result));
