//! What changed between two versions of a table: masks of rows and, for rows that deviate from their prediction, by how much.

use std::sync::Arc;

use crate::layout::Layout;
use crate::page::{PAGE_ROWS, Page, bits};
use crate::track::Span;

/// What changed in a table, page by page, and the differences of deviating rows, column by column.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Rows of entities that stay.
    pub(super) surviving: Vec<u64>,
    /// Those of them that go.
    pub(super) removed: Vec<u64>,
    /// Rows that are in both.
    pub(super) common: Vec<u64>,
    /// Those of them that are not as predicted.
    pub(super) deviating: Vec<u64>,
    /// Entities without a row before.
    pub(super) vacant: Vec<u64>,
    /// Those of them that have one now.
    pub(super) added: Vec<u64>,
    pub(super) differences: Differences,
}

/// Differences of deviating rows.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Of the page in hand: all rows of each column.
    page: Vec<[i32; PAGE_ROWS]>,
    /// Of all pages: the deviating rows of each column.
    pub(super) columns: Vec<Vec<i32>>,
}

impl Changes {
    pub(super) fn start(&mut self, layout: &Layout, pages: usize) {
        let all = [
            &mut self.surviving,
            &mut self.removed,
            &mut self.common,
            &mut self.deviating,
            &mut self.vacant,
            &mut self.added,
        ];
        for masks in all {
            masks.clear();
            masks.resize(pages, 0);
        }
        let Differences { page, columns } = &mut self.differences;
        page.resize(layout.columns().len().max(page.len()), [0; PAGE_ROWS]);
        columns.iter_mut().for_each(Vec::clear);
        columns.resize_with(page.len(), Vec::new);
    }

    pub(super) fn pages(&self) -> usize {
        self.common.len()
    }

    /// Fills in the masks of a page and returns the rows that are in both versions.
    pub(super) fn masks(
        &mut self,
        page: usize,
        before: Option<&Arc<Page>>,
        after: Option<&Arc<Page>>,
        gone: u64,
        living: u64,
    ) -> u64 {
        let surviving = before.map_or(0, |p| p.present) & !gone;
        let present = after.map_or(0, |p| p.present);
        self.surviving[page] = surviving;
        self.removed[page] = surviving & !present;
        self.common[page] = surviving & present;
        self.vacant[page] = living & !surviving;
        self.added[page] = present & !surviving;
        self.common[page]
    }

    pub(super) fn any(&self) -> bool {
        [&self.removed, &self.deviating, &self.added]
            .iter()
            .any(|masks| masks.iter().any(|&mask| mask != 0))
    }
}

/// Finds the rows of a page that deviate from their prediction and adds their differences, column by column.
pub(super) fn compare_pages(
    layout: &Layout,
    (before, after): (&Arc<Page>, &Arc<Page>),
    common: u64,
    span: Span,
    differences: &mut Differences,
) -> u64 {
    let moving = match span.is_empty() {
        true => 0,
        false => (before.moving | after.moving) & common,
    };
    let same = Arc::ptr_eq(before, after);
    if same && moving == 0 {
        return 0;
    }
    let Differences { page, columns } = differences;
    let mut deviating = blobs_deviating(before, after, same, common);
    let mut touched = 0_u64;
    for (index, own) in page.iter_mut().enumerate().take(layout.columns().len()) {
        let found = column_differences(layout, index, before, after, moving, span, own) & common;
        touched |= u64::from(found != 0) << index;
        deviating |= found;
    }
    if deviating == 0 {
        return 0;
    }
    let count = deviating.count_ones() as usize;
    let own = columns.iter_mut().zip(page).enumerate();
    for (index, (column, own)) in own.take(layout.columns().len()) {
        if touched >> index & 1 == 1 {
            column.extend(bits(deviating).map(|row| own[row]));
        } else {
            column.resize(column.len() + count, 0);
        }
    }
    deviating
}

/// Differences of one column for all 64 rows, and the mask of those that are not 0.
#[inline]
fn column_differences(
    layout: &Layout,
    index: usize,
    before: &Page,
    after: &Page,
    moving: u64,
    span: Span,
    differences: &mut [i32; PAGE_ROWS],
) -> u64 {
    let column = &layout.columns()[index];
    let (from, to) = (before.column(index), after.column(index));
    let mut found = 0;
    if from != to {
        let shift = if column.wrap == 0 {
            0
        } else {
            32 - u32::from(column.wrap)
        };
        for ((difference, &from), &to) in differences.iter_mut().zip(from).zip(to) {
            *difference = (to.wrapping_sub(from) << shift) >> shift;
        }
        for (row, &difference) in differences.iter().enumerate() {
            found |= u64::from(difference != 0) << row;
        }
    } else {
        differences.fill(0);
    }
    if let Some((velocity, track)) = &column.track
        && moving != 0
    {
        let (old, new) = (
            before.column(usize::from(*velocity)),
            after.column(usize::from(*velocity)),
        );
        for row in bits(moving) {
            let predicted = column.moved(track, from[row], [old[row], new[row]], span);
            differences[row] = to[row].wrapping_sub(predicted);
            found = found & !(1 << row) | u64::from(differences[row] != 0) << row;
        }
    }
    found
}

fn blobs_deviating(before: &Page, after: &Page, same: bool, common: u64) -> u64 {
    if same || before.blobs.is_empty() {
        return 0;
    }
    let mut found = 0;
    for (from, to) in before
        .blobs
        .chunks_exact(PAGE_ROWS)
        .zip(after.blobs.chunks_exact(PAGE_ROWS))
    {
        for row in bits(common & !found) {
            let same = match (&from[row], &to[row]) {
                (Some(from), Some(to)) => Arc::ptr_eq(from, to) || from == to,
                (from, to) => from.is_none() && to.is_none(),
            };
            found |= u64::from(!same) << row;
        }
    }
    found
}
