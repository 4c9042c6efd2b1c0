//! Codebooks: which probabilities the models of a dense delta begin with, as bytes and as models. How they are found out stands in `train`.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::super::decode::DecodeError;
use super::coder::{Coder, Model, Source};
use super::models::{Common, Models, TableModels};
use super::number::{Number, UNKNOWN, signed};
use crate::hash::Mixer;
use crate::schema::{RecordSchema, Schema};

/// Bytes of a codebook at most.
pub const CODEBOOK_BYTES_MAX: usize = 16 * 1024;
/// The form of its bytes.
const VERSION: u8 = 1;
/// Bytes of a section before what it holds: key and length.
const HEAD: usize = 6;
/// The key of what no table owns.
const COMMON: u32 = 0;
/// How many bits a model may be said to have learned from.
const SEEN: [u16; 8] = [0, 1, 2, 4, 7, 12, 20, 30];
/// Probabilities that a book can tell.
pub(super) const CHANCES: u32 = 64;

/// What the models of a dense delta begin with, trained on updates of the game by a [`Trainer`](crate::Trainer): a sixteenth to a
/// quarter fewer bytes, most where little happens. Part of the [schema](Schema::codebook): both sides begin alike. The form of its bytes is told in PROTOCOL.md.
///
/// It has a section for each table, found by the table's columns: a table that was changed after the training begins with guesses again, until
/// the next.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codebook(Vec<u8>);

/// Why bytes are no codebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodebookError {
    /// Longer than any may be.
    #[error("a codebook of {0} bytes: at most {CODEBOOK_BYTES_MAX} are allowed")]
    Long(usize),
    /// Another form than this version reads.
    #[error("the bytes are no codebook of this version: train it anew")]
    Form,
    /// A section that contradicts the table that it is for.
    #[error("section {0:08x} of the codebook is damaged: train it anew")]
    Section(u32),
}

impl Codebook {
    /// Bytes that a [`Trainer`](crate::Trainer) made.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodebookError> {
        if bytes.len() > CODEBOOK_BYTES_MAX {
            return Err(CodebookError::Long(bytes.len()));
        }
        let book = Self(bytes.to_vec());
        let rising = book.sections().try_fold(None, |last, section| {
            let (key, _) = section?;
            (last < Some(key)).then_some(Some(key))
        });
        rising.map(|_| ()).ok_or(CodebookError::Form)?;
        Ok(book)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it holds nothing: all begins with guesses.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of this book what fits a schema; and, if some of it does not, the tables that it has nothing for: among them are those whose columns are
    /// others now than when it was trained.
    pub fn fitted(&self, schema: &Schema) -> (Self, Vec<String>) {
        let mut made = Self::default();
        let mut keys = keys(schema);
        let mut without: Vec<String> = Vec::new();
        keys.sort_unstable();
        let is_known = |(key, _)| keys.iter().any(|(known, _)| *known == key);
        let all_fits = self.sections().flatten().all(is_known);
        for (key, name) in keys {
            match self.sections().flatten().find(|it| it.0 == key) {
                Some((_, bytes)) => made.put(key, bytes),
                // A table that nothing was worth telling of is no news.
                None if all_fits || name.is_empty() => {}
                None => without.push(name),
            }
        }
        (made, without)
    }

    /// What it says of a schema, if every section is one of this schema's and can be read.
    pub(crate) fn compile(&self, schema: &Schema) -> Result<Compiled, CodebookError> {
        if self.is_empty() {
            return Ok(Compiled::default());
        }
        Self::from_bytes(&self.0)?;
        let keys = keys(schema);
        for (key, _) in self.sections().flatten() {
            if !keys.iter().any(|(known, _)| *known == key) {
                return Err(CodebookError::Section(key));
            }
        }
        let book = Book::of(schema, self)?;
        Ok(Compiled(OnceLock::from(Arc::new(book))))
    }

