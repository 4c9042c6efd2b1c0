//! A world that bytes make: what happens in it, kept once plainly and once in areas, and sent by both codecs to viewers who miss some of it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use tickwire_proto::Tick;
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, Basis, Encoder, FieldSchema, NetId, OwnedRow, Profile, Quant,
    RecordSchema, RowMut, Schema, Trainer, decode,
};

/// Slots that are used: of two pages, and the first of a third.
const SLOTS: u32 = 129;
const VIEWERS: usize = 3;

fn range(min: f64, max: f64, step: f64) -> Quant {
    Quant::Range { min, max, step }
}

fn bits(bits: u8, signed: bool) -> Quant {
    Quant::Bits { bits, signed }
}

fn schema(profile: Profile) -> Arc<Schema> {
    let body = vec![
        FieldSchema::new("x", range(0.0, 64.0, 1.0 / 16.0)).with_velocity("vx"),
        FieldSchema::new("y", range(-10.0, 10.0, 0.3)).with_velocity("vy"),
        FieldSchema::new("vx", range(-140.0, 140.0, 1.0 / 16.0)),
        FieldSchema::new("vy", range(-140.0, 140.0, 1.0 / 16.0)),
        FieldSchema::new("angle", Quant::Angle { bits: 8 }),
    ];
    let odds = vec![
        FieldSchema::new("health", bits(7, false)),
        FieldSchema::new("wide", bits(32, false)),
        FieldSchema::new("turn", Quant::quat_bits(9)),
        FieldSchema::new("any", Quant::Varint),
        FieldSchema::new("target", Quant::Entity),
        FieldSchema::new("exact", Quant::F32),
        FieldSchema::new("place", range(-8.0, 8.0, 0.01)).with_len(3),
        FieldSchema::new("name", Quant::Text { max: 12 }),
    ];
    let mut schema = Schema::new("fuzz", 33_333);
    schema.components = vec![
        RecordSchema::new("Body", body),
        RecordSchema::new("Odds", odds),
        RecordSchema::new("Tag", vec![]),
    ];
    let points = FieldSchema::new("points", Quant::Varint);
    schema.resources = vec![RecordSchema::new("Score", vec![points])];
    schema.profile = profile;
    schema.seal().expect("a good schema");
    Arc::new(schema)
}

/// Dense, from a codebook that was trained on the world that is known.
pub(crate) fn schema_with_book() -> Arc<Schema> {
    static MADE: OnceLock<Arc<Schema>> = OnceLock::new();
    let make = || {
        let versions = known(Profile::Dense);
        let mut schema = Schema::clone(versions[0].schema());
        let mut trainer = Trainer::new(versions[0].schema());
        versions
            .iter()
            .for_each(|version| trainer.watch(version, version.tick()));
        schema.codebook = trainer.finish();
        assert!(!schema.codebook.is_empty(), "it tells something");
        schema.seal().expect("a good schema");
        Arc::new(schema)
    };
    MADE.get_or_init(make).clone()
}

/// Bytes that are asked for numbers until there are none.
struct Tape<'a>(&'a [u8]);

impl Tape<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn below(&mut self, most: u32) -> Option<u32> {
        let high = if most > 256 { self.byte()? } else { 0 };
        Some((u32::from(high) << 8 | u32::from(self.byte()?)) % most)
    }
}

type Rows = BTreeMap<usize, OwnedRow>;

/// What is there: of each slot its tenant and rows, slot 0 being the room's.
#[derive(Clone, Default)]
struct Plain(BTreeMap<u32, (u16, Rows)>);

impl Plain {
    /// One thing happens. `None`: the tape has ended.
    fn act(&mut self, schema: &Schema, tape: &mut Tape) -> Option<()> {
        let kind = tape.byte()?;
        let slot = 1 + tape.below(SLOTS - 1)?;
        match kind % 8 {
            0 => {
                let tenant = self.0.get(&slot).map_or(0, |(generation, _)| *generation);
                let next = tenant.wrapping_add(1 + u16::from(kind / 64));
                self.0.insert(slot, (next, Rows::new()));
            }
            1 => {
                self.0.remove(&slot);
            }
            2 => {
                let table = tape.below(4)? as usize;
                let slot = if schema.is_resource(table) { 0 } else { slot };
                if let Some((_, rows)) = self.0.get_mut(&slot) {
                    rows.remove(&table);
                }
            }
            3..6 => {
                let table = tape.below(4)? as usize;
                let (slot, is_resource) = match schema.is_resource(table) {
                    true => (0, true),
                    false => (slot, false),
                };
                let row = row(schema.record(table)?, tape)?;
                if is_resource {
                    self.0.entry(0).or_default();
                }
                if let Some((_, rows)) = self.0.get_mut(&slot) {
                    rows.insert(table, row);
                }
            }
            _ => {
                // One column of one row.
                let (table, column) = (tape.below(4)? as usize, tape.byte()?);
                let record = schema.record(table)?;
                let slot = if schema.is_resource(table) { 0 } else { slot };
                let held = self
                    .0
                    .get_mut(&slot)
                    .and_then(|(_, rows)| rows.get_mut(&table));
                if let Some(held) = held.filter(|held| !held.ints.is_empty()) {
                    let column = usize::from(column) % held.ints.len();
                    held.ints[column] = int(record, column, tape)?;
                }
            }
        }
        Some(())
    }

