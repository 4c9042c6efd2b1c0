//! Records as JavaScript sees them: a row of doubles and texts, and the JSON that tells which double is which field.

use serde_json::{Value as Json, json};
use tickwire_client::{Picture, Row};
use tickwire_snapshot::quant::put_target;
use tickwire_snapshot::value::put_entity;
use tickwire_snapshot::{AreaId, FieldSchema, NetId, OwnedRow, Quant, RecordSchema, Schema, Value};

/// A reference to nothing, and one to what the viewer may not see, among the doubles of a row.
const NOBODY: f64 = -1.0;
const UNSEEN: f64 = -2.0;
/// No id is as great: doubles are exact below it.
const ID_MAX: f64 = (1u64 << 53) as f64;

/// What a page needs to know of a schema, as JSON: `{"components":[…],"resources":[…],"events":[…],"messages":[…],"command":…}`.
pub(crate) fn describe(schema: &Schema) -> Json {
    let records =
        |records: &[RecordSchema]| Json::Array(records.iter().map(describe_record).collect());
    json!({
        "game": schema.name,
        "components": records(&schema.components),
        "resources": records(&schema.resources),
        "events": records(&schema.events),
        "messages": schema.messages.iter().map(|message| json!({"name": message.name, "kind": message.kind, "reply": message.reply.is_some()})).collect::<Vec<_>>(),
        "command": schema.command.as_ref().map(describe_record),
    })
}

/// `{"name":"Ship","fields":[{"name":"x","kind":"n","width":1,"len":1}]}`
fn describe_record(record: &RecordSchema) -> Json {
    json!({"name": record.name, "fields": record.fields.iter().map(describe_field).collect::<Vec<_>>()})
}

/// Kinds: `n`umber, `b`ool, `e`num, `v`ector, `r`eference, `t`ext, `j`son.
fn describe_field(field: &FieldSchema) -> Json {
    let (kind, width) = kind(&field.quant);
    let mut out = json!({"name": field.name, "kind": kind, "width": width, "len": field.len});
    if let Quant::Enum { variants } = &field.quant {
        out["variants"] = json!(variants);
    }
    out
}

fn kind(quant: &Quant) -> (&'static str, usize) {
    match quant {
        Quant::Bool => ("b", 1),
        Quant::Enum { .. } => ("e", 1),
        Quant::Unit2 { .. } => ("v", 2),
        Quant::Unit3 { .. } => ("v", 3),
        Quant::Quat { .. } => ("v", 4),
        Quant::Entity | Quant::Target => ("r", 1),
        Quant::Text { .. } => ("t", 1),
        Quant::Blob { .. } => ("j", 1),
        Quant::Bits { .. }
        | Quant::Range { .. }
        | Quant::Angle { .. }
        | Quant::Varint
        | Quant::F32 => ("n", 1),
    }
}

/// Appends the rows of a component: id, mine, fields. How many there are.
pub(crate) fn table(
    picture: &Picture,
    component: &str,
    out: &mut Vec<f64>,
    texts: &mut Vec<String>,
) -> u32 {
    let number = picture.schema().component(component);
    let Some((number, record)) = number.and_then(|it| Some((it, picture.schema().record(it)?)))
    else {
        return 0;
    };
    let mut count = 0;
    for row in picture.entities(number) {
        out.push(row.id() as f64);
        out.push(f64::from(u8::from(row.mine())));
        flatten(&row, record, out, texts);
        count += 1;
    }
    count
}

/// Appends a row: its fields as doubles; texts go to the table, their place in it among the doubles.
pub(crate) fn flatten(
    row: &Row<'_>,
    record: &RecordSchema,
    out: &mut Vec<f64>,
    texts: &mut Vec<String>,
) {
    for (index, field) in record.fields.iter().enumerate() {
        let scalar = matches!(kind(&field.quant).0, "n" | "b" | "e") && field.len == 1;
        let number = if scalar { row.number(index) } else { None };
        match number {
            Some(number) => out.push(number),
            None => {
                let start = out.len();
                if let Some(value) = row.value(index) {
                    flatten_value(&value, &field.quant, row, out, texts);
                }
                out.resize(
                    start + kind(&field.quant).1 * usize::from(field.len.max(1)),
                    0.0,
                );
            }
        }
    }
}

