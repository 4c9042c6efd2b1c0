//! The schema as JSON, for generic clients and tools. The bytes that are compared and hashed are postcard's, not these.

use serde_json::{Value, json};

use crate::quant::Quant;
use crate::schema::{FieldSchema, Predict, RecordSchema, Schema};

impl Schema {
    /// A readable form of everything in it, with the hash.
    pub fn to_json(&self) -> Value {
        let records = |records: &[RecordSchema]| records.iter().map(record).collect::<Vec<_>>();
        json!({
            "name": self.name,
            "tick_us": self.tick_us,
            "hash": format!("{:016x}", self.hash()),
            "components": records(&self.components),
            "resources": records(&self.resources),
            "events": records(&self.events),
            "command": self.command.as_ref().map(record),
            "messages": self.messages.iter().map(|m| json!({ "name": m.name, "kind": m.kind, "shape": m.shape, "reply": m.reply })).collect::<Vec<_>>(),
        })
    }
}

fn record(record: &RecordSchema) -> Value {
    let fields: Vec<_> = record.fields.iter().map(|f| field(record, f)).collect();
    json!({ "name": record.name, "id": record.id, "scope": record.scope, "fields": fields })
}

fn field(record: &RecordSchema, field: &FieldSchema) -> Value {
    let velocity = match field.predict {
        Predict::Velocity { field } => record
            .fields
            .get(usize::from(field))
            .map(|f| f.name.as_str()),
        Predict::Same => None,
    };
    json!({
        "name": field.name,
        "id": field.id,
        "len": field.len,
        "scope": field.scope,
        "lerp": field.lerp,
        "teleport": field.teleport,
        "velocity": velocity,
        "quant": quant(&field.quant),
    })
}

fn quant(quant: &Quant) -> Value {
    match quant {
        Quant::Bool => json!({ "type": "bool" }),
        Quant::Bits { bits, signed } => json!({ "type": "bits", "bits": bits, "signed": signed }),
        Quant::Range { min, max, step } => {
            json!({ "type": "range", "min": min, "max": max, "step": step })
        }
        Quant::Angle { bits } => json!({ "type": "angle", "bits": bits }),
        Quant::Unit2 { bits } => json!({ "type": "unit2", "bits": bits }),
        Quant::Unit3 { bits } => json!({ "type": "unit3", "bits": bits }),
        Quant::Quat { step } => json!({ "type": "quat", "step": step }),
        Quant::Enum { variants } => json!({ "type": "enum", "variants": variants }),
        Quant::Varint => json!({ "type": "varint" }),
        Quant::Entity | Quant::Target => json!({ "type": "entity" }),
        Quant::F32 => json!({ "type": "f32" }),
        Quant::Text { max } => json!({ "type": "text", "max": max }),
        Quant::Blob { shape, max } => json!({ "type": "blob", "shape": shape, "max": max }),
    }
}
