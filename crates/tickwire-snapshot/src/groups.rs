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
    /// Velocities of one unit, of the value at rest: the speed may stay where the direction does not.
    Course(i32),
    /// An angle of so many bits that may follow the direction of two velocities.
    Heading(Heading),
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

/// An angle beside a course in the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heading {
    pub(crate) bits: u32,
    pub(crate) course: [u16; 2],
    pub(crate) rest: i32,
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
    let mut all = [const { Vec::new() }; 7];
    let mut at = 0;
    let (course, rest) = course(record, columns);
    let (mut others, mut tracks) = (Vec::new(), Vec::new());
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
                _ if course.contains(&first) => continue,
                Quant::Range { .. } => {
                    others.extend(element);
                    continue;
                }
                Quant::Angle { bits } if course.len() == 2 => (
                    4,
                    Kind::Heading(Heading {
                        bits: u32::from(bits),
                        course: [course[0], course[1]],
                        rest,
                    }),
                ),
                Quant::Quat { step } => {
                    let half = columns[usize::from(first) + 1].max / 2;
                    (5, Kind::Turn(Turn::new(step, half)))
                }
                Quant::F32 | Quant::Entity | Quant::Target => (1, Kind::Alone),
                _ if i64::from(column.max) - i64::from(column.min) < 8 => (0, Kind::Small),
                _ => (2, Kind::Motion),
            };
            all[place].push(Group {
                kind,
                columns: element,
            });
        }
    }
    let rest = [
        (2, Kind::Motion, others),
        (3, Kind::Course(rest), course),
        (6, Kind::Track, tracks),
    ];
    for (place, kind, columns) in rest {
        if !columns.is_empty() {
            all[place].push(Group { kind, columns });
        }
    }
    all.into_iter().flatten().collect()
}

/// The columns of the velocities, if there are two or three of one unit, and their value at rest.
fn course(record: &RecordSchema, columns: &[Column]) -> (Vec<u16>, i32) {
    let mut all: Vec<(u16, i32)> = Vec::new();
    for (velocity, track) in columns.iter().filter_map(|column| column.track) {
        if !all.contains(&(velocity, track.zero)) {
            all.push((velocity, track.zero));
        }
    }
    all.sort_unstable();
    let step =
        |column: u16| match record.fields[usize::from(columns[usize::from(column)].field)].quant {
            Quant::Range { step, .. } => step,
            _ => 1.0,
        };
    let Some(&(first, rest)) = all.first() else {
        return (Vec::new(), 0);
    };
    let alike = |&(column, zero): &(u16, i32)| zero == rest && step(column) == step(first);
    if !(2..=3).contains(&all.len()) || !all.iter().all(alike) {
        return (Vec::new(), 0);
    }
    (all.into_iter().map(|(column, _)| column).collect(), rest)
}