    /// Bodies go on by their velocities, some a little off.
    fn drift(&mut self, schema: &Schema, ticks: u32, off: u8) {
        let Some(record) = schema.record(0) else {
            return;
        };
        let columns = record.layout().columns();
        for (slot, (_, rows)) in &mut self.0 {
            let Some(row) = rows.get_mut(&0) else {
                continue;
            };
            for (index, column) in columns.iter().enumerate() {
                let Some((velocity, track)) = &column.track else {
                    continue;
                };
                let speed = i64::from(row.ints[usize::from(*velocity)] - track.zero);
                let way = speed * i64::from(track.num) * i64::from(ticks) / i64::from(track.den);
                let lean = i64::from(off) * i64::from(slot % 3) / 2;
                let to = i64::from(row.ints[index]) + way + lean;
                row.ints[index] = to.clamp(0, truth_max(record, index)) as i32;
            }
        }
    }

    /// All of it into the next version of an area.
    fn capture(&self, base: &Arc<Area>, tick: Tick, schema: &Arc<Schema>) -> Option<Arc<Area>> {
        let mut edit = AreaEdit::new(base, tick, schema);
        edit.unchanged_until(Tick(tick.0 - 1).max(base.tick()));
        let is_here = |slot: u32, generation| {
            self.0
                .get(&slot)
                .is_some_and(|(tenant, _)| *tenant == generation)
        };
        for id in base
            .entities()
            .filter(|id| !is_here(id.slot, id.generation))
        {
            edit.despawn(id.slot);
        }
        for (&slot, (generation, rows)) in &self.0 {
            if slot > 0 {
                let generation = *generation;
                edit.spawn(NetId { slot, generation });
            }
            for table in 0..schema.tables() {
                let Some(record) = schema.record(table) else {
                    continue;
                };
                match rows.get(&table) {
                    Some(row) => {
                        edit.set(table, slot, |out| copy(record, row, out));
                    }
                    None if slot > 0 || schema.is_resource(table) => edit.remove(table, slot),
                    None => {}
                }
            }
        }
        edit.finish()
    }

    /// Whether an area holds just this: tracks within half a step of where things are.
    fn is_in(&self, area: &Area) {
        let schema = area.schema();
        let entities: Vec<(u32, u16)> =
            area.entities().map(|id| (id.slot, id.generation)).collect();
        let here = self.0.iter().filter(|(slot, _)| **slot > 0);
        let here: Vec<(u32, u16)> = here.map(|(slot, (tenant, _))| (*slot, *tenant)).collect();
        assert_eq!(entities, here);
        for table in 0..schema.tables() {
            let record = schema.record(table).expect("a table");
            let rows = self
                .0
                .iter()
                .filter_map(|(slot, (_, rows))| Some((*slot, rows.get(&table)?)));
            let mut count = 0;
            for (slot, row) in rows {
                count += 1;
                let held = area.row(table, slot).expect("a row").to_owned();
                assert_eq!(held.blobs, row.blobs);
                for (column, of) in record.layout().columns().iter().enumerate() {
                    // The columns of a track count from half a step below the least place.
                    let (is, truth) = (held.ints[column], row.ints[column]);
                    let near = of.track.as_ref().map_or(0, |(_, track)| track.cell / 2);
                    assert!(
                        is.abs_diff(truth) <= near,
                        "{slot} {column}: {is} and {truth}"
                    );
                }
            }
            assert_eq!(area.rows(table).count(), count);
        }
    }
}

/// The greatest place that a thing may really be at, in a track's units.
fn truth_max(record: &RecordSchema, column: usize) -> i64 {
    let of = &record.layout().columns()[column];
    let half = of.track.as_ref().map_or(0, |(_, track)| track.cell / 2);
    i64::from(of.max) - i64::from(half)
}

