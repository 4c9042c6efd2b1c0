//! Rows as games and tools see them: the fields of one component of one entity. Where they are stored is the page's matter.

use crate::layout::{FieldSlot, Layout};
use crate::page::Page;
use crate::quant::Quant;
use crate::schema::{COLUMNS_MAX, RecordSchema};

/// The bytes of a text or blob field.
pub type Blob = Vec<u8>;

/// A row to be written: integer columns and blobs of one record.
#[derive(Debug)]
pub struct RowMut<'a> {
    layout: &'a Layout,
    ints: &'a mut [i32],
    blobs: &'a mut [Blob],
}

/// One field of a row to be written.
#[derive(Debug)]
pub struct FieldMut<'a> {
    /// The quantiser of the columns: finer than the wire step where the field is a track.
    pub quant: &'a Quant,
    /// Its columns.
    pub ints: &'a mut [i32],
    /// Its bytes, if it is a text or blob.
    pub blob: Option<&'a mut Blob>,
}

/// A row to be read.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    layout: &'a Layout,
    ints: Ints<'a>,
    blobs: Blobs<'a>,
}

/// One field of a row to be read.
#[derive(Clone, Copy, Debug)]
pub struct FieldRef<'a> {
    /// The quantiser of the columns: finer than the wire step where the field is a track.
    pub quant: &'a Quant,
    /// Its columns.
    pub ints: &'a [i32],
    /// Its bytes, if it is a text or blob.
    pub blob: Option<&'a [u8]>,
}

/// A row that owns its columns: a command, an event, a test's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnedRow {
    /// Integer columns.
    pub ints: Vec<i32>,
    /// Texts and blobs.
    pub blobs: Vec<Blob>,
}

#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a row lives on the stack of who reads it: no allocation"
)]
enum Ints<'a> {
    Slice(&'a [i32]),
    Gathered([i32; COLUMNS_MAX]),
}

#[derive(Clone, Copy, Debug)]
enum Blobs<'a> {
    Slice(&'a [Blob]),
    Page(&'a Page, usize),
}

impl<'a> RowMut<'a> {
    /// A row of a sealed record over columns and blobs of the right number.
    pub fn new(record: &'a RecordSchema, ints: &'a mut [i32], blobs: &'a mut [Blob]) -> Self {
        Self::of_layout(record.layout(), ints, blobs)
    }

    #[inline]
    pub(crate) fn of_layout(
        layout: &'a Layout,
        ints: &'a mut [i32],
        blobs: &'a mut [Blob],
    ) -> Self {
        assert_eq!(
            (ints.len(), blobs.len()),
            (layout.columns().len(), layout.blobs()),
            "a row needs a sealed record"
        );
        Self {
            layout,
            ints,
            blobs,
        }
    }

    /// Number of fields.
    pub fn fields(&self) -> usize {
        self.layout.fields().len()
    }

    /// The columns of a field. Panics past the last field: the writer does not belong to this record.
    #[inline]
    pub fn field(&mut self, field: usize) -> FieldMut<'_> {
        let FieldSlot {
            offset,
            columns,
            blob,
            quant,
        } = &self.layout.fields()[field];
        FieldMut {
            quant,
            ints: &mut self.ints[*offset..offset + columns],
            blob: blob.map(|b| &mut self.blobs[b]),
        }
    }
}

impl<'a> Row<'a> {
    /// A row of a sealed record over columns and blobs of the right number.
    pub fn new(record: &'a RecordSchema, ints: &'a [i32], blobs: &'a [Blob]) -> Self {
        let layout = record.layout();
        assert_eq!(
            (ints.len(), blobs.len()),
            (layout.columns().len(), layout.blobs()),
            "a row needs a sealed record"
        );
        Self {
            layout,
            ints: Ints::Slice(ints),
            blobs: Blobs::Slice(blobs),
        }
    }

    pub(crate) fn of_page(layout: &'a Layout, page: &'a Page, row: usize) -> Self {
        let mut ints = [0; COLUMNS_MAX];
        for (column, int) in ints.iter_mut().enumerate().take(layout.columns().len()) {
            *int = page.int(column, row);
        }
        Self {
            layout,
            ints: Ints::Gathered(ints),
            blobs: Blobs::Page(page, row),
        }
    }

    /// Number of fields.
    pub fn fields(&self) -> usize {
        self.layout.fields().len()
    }

    /// The columns of a field. Panics past the last field: the reader does not belong to this record.
    pub fn field(&self, field: usize) -> FieldRef<'_> {
        let FieldSlot {
            offset,
            columns,
            blob,
            quant,
        } = &self.layout.fields()[field];
        let blob = blob.map(|blob| match self.blobs {
            Blobs::Slice(blobs) => blobs[blob].as_slice(),
            Blobs::Page(page, row) => page.blob(blob, row),
        });
        FieldRef {
            quant,
            ints: &self.ints()[*offset..offset + columns],
            blob,
        }
    }

    /// All columns.
    pub fn ints(&self) -> &[i32] {
        match &self.ints {
            Ints::Slice(ints) => ints,
            Ints::Gathered(ints) => &ints[..self.layout.columns().len()],
        }
    }

    /// A copy that owns its columns.
    pub fn to_owned(&self) -> OwnedRow {
        let blobs = (0..self.fields())
            .filter_map(|f| self.field(f).blob.map(<[u8]>::to_vec))
            .collect();
        OwnedRow {
            ints: self.ints().to_vec(),
            blobs,
        }
    }
}

impl OwnedRow {
    /// A row of zeros for a sealed record, where zero is valid or else the least valid integer.
    pub fn new(record: &RecordSchema) -> Self {
        let layout = record.layout();
        let ints = layout
            .columns()
            .iter()
            .map(|c| 0.clamp(c.min, c.max))
            .collect();
        Self {
            ints,
            blobs: vec![Blob::new(); layout.blobs()],
        }
    }

    /// To read it.
    pub fn row<'a>(&'a self, record: &'a RecordSchema) -> Row<'a> {
        Row::new(record, &self.ints, &self.blobs)
    }

    /// To write it.
    pub fn row_mut<'a>(&'a mut self, record: &'a RecordSchema) -> RowMut<'a> {
        RowMut::new(record, &mut self.ints, &mut self.blobs)
    }
}
