//! Training: which probabilities would have cost least for the updates that were seen. What a codebook is stands in `book`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tickwire_proto::Tick;

use super::super::Basis;
use super::super::decode::DecodeError;
use super::book::{Book, CHANCES, CODEBOOK_BYTES_MAX, Class, Codebook, Form, Told, chance, keys};
use super::coder::{Coder, Model, Sink};
use super::models::{Common, Models, TableModels};
use super::walk::Walk;
use crate::area::{Area, AreaId};
use crate::schema::Schema;

/// Of so many updates one is also seen as a keyframe.
const WHOLE_EACH: u64 = 32;
/// Ages of older bases that are trained for, in updates.
const LAGS: [usize; 3] = [2, 3, 6];
/// Of so many updates one is also seen from each older basis.
const OLDER_EACH: u64 = 3;
/// Bits that a model must have saved for the book to tell of it: about what that takes, three times.
const WORTH: f64 = 40.0;
/// Of one delta and model: beyond it, counts are scaled down.
const COUNTS_MAX: u16 = 511;

/// Finds out what dense deltas of a schema should begin with, from the updates of a game.
///
/// Some minutes of play are enough. A book is for the viewers of the game at large: train it on areas that all of them may see, for who has the
/// book can tell how likely things were.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::Tick;
/// use tickwire_snapshot::{Area, AreaEdit, AreaId, Basis, Encoder, FieldSchema, NetId, Profile, Quant, RecordSchema, Schema, Trainer};
/// let mut schema = Schema::new("dots", 33_333);
/// schema.components.push(RecordSchema::new("Dot", vec![FieldSchema::new("x", Quant::Range { min: 0.0, max: 1000.0, step: 1.0 })]));
/// schema.profile = Profile::Dense;
/// schema.seal()?;
/// // Ten dots, of which one takes a step in each tick.
/// let versions = |schema: &Arc<Schema>| {
///     let (schema, mut area) = (schema.clone(), Arc::new(Area::empty(AreaId::ALL, schema)));
///     (1..300).map(move |tick| {
///         let mut edit = AreaEdit::new(&area, Tick(tick), &schema);
///         for slot in 1..11 {
///             if tick == 1 {
///                 edit.spawn(NetId { slot, generation: 0 });
///             }
///             if tick == 1 || tick % 10 + 1 == slot {
///                 edit.set(0, slot, |row| row.field(0).ints[0] = (slot * 50 + tick) as i32);
///             }
///         }
///         area = edit.finish().expect("something changed");
///         (Tick(tick), area.clone())
///     })
/// };
/// let bytes = |schema: &Arc<Schema>| {
///     let (mut encoder, mut basis, mut all) = (Encoder::new(schema), Basis::nothing(), 0);
///     for (tick, area) in versions(schema) {
///         let (bytes, next) = encoder.encode(&basis, &area, tick);
///         (basis, all) = (next, all + bytes.len());
///     }
///     all
/// };
/// let plain = Arc::new(schema.clone());
/// let mut trainer = Trainer::new(&plain);
/// versions(&plain).for_each(|(tick, area)| trainer.watch(&area, tick));
/// schema.codebook = trainer.finish();
/// schema.seal()?;
/// assert!(bytes(&Arc::new(schema)) < bytes(&plain));
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct Trainer {
    schema: Arc<Schema>,
    /// Where every model has seen nothing: a delta counts in a copy of it.
    zero: Book,
    common: [Counts; 3],
    tables: Vec<[Counts; 3]>,
    updates: u64,
    areas: BTreeMap<AreaId, Seen>,
}

/// What there was of an area.
#[derive(Debug, Default)]
struct Seen {
    updates: u64,
    last: Basis,
    older: [VecDeque<Basis>; LAGS.len()],
}

/// Of each model: in how many deltas a bit was so often 1 and so often 0.
#[derive(Clone, Debug, Default)]
struct Counts(Vec<BTreeMap<(u16, u16), u32>>);

impl Trainer {
    /// One that has seen nothing.
    pub fn new(schema: &Arc<Schema>) -> Self {
        let nothing = |model: &mut Model| *model = Model { one: 0, seen: 0 };
        Self {
            zero: Book::guessed(schema).map(nothing),
            common: Default::default(),
            tables: vec![Default::default(); schema.tables()],
            schema: schema.clone(),
            updates: 0,
            areas: BTreeMap::new(),
        }
    }

    /// Sees the next version of an area, for an update of `tick`: as those get it who have the version before, now and then as those who have an
    /// older one or nothing. Versions of an area come in order, as a room sends them; one that was seen is no news.
    pub fn watch(&mut self, next: &Arc<Area>, tick: Tick) {
        let mut seen = self.areas.remove(&next.id()).unwrap_or_default();
        if seen
            .last
            .area
            .as_ref()
            .is_some_and(|last| last.tick() >= next.tick())
        {
            self.areas.insert(next.id(), seen);
            return;
        }
        if seen.updates > 0 {
            self.see(&seen.last, next, tick);
            seen.last = seen.last.followed_by(next);
        } else {
            seen.last = Basis::of(next);
        }
        if seen.updates.is_multiple_of(WHOLE_EACH) {
            self.see(&Basis::nothing(), next, tick);
        }
        for (lag, older) in LAGS.into_iter().zip(&mut seen.older) {
            let basis = if older.len() == lag {
                older.pop_front()
            } else {
                None
            };
            let after = match basis {
                Some(basis) => {
                    if seen.updates.is_multiple_of(OLDER_EACH) {
                        self.see(&basis, next, tick);
                    }
                    basis.followed_by(next)
                }
                None => Basis::of(next),
            };
            older.push_back(after);
        }
        seen.updates += 1;
        self.updates += 1;
        self.areas.insert(next.id(), seen);
    }

