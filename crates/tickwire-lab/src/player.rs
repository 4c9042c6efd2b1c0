//! Who plays when nobody does: smooth random commands for any game, made from its schema alone. How they are sent is elsewhere.

use tickwire_client::{Picture, View};
use tickwire_proto::Tick;
use tickwire_snapshot::{OwnedRow, Quant, RecordSchema};

use crate::Chance;

/// Columns with so few values are keys rather than axes: they jump, and are let go again.
const KEY_VALUES: f64 = 4.0;
/// Seconds for which a hand keeps to what it wants.
const HOLD_S: (f64, f64) = (0.2, 1.5);

/// Makes commands like somebody who holds keys and moves a mouse: each column of the record has a hand of its own, that
/// wants a random value for a while and goes there. Values are always in the declared range.
///
/// ```
/// use tickwire_lab::player::Wanderer;
/// use tickwire_snapshot::{FieldSchema, Quant, RecordSchema};
/// let mut steer = RecordSchema::new("Steer", vec![FieldSchema::new("x", Quant::Range { min: -1.0, max: 1.0, step: 1.0 })]);
/// steer.seal(33_333)?;
/// let mut player = Wanderer::new(&steer, 7);
/// let row = player.next(&steer, 1.0 / 30.0);
/// assert!((0..=2).contains(&row.ints[0]));
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wanderer {
    chance: Chance,
    hands: Vec<Hand>,
    row: OwnedRow,
}

/// What moves one column, in parts of its range.
#[derive(Clone, Debug)]
struct Hand {
    at: f64,
    goal: f64,
    left_s: f64,
}

impl Wanderer {
    /// A player of this command. Another seed plays differently.
    pub fn new(command: &RecordSchema, seed: u64) -> Self {
        let row = OwnedRow::new(command);
        let hands = vec![
            Hand {
                at: 0.5,
                goal: 0.5,
                left_s: 0.0
            };
            row.ints.len()
        ];
        Wanderer {
            chance: Chance::new(seed),
            hands,
            row,
        }
    }

    /// The next command, `seconds` after the one before.
    pub fn next(&mut self, command: &RecordSchema, seconds: f64) -> &OwnedRow {
        let mut column = 0;
        for field in &command.fields {
            for _ in 0..field.len {
                for part in 0..field.quant.columns() {
                    let (Some(hand), Some(int)) =
                        (self.hands.get_mut(column), self.row.ints.get_mut(column))
                    else {
                        break;
                    };
                    hand.go(&field.quant, part, seconds, &mut self.chance);
                    *int = value(&field.quant, part, hand.at);
                    column += 1;
                }
            }
        }
        &self.row
    }
}

impl Hand {
    fn go(&mut self, quant: &Quant, part: usize, seconds: f64, chance: &mut Chance) {
        let key = values(quant, part) <= KEY_VALUES;
        self.left_s -= seconds;
        if self.left_s <= 0.0 {
            self.left_s = chance.between(HOLD_S.0, HOLD_S.1);
            // Half the time a key is at rest: the middle of an axis, the first of a choice.
            let rest = if matches!(
                quant,
                Quant::Range { .. } | Quant::Bits { signed: true, .. }
            ) {
                0.5
            } else {
                0.0
            };
            self.goal = if key && chance.happens(0.5) {
                rest
            } else {
                chance.unit()
            };
        }
        self.at = if key || self.left_s <= seconds {
            self.goal
        } else {
            self.at + (self.goal - self.at) * (seconds / self.left_s).min(1.0)
        };
    }
}

/// How many values a column has.
fn values(quant: &Quant, part: usize) -> f64 {
    let (min, max) = quant.bounds(part);
    f64::from(max) - f64::from(min) + 1.0
}

/// The column's value at a part of its range, which is below 1.
fn value(quant: &Quant, part: usize, at: f64) -> i32 {
    match quant {
        // Floats have no range: a stick's would be this. References name nothing.
        Quant::F32 => ((at * 2.0 - 1.0) as f32).to_bits() as i32,
        Quant::Entity | Quant::Target => 0,
        Quant::Varint => (at * 256.0) as i32,
        _ => {
            let (min, max) = quant.bounds(part);
            let int = f64::from(min) + (at.clamp(0.0, 1.0) * values(quant, part)).floor();
            int.clamp(f64::from(min), f64::from(max)) as i32
        }
    }
}