    /// Appends a section; keys rise.
    pub(super) fn put(&mut self, key: u32, bytes: &[u8]) {
        if self.0.is_empty() {
            self.0.push(VERSION);
        }
        self.0.extend_from_slice(&key.to_le_bytes());
        self.0
            .extend_from_slice(&(bytes.len() as u16).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// Its sections, with their keys; `None` where the bytes are none.
    fn sections(&self) -> impl Iterator<Item = Option<(u32, &[u8])>> {
        let mut rest = match self.0.split_first() {
            None => &[][..],
            Some((&VERSION, rest)) => rest,
            // One byte is too short for a section.
            Some(_) => &self.0[..1],
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let section = split(rest);
            rest = section.map_or(&[][..], |(.., rest)| rest);
            Some(section.map(|(key, bytes, _)| (key, bytes)))
        })
    }

    fn section(&self, key: u32) -> Option<&[u8]> {
        let mut all = self.sections().flatten();
        all.find(|section| section.0 == key).map(|(_, bytes)| bytes)
    }
}

impl fmt::Debug for Codebook {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Codebook({} bytes)", self.0.len())
    }
}

/// The first section, and what follows.
fn split(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [a, b, c, d, e, f] = *head;
    let (section, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([e, f])))?;
    Some((u32::from_le_bytes([a, b, c, d]), section, rest))
}

/// The keys of all sections that a schema can have, with the names of their tables.
pub(super) fn keys(schema: &Schema) -> Vec<(u32, String)> {
    let tables = schema.records().enumerate().map(|(index, record)| {
        let key = table_key(record, schema.is_resource(index));
        (key, record.name.clone())
    });
    std::iter::once((COMMON, String::new()))
        .chain(tables)
        .collect()
}

/// By name and by all that the codec knows of its columns; never that of another section.
fn table_key(record: &RecordSchema, resource: bool) -> u32 {
    let mut mixer = Mixer::new(2);
    mixer.word(u64::from(resource));
    mixer.bytes(record.name.as_bytes());
    for field in &record.fields {
        mixer.bytes(field.name.as_bytes());
        mixer.word(u64::from(field.len));
        let coded = postcard::to_allocvec(&(&field.quant, &field.track));
        mixer.bytes(&coded.unwrap_or_default());
    }
    (mixer.end() as u32).max(COMMON + 1)
}

/// Deltas that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// From nothing.
    Whole,
    /// From the version before.
    Next,
    /// From an older one.
    Older,
}

impl Class {
    pub(super) const ALL: [Self; 3] = [Self::Whole, Self::Next, Self::Older];
}

/// The models that deltas of a schema begin with, for each class.
#[derive(Debug)]
pub(crate) struct Book {
    common: [Arc<Common>; 3],
    tables: Vec<[Arc<TableModels>; 3]>,
}

impl Book {
    /// Guesses, and what a codebook says instead.
    fn of(schema: &Schema, book: &Codebook) -> Result<Self, CodebookError> {
        let common = read(book, COMMON, &Common::guessed())?;
        let table = |(index, record): (usize, &RecordSchema)| {
            let key = table_key(record, schema.is_resource(index));
            let guessed = TableModels::guessed(record.layout());
            read(book, key, &guessed)
        };
        let tables = schema.records().enumerate().map(table);
        Ok(Self {
            common,
            tables: tables.collect::<Result<_, _>>()?,
        })
    }

    /// All of it, changed in one way.
    pub(super) fn map(mut self, mut change: impl FnMut(&mut Model)) -> Self {
        for common in &mut self.common {
            Arc::make_mut(common).all().for_each(&mut change);
        }
        for table in self.tables.iter_mut().flatten() {
            Arc::make_mut(table).all().for_each(&mut change);
        }
        self
    }

    /// Guesses alone.
    pub(super) fn guessed(schema: &Schema) -> Self {
        Self::of(schema, &Codebook::default()).expect("an empty book says nothing wrong")
    }

    pub(super) fn common(&self, class: Class) -> Common {
        Common::clone(&self.common[class as usize])
    }

    pub(super) fn table(&self, index: usize, class: Class) -> &TableModels {
        &self.tables[index][class as usize]
    }
}

/// The [`Book`] of a schema; guesses alone are made when they are needed. What two schemas are does not depend on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiled(OnceLock<Arc<Book>>);

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Schema {
    /// What deltas begin with.
    pub(super) fn book(&self) -> &Book {
        self.book.0.get_or_init(|| Arc::new(Book::guessed(self)))
    }
}

