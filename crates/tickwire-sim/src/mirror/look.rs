//! What is predicted as a picture needs it: rows of a schema whose quantisers are finer than the wire's. Not how they are smoothed or drawn.

use tickwire_snapshot::quant::STEPS_MAX;
use tickwire_snapshot::{Codebook, Lerp, OwnedRow, Quant, RecordSchema, Schema};

use super::Mirror;
use crate::column::Column;

/// Parts of a wire step that a picture shows.
const FINER: f64 = 256.0;
/// Bits of an angle, and of parts of rotations and directions.
const ANGLE_BITS: u8 = 20;

/// Somebody who is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// One number for as long as they are seen, as a picture's rows have it.
    pub id: u64,
    /// The same as long as nothing is spawned or despawned: for [`Mirror::row`].
    pub track: u32,
    /// Whether the seat owns them.
    pub own: bool,
    /// Where the server has them, if it has.
    pub name: Option<(tickwire_snapshot::AreaId, tickwire_snapshot::NetId)>,
}

impl Mirror {
    /// Everybody who is predicted and there, in an order that stays.
    pub fn shown(&self) -> impl Iterator<Item = Shown> + '_ {
        let there = |track: &super::book::Track| self.sim.world.get_entity(track.entity).is_ok();
        let tracks = self.book.tracks.iter();
        tracks
            .filter(move |(_, track)| there(track))
            .map(|(number, track)| Shown {
                id: track.shown,
                track: *number,
                own: track.own,
                name: track.name,
            })
    }

    /// The schema of [`row`](Self::row): the room's, with finer steps.
    #[must_use]
    pub fn fine(&self) -> &std::sync::Arc<Schema> {
        &self.fine
    }

    /// A component of somebody, by its place in the schema.
    #[must_use]
    pub fn row(&self, track: u32, table: usize) -> Option<OwnedRow> {
        let entity = self.book.tracks.get(&track)?.entity;
        let record = self.fine.components.get(table)?;
        let mut columns = self.columns().iter();
        let column = columns.find(|column| column.table() == Some(table))?;
        Column::look(&**column, &self.sim.world, entity, record)
    }
}

/// The same records with finer quantisers, and nothing that moves by itself.
pub(crate) fn fine(schema: &Schema) -> Schema {
    let mut fine = schema.clone();
    for record in fine.components.iter_mut().chain(&mut fine.resources) {
        make_finer(record);
    }
    // Never on a wire, and a book of other columns.
    fine.codebook = Codebook::default();
    let sealed = fine.seal();
    debug_assert!(sealed.is_ok(), "{sealed:?}");
    match sealed {
        Ok(()) => fine,
        Err(_) => schema.clone(),
    }
}

fn make_finer(record: &mut RecordSchema) {
    for field in &mut record.fields {
        field.velocity = None;
        field.track = None;
        field.predict = Default::default();
        if field.lerp == Lerp::Hermite {
            field.lerp = Lerp::Linear; // from tick to tick a line is enough
        }
        match &mut field.quant {
            Quant::Range { min, max, step } => {
                let steps = (*max - *min) / *step;
                let mut finer = FINER;
                while finer > 1.0 && steps * finer >= f64::from(STEPS_MAX) {
                    finer /= 2.0;
                }
                // Whole numbers stay whole.
                if !(is_whole(*step) && is_whole(*min)) {
                    *step /= finer;
                }
            }
            Quant::Angle { bits } => *bits = (*bits).max(ANGLE_BITS),
            _ => {}
        }
    }
}

fn is_whole(number: f64) -> bool {
    number % 1.0 == 0.0
}
