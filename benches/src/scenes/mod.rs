//! Scenes as versions of one area: recorded ones from files, and made-up ones from seeds. What is measured on them stands in `bin/report`.

mod crowd;
mod file;
mod strategy;
mod stream;

use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, Codebook, FieldSchema, Profile, Quant, RecordSchema, RowMut, Schema,
};

pub use crowd::crowd;
pub use file::{asteroids, cubes};
pub use strategy::strategy;
pub use stream::{Lane, Sent, stream};

/// What comes next: fills in a version, or says that the scene is over.
type Step = Box<dyn FnMut(&mut AreaEdit) -> bool>;

/// A scene: its schema, and one version of its area after another.
pub struct Scene {
    pub hz: u32,
    /// It ends by itself.
    pub recorded: bool,
    schema: Arc<Schema>,
    area: Arc<Area>,
    tick: Tick,
    step: Step,
}

impl Scene {
    fn new(hz: u32, recorded: bool, schema: Schema, step: Step) -> Self {
        let schema = Arc::new(schema);
        Self {
            hz,
            recorded,
            area: Arc::new(Area::empty(AreaId::ALL, &schema)),
            schema,
            tick: Tick(0),
            step,
        }
    }

    /// The same, coded in another way. Before the first version is taken.
    pub fn with(mut self, profile: Profile) -> Self {
        let mut schema = Schema::clone(&self.schema);
        schema.profile = profile;
        self.schema = Arc::new(schema);
        self.area = Arc::new(Area::empty(AreaId::ALL, &self.schema));
        self
    }

    /// The same with a codebook, which has to be one of this scene. Before the first version is taken.
    pub fn with_book(mut self, bytes: &[u8]) -> Result<Self, String> {
        let mut schema = Schema::clone(&self.schema);
        let book = Codebook::from_bytes(bytes).map_err(|error| error.to_string())?;
        schema.codebook = book;
        schema.seal().map_err(|error| error.to_string())?;
        self.schema = Arc::new(schema);
        self.area = Arc::new(Area::empty(AreaId::ALL, &self.schema));
        Ok(self)
    }

    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }
}

impl Iterator for Scene {
    type Item = (Tick, Arc<Area>);

    /// The next tick and what is true at it.
    fn next(&mut self) -> Option<(Tick, Arc<Area>)> {
        let before = self.tick;
        self.tick = before.plus(1);
        let mut edit = AreaEdit::new(&self.area, self.tick, &self.schema);
        edit.unchanged_until(before);
        if !(self.step)(&mut edit) {
            return None;
        }
        self.area = edit.finish().unwrap_or_else(|| self.area.clone());
        Some((self.tick, self.area.clone()))
    }
}

fn schema(name: &str, hz: u32, record: &str, fields: Vec<FieldSchema>) -> Schema {
    let mut schema = Schema::new(name, (1_000_000 + hz / 2) / hz);
    schema.components.push(RecordSchema::new(record, fields));
    schema.seal().expect("a good schema");
    schema
}

fn range(name: &str, min: f64, max: f64, step: f64) -> FieldSchema {
    FieldSchema::new(name, Quant::Range { min, max, step })
}

/// Writes numbers into fields by their place in the sealed record.
fn put(row: &mut RowMut, field: usize, number: f32) {
    let field = row.field(field);
    field.quant.put_number(f64::from(number), field.ints);
}
