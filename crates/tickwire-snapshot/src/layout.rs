//! The compiled form of a record: its columns, their bounds, what moves them. Made by sealing; never on the wire.

use crate::groups::{Group, groups};
use crate::quant::Quant;
use crate::schema::{Predict, RecordSchema};
use crate::track::{Span, Track};

/// How the fields of a record lie in columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    columns: Vec<Column>,
    fields: Vec<FieldSlot>,
    blobs: Vec<u16>,
    moving: Vec<(u16, i32)>,
    tracks: Vec<(u16, u16)>,
    groups: Vec<Group>,
    teleports: Vec<(usize, f64)>,
}

/// One integer column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// The least integer it may hold.
    pub min: i32,
    /// The greatest.
    pub max: i32,
    /// Bits of one value from `min` on.
    pub bits: u8,
    /// Differences wrap at so many bits (angles), 0: at 32.
    pub wrap: u8,
    /// Finite floats only.
    pub float: bool,
    /// The field it belongs to.
    pub field: u16,
    /// It is a canonical track: moved by that column.
    pub track: Option<(u16, Track)>,
}

/// Where a field lies.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSlot {
    /// First column.
    pub offset: usize,
    /// Columns.
    pub columns: usize,
    /// Index among the record's blobs.
    pub blob: Option<usize>,
    /// The quantiser of the columns (finer than the schema's for a track).
    pub quant: Quant,
}

impl Layout {
    pub(crate) fn of(record: &RecordSchema) -> Self {
        let mut layout = Self::default();
        for (index, field) in record.fields.iter().enumerate() {
            let quant = field.column_quant();
            let blob = quant.is_blob().then_some(layout.blobs.len());
            layout.fields.push(FieldSlot {
                offset: layout.columns.len(),
                columns: field.columns(),
                blob,
                quant: quant.clone(),
            });
            if blob.is_some() {
                layout.blobs.push(index as u16);
            }
            layout
                .teleports
                .extend(field.teleport.map(|most| (index, most)));
            for i in 0..field.columns() {
                layout
                    .columns
                    .push(Column::of(&quant, i % quant.columns(), index as u16));
            }
        }
        layout.connect(record);
        layout.groups = groups(record, &layout.columns);
        layout
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[FieldSlot] {
        &self.fields
    }

    /// Texts and blobs of a row.
    pub fn blobs(&self) -> usize {
        self.blobs.len()
    }

    /// The quantiser of a text or blob, by its index among them.
    pub fn blob_quant(&self, blob: usize) -> &Quant {
        &self.fields[usize::from(self.blobs[blob])].quant
    }

    /// The fields that teleport, each with the greatest change that is none.
    pub fn teleports(&self) -> &[(usize, f64)] {
        &self.teleports
    }

    /// Columns that are velocities, each with its value at rest.
    pub(crate) fn moving(&self) -> &[(u16, i32)] {
        &self.moving
    }

    /// Columns that are tracks, each with the column of its velocity.
    pub(crate) fn tracks(&self) -> &[(u16, u16)] {
        &self.tracks
    }

    /// Columns that are coded together, in the order in which they are.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn connect(&mut self, record: &RecordSchema) {
        for (index, field) in record.fields.iter().enumerate() {
            let (Predict::Velocity { field: velocity }, Some(track)) = (field.predict, field.track)
            else {
                continue;
            };
            for i in 0..usize::from(field.len) {
                let from = (self.fields[usize::from(velocity)].offset + i) as u16;
                let at = self.fields[index].offset + i;
                self.tracks.push((at as u16, from));
                let column = &mut self.columns[at];
                let half = (track.cell / 2) as i32;
                column.track = Some((from, track));
                (column.min, column.max) = (column.min - half, column.max + half);
                column.bits = bits_for(column.min, column.max);
                if !self.moving.contains(&(from, track.zero)) {
                    self.moving.push((from, track.zero));
                }
            }
        }
    }
}

impl Column {
    fn of(quant: &Quant, part: usize, field: u16) -> Self {
        let (min, max) = quant.bounds(part);
        let wrap = match quant {
            Quant::Angle { bits } | Quant::Unit2 { bits } => *bits,
            _ => 0,
        };
        Self {
            min,
            max,
            bits: bits_for(min, max),
            wrap,
            float: matches!(quant, Quant::F32),
            field,
            track: None,
        }
    }

    /// Whether the column may hold this integer.
    #[inline]
    pub fn valid(&self, value: i32) -> bool {
        (self.min..=self.max).contains(&value)
            && (!self.float || f32::from_bits(value as u32).is_finite())
    }

    /// The integer of a fixed-width code, if the column may hold it.
    #[inline]
    pub(crate) fn decode_fixed(&self, code: u32) -> Option<i32> {
        let int = i64::from(self.min) + i64::from(code);
        i32::try_from(int).ok().filter(|&int| self.valid(int))
    }

    /// What to add to `from` to reach `to`, the short way round.
    #[inline]
    pub(crate) fn difference(&self, from: i32, to: i32) -> i32 {
        let shift = (32 - u32::from(self.wrap)) & 31; // none where nothing wraps
        (to.wrapping_sub(from) << shift) >> shift
    }

    /// `from` and a difference; what comes out may be invalid if the difference came from a peer.
    #[inline]
    pub(crate) fn add(&self, from: i32, difference: i32) -> i32 {
        let sum = from.wrapping_add(difference);
        if self.wrap == 0 {
            sum
        } else {
            sum & ((1 << self.wrap) - 1)
        }
    }

    /// `from` and a prediction's difference: never outside the column's bounds.
    #[inline]
    pub(crate) fn near(&self, from: i32, difference: i32) -> i32 {
        if self.wrap != 0 {
            return self.add(from, difference);
        }
        let sum = i64::from(from) + i64::from(difference);
        sum.clamp(i64::from(self.min), i64::from(self.max)) as i32
    }

    /// Where a track will be after a span, never outside the column's bounds.
    #[inline]
    pub(crate) fn moved(&self, track: &Track, from: i32, velocities: [i32; 2], span: Span) -> i32 {
        let moved = i64::from(from) + track.displacement(velocities, span);
        moved.clamp(i64::from(self.min), i64::from(self.max)) as i32
    }
}

/// Bits that tell the integers from `min` to `max` apart.
pub(crate) fn bits_for(min: i32, max: i32) -> u8 {
    let span = (i64::from(max) - i64::from(min)) as u64;
    (64 - span.leading_zeros()) as u8
}
