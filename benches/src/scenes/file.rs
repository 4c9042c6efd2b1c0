//! Recorded scenes: eight integers a body, taken over one to one. The formats are told in `benches/data/README.md`.

use std::path::Path;

use tickwire_snapshot::{FieldSchema, NetId, Quant, RowMut};

use super::{Scene, range, schema};

const INTS: usize = 8;

/// The cubes: `path`, or the project's own.
pub fn cubes(path: Option<&Path>) -> Result<Scene, String> {
    const STEP: f64 = 1.0 / 512.0;
    let wide = 16_383.0 * STEP;
    let fields = vec![
        FieldSchema::new("interacting", Quant::Bool),
        FieldSchema::new(
            "turn",
            Quant::Quat {
                step: 1.0 / (255.5 * std::f64::consts::SQRT_2),
            },
        ),
        range("x", -wide, wide, STEP),
        range("y", -wide, wide, STEP),
        range("z", 0.0, 8_191.0 * STEP, STEP),
    ];
    let schema = schema("cubes", 60, "Cube", fields);
    let put = |row: &mut RowMut, body: &[i32]| {
        row.field(0).ints[0] = body[7];
        row.field(1).ints.copy_from_slice(&body[..4]);
        row.field(2).ints[0] = body[4] + 16_383;
        row.field(3).ints[0] = body[5] + 16_383;
        row.field(4).ints[0] = body[6];
    };
    let frames = load(path, include_bytes!("../../data/cubes.bin.zst"))?;
    Ok(Scene::new(60, true, schema, play(frames, 901, put)))
}

/// The asteroids: `path`, or the project's own.
pub fn asteroids(path: Option<&Path>) -> Result<Scene, String> {
    const STEP: f64 = 0.01;
    const WIDE: i32 = 1_000_000;
    let place = |name| range(name, -f64::from(WIDE) * STEP, f64::from(WIDE) * STEP, STEP);
    let fields = vec![
        FieldSchema::new("turn", Quant::Quat { step: 0.001 }),
        place("x"),
        place("y"),
        place("z"),
    ];
    let schema = schema("asteroids", 30, "Asteroid", fields);
    let put = |row: &mut RowMut, body: &[i32]| {
        row.field(0).ints.copy_from_slice(&body[..4]);
        for (axis, &place) in body[4..7].iter().enumerate() {
            row.field(1 + axis).ints[0] = place + WIDE;
        }
    };
    let frames = load(path, include_bytes!("../../data/asteroids.bin.zst"))?;
    Ok(Scene::new(30, true, schema, play(frames, 250, put)))
}

/// Plays frames of so many bodies: body `i` is the entity in slot `i + 1`.
fn play(
    frames: Vec<i32>,
    bodies: usize,
    put: impl Fn(&mut RowMut, &[i32]) + 'static,
) -> super::Step {
    let mut at = 0;
    Box::new(move |edit| {
        let Some(frame) = frames.get(at..at + bodies * INTS) else {
            return false;
        };
        at += bodies * INTS;
        let slots = 1..=bodies as u32;
        slots.clone().for_each(|slot| {
            edit.spawn(NetId {
                slot,
                generation: 0,
            });
        });
        let mut rows = edit.rows(0).expect("the only table");
        for (slot, body) in slots.zip(frame.chunks_exact(INTS)) {
            rows.set(slot, |row| put(row, body));
        }
        true
    })
}

fn load(path: Option<&Path>, own: &[u8]) -> Result<Vec<i32>, String> {
    let read;
    let packed = match path {
        Some(path) => {
            read = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            &read[..]
        }
        None => own,
    };
    let bytes = zstd::decode_all(packed).map_err(|error| format!("a recording: {error}"))?;
    let ints = bytes.chunks_exact(4);
    Ok(ints
        .map(|int| i32::from_le_bytes([int[0], int[1], int[2], int[3]]))
        .collect())
}
