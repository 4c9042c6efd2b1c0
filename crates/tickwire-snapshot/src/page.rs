//! Pages: 64 rows of a table, column by column, immutable once shared. Nothing here knows of ticks or entities' lives.

use std::sync::{Arc, OnceLock};

use crate::hash::Mixer;
use crate::layout::Layout;

/// Rows of a page: one for each bit of a mask.
pub const PAGE_ROWS: usize = 64;

/// 64 rows of one component. What is not present is zero, so that equal content is equal memory.
#[derive(Debug, Default)]
pub struct Page {
    /// Rows that are there.
    pub(crate) present: u64,
    /// Rows with a velocity other than rest: the next capture must look at them again, and their prediction differs from what they hold.
    pub(crate) moving: u64,
    /// Column after column, 64 integers each.
    pub(crate) ints: Box<[i32]>,
    /// Blob after blob, 64 each; `None` is the empty one.
    pub(crate) blobs: Box<[Option<Arc<[u8]>>]>,
    hash: OnceLock<u64>,
}

impl Clone for Page {
    /// A copy to be changed: without the cached hash.
    fn clone(&self) -> Self {
        Self {
            present: self.present,
            moving: self.moving,
            ints: self.ints.clone(),
            blobs: self.blobs.clone(),
            hash: OnceLock::new(),
        }
    }
}

impl PartialEq for Page {
    fn eq(&self, other: &Self) -> bool {
        self.present == other.present && self.ints == other.ints && self.blobs == other.blobs
    }
}

impl Page {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            ints: vec![0; layout.columns().len() * PAGE_ROWS].into(),
            blobs: vec![None; layout.blobs() * PAGE_ROWS].into(),
            ..Self::default()
        }
    }

    /// The mask of rows that are there.
    pub fn present(&self) -> u64 {
        self.present
    }

    /// The mask of rows that move by their velocity.
    pub fn moving(&self) -> u64 {
        self.moving
    }

    /// One column: 64 integers, 0 where there is no row.
    #[inline]
    pub fn column(&self, column: usize) -> &[i32; PAGE_ROWS] {
        &self.ints.as_chunks().0[column]
    }

    #[inline]
    pub(crate) fn has(&self, row: usize) -> bool {
        self.present >> row & 1 == 1
    }

    /// One integer of a row.
    #[inline]
    pub fn int(&self, column: usize, row: usize) -> i32 {
        self.column(column)[row]
    }

    /// One text or blob of a row.
    pub fn blob(&self, blob: usize, row: usize) -> &[u8] {
        self.blobs[blob * PAGE_ROWS + row].as_deref().unwrap_or(&[])
    }

    #[inline]
    pub(crate) fn set_int(&mut self, column: usize, row: usize, value: i32) {
        self.ints[column * PAGE_ROWS + row] = value;
    }

    pub(crate) fn set_blob(&mut self, blob: usize, row: usize, bytes: &[u8]) {
        self.blobs[blob * PAGE_ROWS + row] = (!bytes.is_empty()).then(|| bytes.into());
    }

    /// Takes rows away, and makes their memory zero.
    pub(crate) fn clear_rows(&mut self, rows: u64) {
        for row in bits(rows & self.present) {
            self.ints
                .iter_mut()
                .skip(row)
                .step_by(PAGE_ROWS)
                .for_each(|int| *int = 0);
            self.blobs
                .iter_mut()
                .skip(row)
                .step_by(PAGE_ROWS)
                .for_each(|blob| *blob = None);
        }
        self.present &= !rows;
        self.moving &= !rows;
    }

    /// Says which of these rows move, after their columns were written.
    pub(crate) fn find_moving(&mut self, layout: &Layout, rows: u64) {
        let mut moving = 0;
        for &(column, rest) in layout.moving() {
            let column = usize::from(column);
            for row in bits(rows) {
                moving |= u64::from(self.int(column, row) != rest) << row;
            }
        }
        self.moving = (self.moving & !rows) | (moving & self.present);
    }

    /// Hash of the content, computed once.
    pub(crate) fn hash(&self) -> u64 {
        *self.hash.get_or_init(|| {
            let mut mixer = Mixer::new(self.present);
            mixer.ints(&self.ints);
            for (index, blob) in self.blobs.iter().enumerate() {
                if let Some(bytes) = blob {
                    mixer.word(index as u64);
                    mixer.bytes(bytes);
                }
            }
            mixer.end()
        })
    }
}

/// 64 slots: which of them are entities, and of which generation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntityPage {
    pub(crate) present: u64,
    /// 0 where there is no entity.
    pub(crate) generations: [u16; PAGE_ROWS],
}

impl Default for EntityPage {
    fn default() -> Self {
        Self {
            present: 0,
            generations: [0; PAGE_ROWS],
        }
    }
}

impl EntityPage {
    pub(crate) fn hash(&self) -> u64 {
        let mut mixer = Mixer::new(self.present);
        for generations in self.generations.chunks_exact(4) {
            mixer.word(
                generations
                    .iter()
                    .fold(0, |word, &g| word << 16 | u64::from(g)),
            );
        }
        mixer.end()
    }

    /// Slots that are the same entity in both.
    pub(crate) fn same_tenants(&self, other: &Self) -> u64 {
        let both = self.present & other.present;
        if self.generations == other.generations {
            return both;
        }
        let pairs = self.generations.iter().zip(&other.generations).enumerate();
        both & pairs.fold(0, |same, (row, (a, b))| same | u64::from(a == b) << row)
    }

    /// Slots that are an entity in both, and another one.
    pub(crate) fn replaced(&self, next: &Self) -> u64 {
        self.present & next.present & !self.same_tenants(next)
    }
}

/// The pages of one record, or of the entities. A page without rows is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Table<P> {
    pub(crate) pages: Vec<Option<Arc<P>>>,
}

impl<P> Default for Table<P> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<P: Clone> Table<P> {
    #[inline]
    pub(crate) fn page(&self, index: usize) -> Option<&Arc<P>> {
        self.pages.get(index)?.as_ref()
    }

    /// A page to be changed: copied if it is shared, made if there is none.
    pub(crate) fn page_mut(&mut self, index: usize, make: impl FnOnce() -> P) -> &mut P {
        if self.pages.len() <= index {
            self.pages.resize(index + 1, None);
        }
        Arc::make_mut(self.pages[index].get_or_insert_with(|| Arc::new(make())))
    }

    pub(crate) fn put_page(&mut self, index: usize, page: P) {
        if self.pages.len() <= index {
            self.pages.resize(index + 1, None);
        }
        self.pages[index] = Some(Arc::new(page));
    }

    pub(crate) fn clear_page(&mut self, index: usize) {
        if let Some(page) = self.pages.get_mut(index) {
            *page = None;
        }
    }
}

/// Whether two places of a table hold the very same page.
pub(crate) fn same_page<P>(a: Option<&Arc<P>>, b: Option<&Arc<P>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The numbers of the bits that are set, rising.
#[inline]
pub fn bits(mask: u64) -> Bits {
    Bits(mask)
}

/// See [`bits`].
#[derive(Clone, Copy, Debug)]
pub struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.0.count_ones() as usize;
        (count, Some(count))
    }
}