/// The three classes of one section.
fn read<M: Models>(book: &Codebook, key: u32, guessed: &M) -> Result<[Arc<M>; 3], CodebookError> {
    let shared = Arc::new(guessed.clone());
    let mut made = [shared.clone(), shared.clone(), shared];
    let Some(bytes) = book.section(key) else {
        return Ok(made);
    };
    let damaged = |_| CodebookError::Section(key);
    let mut form = Form::new(Source::new(bytes));
    for class in &mut made {
        if form.class(false) {
            let mut models = guessed.clone();
            form.models(&mut models, &[]).map_err(damaged)?;
            *class = Arc::new(models);
        }
    }
    form.coder.end().map_err(damaged)?;
    Ok(made)
}

/// What a book says of a model: its chance of a 1, of [`CHANCES`], and its place in [`SEEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) chance: u8,
    pub(super) trust: u8,
}

impl Told {
    /// All that can be said.
    pub(super) fn trusts() -> impl Iterator<Item = (u8, u16)> {
        SEEN.iter()
            .enumerate()
            .map(|(trust, &seen)| (trust as u8, seen))
    }

    pub(super) fn model(self) -> Model {
        Model {
            one: chance(u32::from(self.chance)),
            seen: SEEN[usize::from(self.trust & 7)],
        }
    }
}

/// A chance of 65,536: finer where it is small or great, and whole numbers alone to reckon it.
pub(super) fn chance(index: u32) -> u16 {
    let (up, down) = (2 * index + 1, 2 * CHANCES - 1 - 2 * index);
    let one = 65_536 * up * up / (up * up + down * down);
    one.clamp(32, 65_503) as u16
}

/// The chance nearest to a model's.
fn nearest(model: &Model) -> u32 {
    let off = |&index: &u32| chance(index).abs_diff(model.one);
    (0..CHANCES).min_by_key(off).unwrap_or(0)
}

/// The form of a section, for both directions: a writer is told, a reader finds out.
pub(super) struct Form<C> {
    pub(super) coder: C,
    present: Model,
    /// Is it told, by the model before and by this model in the class before.
    flags: [Model; 4],
    chances: [Number; 2],
    trust: [Model; 8],
    before: Vec<bool>,
}

impl<C: Coder> Form<C> {
    pub(super) fn new(coder: C) -> Self {
        Self {
            coder,
            present: Model::NEW,
            flags: [Model::RARE, Model::NEW, Model::NEW, Model::NEW],
            chances: [UNKNOWN; 2],
            trust: [Model::NEW; 8],
            before: Vec::new(),
        }
    }

    /// Whether a class is there.
    pub(super) fn class(&mut self, there: bool) -> bool {
        self.coder.bit(&mut self.present, there)
    }

    /// The models of a class, as far as they are no guesses.
    pub(super) fn models<M: Models>(
        &mut self,
        models: &mut M,
        told: &[Option<Told>],
    ) -> Result<(), DecodeError> {
        let mut last = 0;
        for (at, model) in models.all().enumerate() {
            let told = told.get(at).copied().flatten();
            if at == self.before.len() {
                self.before.push(false);
            }
            let context = last * 2 + usize::from(self.before[at]);
            self.before[at] = self.coder.bit(&mut self.flags[context], told.is_some());
            last = usize::from(self.before[at]);
            if last == 1 {
                *model = self.told(model, told)?.model();
            }
        }
        Ok(())
    }

    fn told(&mut self, guess: &Model, told: Option<Told>) -> Result<Told, DecodeError> {
        let told = told.unwrap_or(Told {
            chance: 0,
            trust: 0,
        });
        let guess = nearest(guess) as i32;
        let [a, b] = &mut self.chances;
        let off = signed(&mut self.coder, [a, b], i32::from(told.chance) - guess);
        let chance = guess.checked_add(off).and_then(|it| u8::try_from(it).ok());
        let chance = chance.filter(|&chance| u32::from(chance) < CHANCES);
        let mut node = 1;
        for bit in (0..3).rev() {
            let model = &mut self.trust[node];
            node = node << 1 | usize::from(self.coder.bit(model, told.trust >> bit & 1 == 1));
        }
        self.coder.check()?;
        Ok(Told {
            chance: chance.ok_or(DecodeError::Range)?,
            trust: node as u8 & 7,
        })
    }
}