fn flatten_value(
    value: &Value,
    quant: &Quant,
    row: &Row<'_>,
    out: &mut Vec<f64>,
    texts: &mut Vec<String>,
) {
    match value {
        Value::Bool(truth) => out.push(f64::from(u8::from(*truth))),
        Value::Int(int) => out.push(*int as f64),
        Value::Number(number) => out.push(*number),
        Value::Vector(parts) => out.extend_from_slice(parts),
        Value::Entity(Some(id)) => out.push(row.id_of(*id) as f64),
        Value::Entity(None) => out.push(NOBODY),
        Value::Unseen => out.push(UNSEEN),
        Value::List(items) => items
            .iter()
            .for_each(|item| flatten_value(item, quant, row, out, texts)),
        Value::Text(text) => match quant {
            Quant::Enum { variants } => {
                out.push(
                    variants
                        .iter()
                        .position(|variant| variant == text)
                        .unwrap_or_default() as f64,
                );
            }
            _ => push_text(text.clone(), out, texts),
        },
        Value::Bytes(bytes) => push_text(blob_json(quant, bytes).to_string(), out, texts),
    }
}

fn push_text(text: String, out: &mut Vec<f64>, texts: &mut Vec<String>) {
    out.push(texts.len() as f64);
    texts.push(text);
}

fn blob_json(quant: &Quant, bytes: &[u8]) -> Json {
    match quant {
        Quant::Blob { shape, .. } => shape.to_value(bytes).unwrap_or(Json::Null),
        _ => Json::Null,
    }
}

/// A value as JSON, for events.
pub(crate) fn to_json(value: &Value, quant: &Quant, id_of: impl Fn(NetId) -> u64 + Copy) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::Int(int) => json!(int),
        Value::Number(number) => json!(number),
        Value::Vector(parts) => json!(parts),
        Value::Text(text) => json!(text),
        Value::Entity(Some(id)) => json!(id_of(*id)),
        Value::Entity(None) | Value::Unseen => Json::Null,
        Value::List(items) => Json::Array(
            items
                .iter()
                .map(|item| to_json(item, quant, id_of))
                .collect(),
        ),
        Value::Bytes(bytes) => blob_json(quant, bytes),
    }
}

/// Where an entity is by its id, if it is there.
type PlaceOf<'a> = dyn Fn(u64) -> Option<(AreaId, NetId)> + 'a;

/// Makes a command's row from doubles in the order of the layout, and the texts that they point to. What does not fit
/// is an error that names the field.
pub(crate) fn command_row(
    record: &RecordSchema,
    numbers: &[f64],
    texts: &[String],
    place: &PlaceOf,
) -> Result<OwnedRow, String> {
    let mut row = OwnedRow::new(record);
    let mut rest = numbers;
    let mut write = row.row_mut(record);
    for (index, field) in record.fields.iter().enumerate() {
        let (kind, width) = kind(&field.quant);
        let wanted = width * usize::from(field.len.max(1));
        let (here, after) = rest
            .split_at_checked(wanted)
            .ok_or_else(|| format!("field {} is missing", field.name))?;
        rest = after;
        let target = write.field(index);
        let columns = target.quant.columns();
        match kind {
            "t" | "j" => {
                let text = here
                    .first()
                    .and_then(|at| texts.get(*at as usize))
                    .map_or("", String::as_str);
                let bytes = text_bytes(&field.quant, text)
                    .map_err(|e| format!("field {}: {e}", field.name))?;
                if let Some(blob) = target.blob {
                    *blob = bytes;
                }
            }
            "r" => here
                .iter()
                .zip(target.ints.chunks_mut(2))
                .for_each(|(id, ints)| put_reference(*id, &field.quant, place, ints)),
            "v" => {
                for (parts, ints) in here
                    .chunks(width)
                    .zip(target.ints.chunks_mut(columns.max(1)))
                {
                    target.quant.put_vector(parts, ints);
                }
            }
            _ => {
                for (number, ints) in here.iter().zip(target.ints.chunks_mut(columns.max(1))) {
                    target.quant.put_number(*number, ints);
                }
            }
        }
    }
    Ok(row)
}

/// Below zero (or no number), or who is not here: nobody. The server decides what may be named.
fn put_reference(id: f64, quant: &Quant, place: &PlaceOf, ints: &mut [i32]) {
    let is_one = (0.0..ID_MAX).contains(&id);
    let target = is_one.then(|| place(id as u64)).flatten();
    match quant {
        Quant::Target => put_target(target, ints),
        _ => {
            let id = target.map(|(_, id)| id);
            let _ = put_entity(id, ints); // a slot that is held is none too great
        }
    }
}

fn text_bytes(quant: &Quant, text: &str) -> Result<Vec<u8>, String> {
    match quant {
        Quant::Blob { shape, .. } => {
            let json: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
            shape.from_value(&json).map_err(|e| e.to_string())
        }
        _ => Ok(text.as_bytes().to_vec()),
    }
}