/// A valid value of a column.
fn int(record: &RecordSchema, column: usize, tape: &mut Tape) -> Option<i32> {
    let of = &record.layout().columns()[column];
    let (min, max) = match of.track {
        Some(_) => (0, truth_max(record, column)),
        None => (i64::from(of.min), i64::from(of.max)),
    };
    let value = match tape.byte()? {
        0..32 => min,
        32..64 => max,
        64..128 => 0_i64.clamp(min, max),
        far => {
            let part = i64::from(tape.byte()?) << 8 | i64::from(far);
            min + (part.wrapping_mul(2_654_435_761)).rem_euclid(max - min + 1)
        }
    } as i32;
    Some(if of.valid(value) { value } else { 0 })
}

fn row(record: &RecordSchema, tape: &mut Tape) -> Option<OwnedRow> {
    let mut row = OwnedRow::new(record);
    for column in 0..row.ints.len() {
        row.ints[column] = int(record, column, tape)?;
    }
    for blob in &mut row.blobs {
        for _ in 0..tape.below(12)? {
            blob.push(b'a' + tape.byte()? % 26);
        }
    }
    Some(row)
}

fn copy(record: &RecordSchema, from: &OwnedRow, to: &mut RowMut) {
    for (index, slot) in record.layout().fields().iter().enumerate() {
        let field = to.field(index);
        let columns = slot.offset..slot.offset + slot.columns;
        field.ints.copy_from_slice(&from.ints[columns]);
        if let (Some(out), Some(blob)) = (field.blob, slot.blob) {
            out.extend_from_slice(&from.blobs[blob]);
        }
    }
}

/// Versions of a world that is always the same, the empty one first.
pub(crate) fn known(profile: Profile) -> Vec<Arc<Area>> {
    let schema = schema(profile);
    let mut chance = 7_u32;
    let script: Vec<u8> = (0..8_000)
        .map(|_| {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (chance >> 24) as u8
        })
        .collect();
    let mut versions = vec![Arc::new(Area::empty(AreaId::ALL, &schema))];
    let (mut plain, mut tape, mut tick) = (Plain::default(), Tape(&script), Tick(0));
    while versions.len() < 24 && step(&mut plain, &schema, &mut tape, &mut tick).is_some() {
        let next = versions
            .last()
            .and_then(|last| plain.capture(last, tick, &schema));
        versions.extend(next);
    }
    versions
}

/// What happens between two captures.
fn step(plain: &mut Plain, schema: &Schema, tape: &mut Tape, tick: &mut Tick) -> Option<()> {
    let ticks = 1 + tape.below(3)?;
    *tick = tick.plus(ticks);
    plain.drift(schema, ticks, tape.byte()? % 4);
    for _ in 0..tape.below(24)? {
        plain.act(schema, tape)?;
    }
    Some(())
}

/// One who is sent updates, and what they hold.
struct Viewer {
    ours: Basis,
    theirs: Basis,
}

/// Whatever happens and whatever is missed: both codecs lead every viewer to what is there, as it is kept plainly.
pub fn codecs(bytes: &[u8]) {
    let schemas = [
        schema(Profile::Fast),
        schema(Profile::Dense),
        schema_with_book(),
    ];
    let mut sides = schemas.map(|schema| {
        let viewers = [(); VIEWERS].map(|()| Viewer {
            ours: Basis::nothing(),
            theirs: Basis::nothing(),
        });
        let area = Arc::new(Area::empty(AreaId::ALL, &schema));
        (Encoder::new(&schema), schema, area, viewers)
    });
    let (mut plain, mut tape, mut tick) = (Plain::default(), Tape(bytes), Tick(0));
    loop {
        let schema = sides[0].1.clone();
        if step(&mut plain, &schema, &mut tape, &mut tick).is_none() {
            return;
        }
        let Some(missed) = tape.byte() else { return };
        let mut hashes = Vec::new();
        for (encoder, schema, area, viewers) in &mut sides {
            if let Some(next) = plain.capture(area, tick, schema) {
                *area = next;
            }
            plain.is_in(area);
            hashes.push(area.hash());
            for (at, viewer) in viewers.iter_mut().enumerate() {
                // The last one misses nothing.
                if at + 1 < VIEWERS && missed >> at & 1 == 1 {
                    continue;
                }
                let (delta, sent) = encoder.encode(&viewer.ours, area, tick);
                let got = decode(schema, &viewer.theirs, AreaId::ALL, tick, &delta);
                let got = got.expect("our own delta").basis;
                let held = got.area.as_ref().expect("an area after a delta");
                plain.is_in(held);
                assert!(held.same(area) && held.hash() == area.hash());
                (viewer.ours, viewer.theirs) = (sent, got);
                if missed >> (at + 3) & 1 == 1 {
                    // A new link that begins with nothing.
                    (viewer.ours, viewer.theirs) = (Basis::nothing(), Basis::nothing());
                }
            }
        }
        assert!(
            hashes.iter().all(|hash| *hash == hashes[0]),
            "what is there does not depend on the codec"
        );
    }
}
