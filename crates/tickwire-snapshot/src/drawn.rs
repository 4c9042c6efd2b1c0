//! How a field is drawn, as bytes: one number tells its rule and whether it teleports. What the rules mean stands in `schema`.

use serde::{Deserialize, Serialize};

use crate::quant::Quant;
use crate::schema::{FieldSchema, Lerp, Predict, Scope, Track};
use crate::seal::SchemaError;

/// A field as it is written. A teleport is a variant of the rule and no field of its own: what has none is written as it was before there were any.
#[derive(Serialize, Deserialize)]
pub(crate) struct FieldBytes {
    name: String,
    id: u32,
    len: u8,
    scope: Scope,
    quant: Quant,
    predict: Predict,
    drawn: Drawn,
    velocity: Option<String>,
    track: Option<Track>,
}

#[derive(Serialize, Deserialize)]
enum Drawn {
    Linear,
    Angle,
    Step,
    Quat,
    Hermite,
    LinearWithin(f64),
    HermiteWithin(f64),
}

impl From<FieldSchema> for FieldBytes {
    fn from(field: FieldSchema) -> Self {
        let drawn = match (field.lerp, field.teleport) {
            (Lerp::Linear, Some(most)) => Drawn::LinearWithin(most),
            (Lerp::Hermite, Some(most)) => Drawn::HermiteWithin(most),
            (Lerp::Linear, None) => Drawn::Linear,
            (Lerp::Hermite, None) => Drawn::Hermite,
            // sealing refuses a teleport of these
            (Lerp::Angle, _) => Drawn::Angle,
            (Lerp::Step, _) => Drawn::Step,
            (Lerp::Quat, _) => Drawn::Quat,
        };
        Self {
            name: field.name,
            id: field.id,
            len: field.len,
            scope: field.scope,
            quant: field.quant,
            predict: field.predict,
            drawn,
            velocity: field.velocity,
            track: field.track,
        }
    }
}

impl From<FieldBytes> for FieldSchema {
    fn from(bytes: FieldBytes) -> Self {
        let (lerp, teleport) = match bytes.drawn {
            Drawn::Linear => (Lerp::Linear, None),
            Drawn::Angle => (Lerp::Angle, None),
            Drawn::Step => (Lerp::Step, None),
            Drawn::Quat => (Lerp::Quat, None),
            Drawn::Hermite => (Lerp::Hermite, None),
            Drawn::LinearWithin(most) => (Lerp::Linear, Some(most)),
            Drawn::HermiteWithin(most) => (Lerp::Hermite, Some(most)),
        };
        Self {
            name: bytes.name,
            id: bytes.id,
            len: bytes.len,
            scope: bytes.scope,
            quant: bytes.quant,
            predict: bytes.predict,
            lerp,
            teleport,
            velocity: bytes.velocity,
            track: bytes.track,
        }
    }
}

impl FieldSchema {
    /// Whether its teleport, if it has one, can be told.
    pub(crate) fn check_teleport(&self, place: impl Fn() -> String) -> Result<(), SchemaError> {
        let Some(most) = self.teleport else {
            return Ok(());
        };
        let refuse = |why| {
            Err(SchemaError::Teleport {
                place: place(),
                why,
            })
        };
        if !(most.is_finite() && most > 0.0) {
            return refuse("a teleport is a change of more than some number above 0");
        }
        let numbers = matches!(
            self.quant,
            Quant::Range { .. } | Quant::F32 | Quant::Bits { .. } | Quant::Varint
        );
        if !(numbers && matches!(self.lerp, Lerp::Linear | Lerp::Hermite)) {
            return refuse(
                "a teleport is for a number that slides, linear or hermite: what is beside it in its component jumps with it",
            );
        }
        Ok(())
    }
}
