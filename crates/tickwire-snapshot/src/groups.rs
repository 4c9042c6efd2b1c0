//! Which columns of a record the dense codec looks at together, and how. Compiled by sealing; never on the wire.

use crate::layout::Column;
use crate::quant::Quant;
use crate::schema::RecordSchema;

/// What a group of columns is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A choice of few.
    Small,
    /// Numbers that say nothing of the one after: floats, references.
    Alone,
    /// Numbers that may go on as they went.
    Motion,
    /// A rotation.
    Turn(Turn),
    /// Positions on tracks.
    Track,
}

/// Columns that are coded one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) kind: Kind,
    pub(crate) columns: Vec<u16>,
}

/// A rotation in integers: parts are columns less `half`, in units `1 << shift` times finer; all four together have the length `radius`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    pub(crate) half: i32,
    pub(crate) shift: u32,
    pub(crate) radius: i64,
}

/// Bits of a part of a rotation in its finer units.
const TURN_BITS: u32 = 19;

impl Turn {
    fn new(step: f64, half: i32) -> Self {
        let shift = TURN_BITS - half.max(1).ilog2().min(TURN_BITS);
        Self {
            half,
            shift,
            radius: (f64::from(1_u32 << shift) / step).round() as i64,
        }
    }
}

/// The groups of a record, in the order in which they are coded.
pub(crate) fn groups(record: &RecordSchema, columns: &[Column]) -> Vec<Group> {
    let mut all = [const { Vec::new() }; 5];
    let mut at = 0;
    let (mut moved, mut tracks) = (Vec::new(), Vec::new());
    for field in &record.fields {
        for _ in 0..field.len {
            let element: Vec<u16> = (at..at + field.quant.columns()).map(|c| c as u16).collect();
            at += element.len();
            let Some(&first) = element.first() else {
                continue;
            };
            let column = &columns[usize::from(first)];
            let (place, kind) = match field.quant {
                _ if column.track.is_some() => {
                    tracks.extend(element);
                    continue;
                }
                Quant::Range { .. } => {
                    moved.extend(element);
                    continue;
                }
                Quant::Quat { step } => (
                    3,
                    Kind::Turn(Turn::new(step, columns[usize::from(first) + 1].max / 2)),
                ),
                Quant::F32 | Quant::Entity => (1, Kind::Alone),
                _ if i64::from(column.max) - i64::from(column.min) < 8 => (0, Kind::Small),
                _ => (2, Kind::Motion),
            };
            all[place].push(Group {
                kind,
                columns: element,
            });
        }
    }
    for (place, kind, columns) in [(2, Kind::Motion, moved), (4, Kind::Track, tracks)] {
        if !columns.is_empty() {
            all[place].push(Group { kind, columns });
        }
    }
    all.into_iter().flatten().collect()
}