/// One command about to be sent, for a script that plays in place of the [`Wanderer`]. It holds what the last one held.
#[derive(Debug)]
pub struct Turn<'a> {
    /// Which client, from 0.
    pub client: usize,
    /// The tick that the command is for.
    pub tick: Tick,
    /// What the client knows.
    pub view: &'a View,
    /// What it shows.
    pub picture: Option<&'a Picture>,
    /// Chance of the client's own.
    pub chance: &'a mut Chance,
    pub(crate) command: &'a RecordSchema,
    pub(crate) row: &'a mut OwnedRow,
}

impl Turn<'_> {
    /// Sets a field by its name, rounded and clamped as the game declares it.
    ///
    /// # Panics
    /// If the command has no such field, or it is no number: the script belongs to another game.
    pub fn set(&mut self, field: &str, value: impl Into<f64>) {
        let Some(index) = self.command.field(field) else {
            let names: Vec<_> = self
                .command
                .fields
                .iter()
                .map(|field| field.name.as_str())
                .collect();
            panic!(
                "the command {} has no field {field:?}, only {}",
                self.command.name,
                names.join(", ")
            );
        };
        let mut row = self.row.row_mut(self.command);
        let field_mut = row.field(index);
        assert!(
            field_mut.ints.len() == 1,
            "the field {field:?} of {} is no single number: set its columns by `row`",
            self.command.name
        );
        field_mut.quant.put_number(value.into(), field_mut.ints);
    }

    /// The whole command, for fields that are no single number.
    pub fn row(&mut self) -> &mut OwnedRow {
        self.row
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickwire_snapshot::{FieldSchema, values as rows};

    fn everything() -> RecordSchema {
        let mut record = RecordSchema::new(
            "Everything",
            vec![
                FieldSchema::new("a", Quant::Bool),
                FieldSchema::new(
                    "b",
                    Quant::Bits {
                        bits: 7,
                        signed: true,
                    },
                ),
                FieldSchema::new(
                    "c",
                    Quant::Range {
                        min: -1.0,
                        max: 1.0,
                        step: 1.0,
                    },
                ),
                FieldSchema::new(
                    "d",
                    Quant::Range {
                        min: 0.0,
                        max: 800.0,
                        step: 0.1,
                    },
                ),
                FieldSchema::new("e", Quant::Angle { bits: 10 }),
                FieldSchema::new("f", Quant::Unit3 { bits: 9 }),
                FieldSchema::new("g", Quant::quat_bits(9)),
                FieldSchema::new(
                    "h",
                    Quant::Enum {
                        variants: vec!["x".into(), "y".into(), "z".into()],
                    },
                ),
                FieldSchema::new("i", Quant::Varint),
                FieldSchema::new("j", Quant::Entity),
                FieldSchema::new("k", Quant::F32).with_len(3),
                FieldSchema::new("l", Quant::Text { max: 8 }),
                FieldSchema::new(
                    "m",
                    Quant::Bits {
                        bits: 32,
                        signed: false,
                    },
                ),
            ],
        );
        record.seal(33_333).expect("a sound record");
        record
    }

    #[test]
    fn every_command_is_one_that_the_server_takes() {
        let record = everything();
        let mut player = Wanderer::new(&record, 3);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..3_000 {
            let row = player.next(&record, 1.0 / 30.0).clone();
            let bytes = rows::encode_record(&record, &row.ints, &row.blobs);
            assert_eq!(rows::decode_record(&record, &bytes), Ok(row.clone()));
            seen.insert((row.ints[0], row.ints[2]));
        }
        assert_eq!(seen.len(), 6, "all keys are used: {seen:?}");
    }

    #[test]
    fn axes_move_smoothly() {
        let record = everything();
        let mut player = Wanderer::new(&record, 4);
        let mut last = player.next(&record, 0.01).ints[3];
        for _ in 0..1_000 {
            let now = player.next(&record, 0.01).ints[3];
            assert!((now - last).abs() < 1_600, "from {last} to {now}");
            last = now;
        }
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        let record = everything();
        let play = |seed| {
            let mut player = Wanderer::new(&record, seed);
            (0..50)
                .map(|_| player.next(&record, 0.03).clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(play(1), play(1));
        assert_ne!(play(1), play(2));
    }
}