    /// What comes next is of another room.
    pub fn next_room(&mut self) {
        self.areas.clear();
    }

    /// Sees one delta.
    pub fn see(&mut self, basis: &Basis, next: &Arc<Area>, tick: Tick) {
        let empty;
        let base = match basis.area.as_deref() {
            Some(area) => area,
            None => {
                empty = Area::empty(AreaId::ALL, &self.schema);
                &empty
            }
        };
        let counter = Counter::default();
        let mut walk = Walk::new(counter, (&self.schema, &self.zero), basis, base, Some(next));
        let done = walk.run(tick);
        debug_assert!(done.is_ok(), "a writer meets no error: {done:?}");
        let class = walk.class as usize;
        self.common[class].add(&mut walk.models);
        for (table, mut models) in walk.coder.tables {
            self.tables[table][class].add(&mut models);
        }
    }

    /// Updates that were watched.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The book.
    pub fn finish(&self) -> Codebook {
        let keys = keys(&self.schema);
        let layouts = self.schema.records().map(|record| record.layout());
        let mut sections = vec![(keys[0].0, section(&Common::guessed(), &self.common))];
        for (((key, _), layout), counts) in keys[1..].iter().zip(layouts).zip(&self.tables) {
            sections.push((*key, section(&TableModels::guessed(layout), counts)));
        }
        sections.sort_unstable_by_key(|(key, _)| *key);
        let mut book = Codebook::default();
        for (key, bytes) in sections {
            let fits = book.as_bytes().len() + bytes.len() + 8 <= CODEBOOK_BYTES_MAX;
            if !bytes.is_empty() && fits {
                book.put(key, &bytes);
            }
        }
        book
    }
}

/// The bytes of a section; none if nothing is worth telling.
fn section<M: Models>(guessed: &M, counts: &[Counts; 3]) -> Vec<u8> {
    let told: [Vec<Option<Told>>; 3] = Class::ALL.map(|class| {
        let mut models = guessed.clone();
        let pairs = counts[class as usize].0.iter().zip(models.all());
        pairs.map(|(counts, guess)| best(counts, guess)).collect()
    });
    if told.iter().flatten().all(Option::is_none) {
        return Vec::new();
    }
    let mut form = Form::new(Sink::new(Vec::new()));
    for told in &told {
        if form.class(told.iter().any(Option::is_some)) {
            let done = form.models(&mut guessed.clone(), told);
            debug_assert!(done.is_ok(), "a writer meets no error: {done:?}");
        }
    }
    form.coder.finish().to_vec()
}

impl Counts {
    /// Adds what a delta has counted.
    fn add(&mut self, models: &mut impl Models) {
        for (at, model) in models.all().enumerate() {
            if at == self.0.len() {
                self.0.push(BTreeMap::new());
            }
            if model.seen > 0 {
                let (ones, zeros) = (model.one, model.seen - model.one);
                let much = ones.max(zeros).div_ceil(COUNTS_MAX).max(1);
                *self.0[at].entry((ones / much, zeros / much)).or_default() += 1;
            }
        }
    }
}

/// What a model should begin with, if that is worth being told.
///
/// A model that learns by counting is a Beta prior in disguise: with `seen` bits, one of the weight `seen + 1/2`. So what some bits cost from a
/// beginning is the Beta-binomial likelihood of their counts, in whatever order they come.
fn best(counts: &BTreeMap<(u16, u16), u32>, guess: &Model) -> Option<Told> {
    let price = |one: u16, seen: u16| -> f64 {
        let weight = f64::from(seen) + 0.5;
        let a = weight * f64::from(one) / 65_536.0;
        let prior = log_beta(a, weight - a);
        let of = |(&(ones, zeros), &times): (&(u16, u16), &u32)| {
            let after = log_beta(a + f64::from(ones), weight - a + f64::from(zeros));
            f64::from(times) * (prior - after)
        };
        counts.iter().map(of).sum::<f64>() * std::f64::consts::LOG2_E
    };
    let guessed = price(guess.one, guess.seen);
    if guessed < WORTH {
        return None;
    }
    let mut found = (guessed - WORTH, None);
    for (trust, seen) in Told::trusts() {
        // In the chance it has one valley.
        let (mut low, mut high) = (0, CHANCES - 1);
        while low < high {
            let middle = (low + high) / 2;
            match price(chance(middle), seen) <= price(chance(middle + 1), seen) {
                true => high = middle,
                false => low = middle + 1,
            }
        }
        let cost = price(chance(low), seen);
        if cost < found.0 {
            let chance = low as u8;
            found = (cost, Some(Told { chance, trust }));
        }
    }
    found.1
}

fn log_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

/// Counts bits in the models in place of learning from them, and writes nothing.
#[derive(Debug, Default)]
struct Counter {
    tables: Vec<(usize, TableModels)>,
}

impl Counter {
    fn count(model: &mut Model, bit: bool) {
        if model.seen < u16::MAX {
            model.one += u16::from(bit);
            model.seen += 1;
        }
    }
}

impl Coder for Counter {
    const READS: bool = false;
    const COUNTS: bool = true;

    fn code(&mut self, _: u32, bit: bool) -> bool {
        bit
    }

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn bit(&mut self, model: &mut Model, bit: bool) -> bool {
        Self::count(model, bit);
        bit
    }

    fn bit2(&mut self, models: [&mut Model; 2], bit: bool) -> bool {
        models.into_iter().for_each(|model| Self::count(model, bit));
        bit
    }

    fn even(&mut self, value: u32, _: u32) -> u32 {
        value
    }

    fn leave(&mut self, table: usize, models: TableModels) {
        self.tables.push((table, models));
    }
}
