//! The laws of codebooks: any bytes are an error or a book that both sides read alike, and a book outlives a change of the game as far as it can.

use std::sync::Arc;

use proptest::prelude::*;
use tickwire_snapshot::{
    AreaId, Basis, Codebook, CodebookError, Encoder, FieldSchema, Profile, Quant, Schema,
    SchemaError, Trainer, decode,
};

use crate::world::{schema_of, schema_with_book, steps, versions};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]

    #[test]
    fn a_damaged_book_is_an_error_or_a_book_like_any_other(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<Option<prop::sample::Index>>(),
        steps in steps(1..4),
    ) {
        let mut bytes = schema_with_book().codebook.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let Ok(book) = Codebook::from_bytes(&bytes) else { return Ok(()) };
        let mut schema = Schema::clone(&schema_of(Profile::Dense));
        schema.codebook = book;
        match schema.seal() {
            Ok(()) => {}
            Err(SchemaError::Codebook(CodebookError::Section(_))) => return Ok(()),
            Err(other) => panic!("{other}"),
        }
        // As a peer reads it.
        let theirs = Arc::new(Schema::from_bytes(&schema.to_bytes()).expect("our own schema"));
        let schema = Arc::new(schema);
        let (mut ours, mut held) = (Basis::nothing(), Basis::nothing());
        for area in versions(&schema, &steps) {
            let (delta, sent) = Encoder::new(&schema).encode(&ours, &area, area.tick());
            let got = decode(&theirs, &held, AreaId::ALL, area.tick(), &delta).expect("our own delta");
            prop_assert!(got.basis.area.as_ref().is_some_and(|held| held.same(&area)));
            (ours, held) = (sent, got.basis);
        }
    }

    #[test]
    fn bytes_of_chance_are_an_error_or_a_book(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let bytes = [&[1], &bytes[..]].concat();
        if let Ok(book) = Codebook::from_bytes(&bytes) {
            prop_assert_eq!(book.as_bytes(), &bytes[..]);
            let mut schema = Schema::clone(&schema_of(Profile::Dense));
            schema.codebook = book;
            // A section of chance is for no table.
            prop_assert!(schema.seal().is_err() || schema.codebook.as_bytes().len() == 1);
        }
    }
}

#[test]
fn what_a_change_of_the_game_leaves_of_a_book_is_told() {
    let booked = schema_with_book();
    let mut changed = Schema::clone(&schema_of(Profile::Dense));
    let odds = changed.component("Odds").expect("Odds");
    let field = FieldSchema::new(
        "more",
        Quant::Bits {
            bits: 3,
            signed: false,
        },
    );
    changed.components[odds].fields.push(field);
    changed.seal().expect("a good schema");
    let (fitted, without) = booked.codebook.fitted(&changed);
    assert_eq!(without, ["Odds"]);
    assert!(fitted.as_bytes().len() < booked.codebook.as_bytes().len());
    changed.codebook = booked.codebook.clone();
    let wrong = changed.seal();
    assert!(
        matches!(wrong, Err(SchemaError::Codebook(CodebookError::Section(_)))),
        "{wrong:?}"
    );
    changed.codebook = fitted.clone();
    changed.seal().expect("what fits, fits");
    assert_eq!(booked.codebook.fitted(&booked).0, booked.codebook);
}

#[test]
fn a_book_changes_the_hash_of_a_schema_and_nothing_of_what_it_says() {
    let (plain, booked) = (schema_of(Profile::Dense), schema_with_book());
    assert_ne!(plain.hash(), booked.hash());
    let back = Schema::from_bytes(&booked.to_bytes()).expect("our own bytes");
    assert_eq!((&back, back.hash()), (&*booked, booked.hash()));
}

#[test]
fn nothing_seen_is_nothing_told() {
    let schema = schema_of(Profile::Dense);
    assert!(Trainer::new(&schema).finish().is_empty());
}

#[test]
fn a_book_saves_on_what_it_was_not_trained_on() {
    // The world of the laws is chance itself: what little can be learned of it is how often things happen.
    let schemas = [schema_of(Profile::Dense), schema_with_book()];
    let bytes = schemas.map(|schema| {
        let mut chance = proptest::test_runner::TestRunner::new_with_rng(
            ProptestConfig::default(),
            proptest::test_runner::TestRng::from_seed(
                proptest::test_runner::RngAlgorithm::ChaCha,
                &[9; 32],
            ),
        );
        let mut all = 0;
        for _ in 0..16 {
            let steps = proptest::strategy::Strategy::new_tree(&steps(4..24), &mut chance);
            let steps = proptest::strategy::ValueTree::current(&steps.expect("steps"));
            let mut basis = Basis::nothing();
            for area in versions(&schema, &steps) {
                let (delta, next) = Encoder::new(&schema).encode(&basis, &area, area.tick());
                (basis, all) = (next, all + delta.len());
            }
        }
        all
    });
    assert!(bytes[1] < bytes[0], "{bytes:?}");
}
