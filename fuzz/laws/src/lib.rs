//! What must be true of any bytes, as functions that panic where it is not: the fuzz targets' bodies. The world that some of them need is `world`'s.

mod world;

use std::sync::{Arc, OnceLock};

use tickwire_proto::frame::{ClientFrame, ServerFrame};
use tickwire_snapshot::{Area, AreaId, Basis, Encoder, Profile, Schema, decode};

pub use world::codecs;

/// A frame of a client is an error, or one that is written as it was read.
pub fn client_frames(bytes: &[u8]) {
    if let Ok(frame) = ClientFrame::decode(bytes) {
        let again = frame.encode();
        assert_eq!(ClientFrame::decode(&again).as_ref(), Ok(&frame));
    }
}

/// A frame of a server is an error, or one that is written as it was read.
pub fn server_frames(bytes: &[u8]) {
    if let Ok(frame) = ServerFrame::decode(bytes) {
        let again = frame.encode();
        assert_eq!(ServerFrame::decode(&again).as_ref(), Ok(&frame));
    }
}

/// A schema is an error, or one that makes the same bytes and the same hash.
pub fn schemas(bytes: &[u8]) {
    if let Ok(schema) = Schema::from_bytes(bytes) {
        let again = schema.to_bytes();
        let read = Schema::from_bytes(&again).expect("our own schema");
        assert_eq!((read.to_bytes(), read.hash()), (again, schema.hash()));
    }
}

/// A packed delta is an error, or leads to an area that another delta leads to as well.
pub fn fast_deltas(bytes: &[u8]) {
    static VERSIONS: OnceLock<Vec<Arc<Area>>> = OnceLock::new();
    deltas(VERSIONS.get_or_init(|| world::known(Profile::Fast)), bytes);
}

/// The same of a dense delta.
pub fn dense_deltas(bytes: &[u8]) {
    static VERSIONS: OnceLock<Vec<Arc<Area>>> = OnceLock::new();
    deltas(VERSIONS.get_or_init(|| world::known(Profile::Dense)), bytes);
}

/// The first byte says how many versions the receiver has seen, the second how many ticks after the last of them the update is.
fn deltas(versions: &[Arc<Area>], bytes: &[u8]) {
    let [seen, late, delta @ ..] = bytes else {
        return;
    };
    let schema = versions[0].schema();
    let seen = &versions[..usize::from(*seen) % versions.len()];
    let basis = seen
        .iter()
        .fold(Basis::nothing(), |basis, next| basis.followed_by(next));
    let last = seen
        .last()
        .map_or(versions[0].tick(), |version| version.tick());
    let tick = last.plus(1 + u32::from(*late) % 8);
    let Ok(decoded) = decode(schema, &basis, AreaId::ALL, tick, delta) else {
        return;
    };
    let area = decoded.basis.area.expect("an area after a delta");
    let mut encoder = Encoder::new(schema);
    for from in [basis, Basis::nothing()] {
        let (again, _) = encoder.encode(&from, &area, tick);
        let back = decode(schema, &from, AreaId::ALL, tick, &again).expect("our own delta");
        let back = back.basis.area.expect("an area after a delta");
        assert!(back.same(&area) && back.hash() == area.hash());
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// Bytes of chance, as many runs of each law as are quick.
    fn run(law: fn(&[u8]), runs: usize, most: usize) {
        let mut dice = StdRng::seed_from_u64(7);
        for _ in 0..runs {
            let length = dice.random_range(0..most);
            let mut bytes = vec![0; length];
            dice.fill_bytes(&mut bytes);
            law(&bytes);
        }
    }

    /// The same with bytes of deltas that are right but for a few.
    fn mutated(law: fn(&[u8]), profile: Profile, runs: usize) {
        let versions = world::known(profile);
        let mut encoder = Encoder::new(versions[0].schema());
        let mut dice = StdRng::seed_from_u64(8);
        for _ in 0..runs {
            let seen = dice.random_range(0..versions.len() - 1);
            let basis = versions[..seen]
                .iter()
                .fold(Basis::nothing(), |basis, next| basis.followed_by(next));
            let next = &versions[seen];
            let last = versions[seen.saturating_sub(1)].tick();
            let late = next.tick().since(last).saturating_sub(1);
            let (delta, _) = encoder.encode(&basis, next, last.plus(1 + late));
            let mut bytes = vec![seen as u8, late as u8];
            bytes.extend_from_slice(&delta);
            for _ in 0..dice.random_range(0..3) {
                let at = dice.random_range(2..=bytes.len());
                match dice.random_range(0..3) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, dice.random()),
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 << dice.random_range(0..8);
                        }
                    }
                }
            }
            law(&bytes);
        }
    }

    #[test]
    fn of_bytes_of_chance() {
        run(client_frames, 20_000, 64);
        run(server_frames, 20_000, 64);
        run(schemas, 20_000, 128);
        run(fast_deltas, 5_000, 64);
        run(dense_deltas, 5_000, 64);
    }

    #[test]
    fn of_schemas_with_a_codebook_and_a_few_bytes_wrong() {
        let right = world::schema_with_book().to_bytes();
        let mut dice = StdRng::seed_from_u64(9);
        for _ in 0..2_000 {
            let mut bytes = right.clone();
            for _ in 0..dice.random_range(0..3) {
                let at = dice.random_range(0..bytes.len());
                bytes[at] ^= 1 << dice.random_range(0..8);
            }
            schemas(&bytes);
        }
    }

    #[test]
    fn of_deltas_with_a_few_bytes_wrong() {
        mutated(fast_deltas, Profile::Fast, 3_000);
        mutated(dense_deltas, Profile::Dense, 3_000);
    }

    #[test]
    fn both_codecs_and_the_reference_agree() {
        run(codecs, 150, 4_096);
    }
}
