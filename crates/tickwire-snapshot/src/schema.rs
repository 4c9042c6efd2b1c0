//! The schema value: which records and fields a game replicates, how each is quantised and predicted. Sealing, limits and bytes are in `seal`.

use serde::{Deserialize, Serialize};

use crate::codec::{Codebook, Compiled};
use crate::drawn::FieldBytes;
pub use crate::hash::name_id;
use crate::layout::Layout;
use crate::quant::Quant;
pub use crate::seal::{
    COLUMNS_MAX, FIELDS_MAX, NAME_MAX, RECORDS_MAX, SCHEMA_BYTES_MAX, SchemaError,
    TABLE_COLUMNS_MAX,
};
use crate::shape::Shape;
pub use crate::track::Track;

/// Everything a codec, a generic client or a tool must know of a game to read its wire.
///
/// Built by the derives and the game's registration, then [sealed](Schema::seal): names sorted, numbered by their hash, tracks computed.
///
/// ```
/// use tickwire_snapshot::{FieldSchema, Quant, RecordSchema, Schema};
/// let mut schema = Schema::new("dots", 33_333);
/// schema.components.push(RecordSchema::new(
///     "Dot",
///     vec![FieldSchema::new("x", Quant::Range { min: 0.0, max: 800.0, step: 0.1 }), FieldSchema::new("hue", Quant::Bits { bits: 8, signed: false })],
/// ));
/// schema.seal()?;
/// assert_eq!(Schema::from_bytes(&schema.to_bytes())?, schema);
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// The kind of game.
    pub name: String,
    /// Length of a tick in microseconds.
    pub tick_us: u32,
    /// Components of entities.
    pub components: Vec<RecordSchema>,
    /// Resources of the room: rows of slot 0.
    pub resources: Vec<RecordSchema>,
    /// Tick events.
    pub events: Vec<RecordSchema>,
    /// What a player asks for in one tick.
    pub command: Option<RecordSchema>,
    /// Messages of the game, by name.
    pub messages: Vec<MessageSchema>,
    /// How deltas of its areas are coded.
    pub profile: Profile,
    /// What deltas of the dense profile begin with.
    pub codebook: Codebook,
    #[serde(skip)]
    pub(crate) book: Compiled,
}

/// A way to code deltas. Both lead to the same areas; what differs is bytes and time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// Packed bits: the least time.
    #[default]
    Fast,
    /// A range coder over what the past of each row does not tell: the fewest bytes.
    Dense,
}

impl Schema {
    /// Adds a message; one that is there already is one message, and asked as well as sent it has its reply.
    pub fn add_message(&mut self, message: MessageSchema) {
        let bare = |it: &MessageSchema| (it.kind, it.shape.clone());
        let mut there = self.messages.iter_mut();
        match there.find(|it| bare(it) == bare(&message)) {
            Some(same) => same.reply = same.reply.or(message.reply),
            None => self.messages.push(message),
        }
    }
}

/// A message of the game: its number on the wire and the shape of its postcard bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageSchema {
    /// Its name.
    pub name: String,
    /// Its number: the hash of its name.
    pub kind: u32,
    /// What its bytes look like.
    pub shape: Shape,
    /// Of a request: the kind of its reply, another message of the game.
    pub reply: Option<u32>,
}

/// A component, resource, event or command: named fields in columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordSchema {
    /// Its name.
    pub name: String,
    /// Hash of its name.
    pub id: u32,
    /// Who may know of it at all.
    pub scope: Scope,
    /// Its fields; in a sealed schema sorted by name.
    pub fields: Vec<FieldSchema>,
    #[serde(skip)]
    pub(crate) layout: Layout,
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "FieldBytes", into = "FieldBytes")]
pub struct FieldSchema {
    /// Its name.
    pub name: String,
    /// Hash of its name.
    pub id: u32,
    /// Elements of an array that share the quantiser; 1 where the field is no array.
    pub len: u8,
    /// Who may know it.
    pub scope: Scope,
    /// How it becomes integers.
    pub quant: Quant,
    /// What the codec expects it to be next.
    pub predict: Predict,
    /// How a picture between two updates is made.
    pub lerp: Lerp,
    /// A change by more than this between two updates, in the field's unit, is none to slide over: the whole component jumps at the later one's
    /// tick. Of numbers that are drawn [`Lerp::Linear`] or [`Lerp::Hermite`].
    pub teleport: Option<f64>,
    /// Before sealing: the name of the field that moves this one (units a second).
    pub velocity: Option<String>,
    /// Sealed, and moved by a velocity: the rule of its canonical track.
    pub track: Option<Track>,
}

/// Who may know something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everybody in the room.
    #[default]
    All,
    /// The owner's team.
    Team,
    /// The owner alone.
    Owner,
    /// No viewer: the server alone.
    Server,
}

/// What the codec expects of a field in the next update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Predict {
    /// The value it had.
    #[default]
    Same,
    /// Moved by a velocity field of the same record: its column holds a canonical track.
    Velocity {
        /// Index of the velocity field.
        field: u16,
    },
}

