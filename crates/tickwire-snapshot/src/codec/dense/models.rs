//! The models of a delta, as it begins: what nobody trained is a guess, the rest is from the codebook. What a book's bytes are stands in `book`.

use super::coder::Model;
use super::fresh::New;
use super::number::{Number, UNKNOWN};
use super::rows::{BY_PAST, pieces};
use super::walk::{AGE, FLAGS, PIECES};
use crate::groups::Kind;
use crate::layout::Layout;

/// How likely pages are to change, at first, by the page before; entities to go, by moving and the one before; and slots to be taken, by gone
/// and the one before.
const ENTITIES: [u32; 12] = [25, 50, 50, 50, 1, 30, 4, 20, 4, 40, 50, 50];
/// How likely rows are to deviate, at first: by stirred, moving, and the one before; by page; and one by one.
const DEVIATING: [u32; 14] = [50, 50, 4, 10, 40, 70, 60, 90, 8, 20, 8, 20, 4, 40];
/// How likely pages are to have new rows; entities that came to have the row, by the one before; and the others.
const ADDED: [u32; 6] = [80, 80, 90, 95, 2, 30];

/// Models that deltas begin with.
pub(super) trait Models: Clone {
    /// All of them, in the order in which a codebook tells of them.
    fn all(&mut self) -> impl Iterator<Item = &mut Model>;
}

/// Models that no table owns.
#[derive(Clone, Debug)]
pub(super) struct Common {
    /// Numbers of the header, of entities, of blobs, each a piece.
    pub(super) pieces: [Number; PIECES],
    pub(super) entities: [Model; 12],
}

impl Common {
    pub(super) fn guessed() -> Self {
        let mut pieces = [UNKNOWN; PIECES];
        pieces[FLAGS].fill(Model::RARE);
        pieces[AGE][2] = Model::RARE;
        let entities = ENTITIES.map(Model::likely);
        Self { pieces, entities }
    }
}

impl Models for Common {
    fn all(&mut self) -> impl Iterator<Item = &mut Model> {
        let pieces = self.pieces.as_flattened_mut().iter_mut();
        pieces.chain(&mut self.entities)
    }
}

/// The models of which rows of a table deviate, come and go.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowFlags {
    pub(super) deviating: [Model; 14],
    pub(super) added: [Model; 6],
    pub(super) removed: [Model; 4],
}

/// The models of a table.
#[derive(Clone, Debug)]
pub(super) struct TableModels {
    pub(super) flags: RowFlags,
    /// Of deviating rows: a piece for each group.
    pub(super) groups: Vec<Number>,
    /// Of new rows: each column.
    pub(super) new: Vec<New>,
}

impl TableModels {
    pub(super) fn guessed(layout: &Layout) -> Self {
        let mut groups = Vec::with_capacity(layout.groups().iter().map(pieces).sum());
        for group in layout.groups() {
            let end = groups.len() + pieces(group);
            match group.kind {
                Kind::Motion | Kind::Course(_) | Kind::Heading(_) | Kind::Turn(_) => {
                    groups.extend_from_slice(&BY_PAST);
                }
                Kind::Small | Kind::Alone | Kind::Track => {}
            }
            groups.resize(end, UNKNOWN);
        }
        Self {
            flags: RowFlags {
                deviating: DEVIATING.map(Model::likely),
                added: ADDED.map(Model::likely),
                removed: [Model::NEW; 4],
            },
            groups,
            new: vec![New::GUESSED; layout.columns().len()],
        }
    }
}

impl Models for TableModels {
    fn all(&mut self) -> impl Iterator<Item = &mut Model> {
        let RowFlags {
            deviating,
            added,
            removed,
        } = &mut self.flags;
        let flags = deviating.iter_mut().chain(added).chain(removed);
        let groups = self.groups.as_flattened_mut().iter_mut();
        let new = self.new.iter_mut().flat_map(|new| {
            let number = new.number.as_flattened_mut().iter_mut();
            new.flags.iter_mut().chain(number)
        });
        flags.chain(groups).chain(new)
    }
}