/// How a picture between two updates shows a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lerp {
    /// In a straight line.
    Linear,
    /// Along the shorter arc of a circle, radians.
    Angle,
    /// The earlier value until the later one's tick.
    #[default]
    Step,
    /// Along the shorter arc of rotations or directions.
    Quat,
    /// Along a cubic through both positions with the velocities that were there. For a field with a velocity alone.
    Hermite,
}

impl Schema {
    /// A schema without records.
    pub fn new(name: impl Into<String>, tick_us: u32) -> Self {
        Self {
            name: name.into(),
            tick_us,
            ..Self::default()
        }
    }

    /// Number of records that have tables in an area: components, then resources.
    pub fn tables(&self) -> usize {
        self.components.len() + self.resources.len()
    }

    /// The record of a table: components first, then resources.
    pub fn record(&self, table: usize) -> Option<&RecordSchema> {
        self.components.get(table).or_else(|| {
            self.resources
                .get(table.checked_sub(self.components.len())?)
        })
    }

    /// All records that have tables, in the order of their index.
    pub fn records(&self) -> impl Iterator<Item = &RecordSchema> {
        self.components.iter().chain(&self.resources)
    }

    /// Whether a table holds a resource, whose only row is slot 0.
    pub fn is_resource(&self, table: usize) -> bool {
        table >= self.components.len() && table < self.tables()
    }

    /// The table of a component, by its name.
    pub fn component(&self, name: &str) -> Option<usize> {
        find(&self.components, name)
    }

    /// The table of a resource, by its name.
    pub fn resource(&self, name: &str) -> Option<usize> {
        find(&self.resources, name).map(|index| index + self.components.len())
    }

    /// The index of an event, by its name.
    pub fn event(&self, name: &str) -> Option<usize> {
        find(&self.events, name)
    }

    /// The message of a number.
    pub fn message(&self, kind: u32) -> Option<&MessageSchema> {
        self.messages.iter().find(|message| message.kind == kind)
    }
}

impl RecordSchema {
    /// A record that everybody may know.
    pub fn new(name: impl Into<String>, fields: Vec<FieldSchema>) -> Self {
        let name = name.into();
        Self {
            id: name_id(&name),
            name,
            scope: Scope::All,
            fields,
            layout: Layout::default(),
        }
    }

    /// The same with a scope.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The record as an area that all may see holds it: fields of scope `All`, the rest left out.
    pub fn visible(&self) -> Self {
        let names: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
        let kept = |name: &str| {
            self.fields
                .iter()
                .any(|f| f.name == name && f.scope == Scope::All)
        };
        let fields = self
            .fields
            .iter()
            .filter(|f| f.scope == Scope::All)
            .map(|field| {
                let mut field = field.clone();
                if let Predict::Velocity { field: index } = field.predict {
                    field.velocity = names.get(usize::from(index)).map(|name| (*name).to_owned());
                }
                field.velocity = field.velocity.filter(|name| kept(name));
                if field.velocity.is_none() && field.lerp == Lerp::Hermite {
                    field.lerp = Lerp::Linear; // who may not see the velocity has no curve
                }
                field.predict = Predict::Same;
                field.track = None;
                field
            });
        Self::new(self.name.clone(), fields.collect()).with_scope(self.scope)
    }

    /// How its fields lie in columns. Empty until sealed.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The index of a field, by its name.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

impl FieldSchema {
    /// A field that everybody may know, expected to stay as it is, drawn as its quantiser suggests.
    pub fn new(name: impl Into<String>, quant: Quant) -> Self {
        let name = name.into();
        let lerp = quant.default_lerp();
        Self {
            id: name_id(&name),
            name,
            len: 1,
            scope: Scope::All,
            quant,
            predict: Predict::Same,
            lerp,
            teleport: None,
            velocity: None,
            track: None,
        }
    }

    /// The same as an array of `len` elements.
    pub fn with_len(mut self, len: u8) -> Self {
        self.len = len;
        self
    }

    /// The same with a scope.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// The same, moved by another field of the record: units a second.
    pub fn with_velocity(mut self, field: impl Into<String>) -> Self {
        self.velocity = Some(field.into());
        self
    }

    /// The same, drawn in another way.
    pub fn with_lerp(mut self, lerp: Lerp) -> Self {
        self.lerp = lerp;
        self
    }

    /// The same, that jumps with its component where it changes by more than `most`.
    pub fn with_teleport(mut self, most: f64) -> Self {
        self.teleport = Some(most);
        self
    }

    /// Integer columns that it takes.
    pub fn columns(&self) -> usize {
        self.quant.columns() * usize::from(self.len)
    }

    /// The quantiser of what its columns hold: for a track, finer than the wire step of its values.
    pub fn column_quant(&self) -> Quant {
        match (&self.quant, &self.track) {
            (&Quant::Range { min, max, step }, Some(track)) => Quant::Range {
                min,
                max,
                step: step / f64::from(track.cell),
            },
            (quant, _) => quant.clone(),
        }
    }
}

fn find(records: &[RecordSchema], name: &str) -> Option<usize> {
    records
        .binary_search_by(|record| record.name.as_str().cmp(name))
        .ok()
}
