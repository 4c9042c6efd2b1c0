//! Streams that no encoder writes, bit by bit: each is refused for what is wrong with it.

use std::sync::Arc;

use tickwire_proto::Tick;

use super::residual::K_BITS;
use super::{Basis, DecodeError, decode};
use crate::area::{Area, AreaId, NetId};
use crate::bits::BitWriter;
use crate::edit::AreaEdit;
use crate::quant::Quant;
use crate::schema::{FieldSchema, RecordSchema, Schema};

fn schema() -> Arc<Schema> {
    let mut schema = Schema::new("streams", 33_333);
    let x = FieldSchema::new(
        "x",
        Quant::Range {
            min: 0.0,
            max: 4.0,
            step: 1.0,
        },
    );
    schema.components = vec![RecordSchema::new("Dot", vec![x])];
    schema.events = ["A", "B", "C"]
        .map(|name| RecordSchema::new(name, vec![]))
        .to_vec();
    schema.seal().expect("a good schema");
    Arc::new(schema)
}

/// One entity, in slot 5, of generation 9, of tick 10.
fn basis(schema: &Arc<Schema>) -> Basis {
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, schema)),
        Tick(10),
        schema,
    );
    edit.spawn(NetId {
        slot: 5,
        generation: 9,
    });
    edit.set(0, 5, |row| row.field(0).ints[0] = 3);
    Basis::of(&edit.finish().expect("changed"))
}

fn wrong(write: impl FnOnce(&mut BitWriter)) -> DecodeError {
    let schema = schema();
    let mut out = BitWriter::default();
    out.flag(true);
    write(&mut out);
    let bytes = out.finish().to_vec();
    decode(&schema, &basis(&schema), AreaId::ALL, Tick(20), &bytes).expect_err("a wrong stream")
}

/// A header without surprises.
fn header(out: &mut BitWriter) {
    out.golomb(0, 0);
    out.flag(true);
    out.flag(false);
}

/// A set with one member, by its place in the domain.
fn only(out: &mut BitWriter, place: u32) {
    out.golomb(0, 0);
    out.golomb(1, 3);
    out.bits(0, K_BITS);
    out.golomb(place, 0);
}

fn none(out: &mut BitWriter) {
    out.golomb(0, 0);
    out.golomb(0, 3);
}

#[test]
fn ticks_that_cannot_be() {
    assert_eq!(
        wrong(|out| out.golomb(21, 0)),
        DecodeError::Wrong("a change before the first tick")
    );
    for held in [10, 11, 21] {
        let error = wrong(|out| {
            out.golomb(0, 0);
            out.flag(true);
            out.flag(true);
            out.golomb(held, 1);
        });
        assert_eq!(error, DecodeError::Wrong("the basis ended before it began"));
    }
}

#[test]
fn entities_that_cannot_be() {
    let entities = |pages: u32, rest: fn(&mut BitWriter)| {
        wrong(|out| {
            header(out);
            out.flag(true);
            out.golomb(pages, 3);
            rest(out);
        })
    };
    assert_eq!(
        entities(1025, none),
        DecodeError::Wrong("more slots than there can be")
    );
    let announced = entities(2, |out| {
        none(out);
        none(out);
        out.bits(0, K_BITS);
    });
    assert_eq!(
        announced,
        DecodeError::Wrong("the last slots are not as announced")
    );
    let nobody = entities(1, |out| only(out, 1));
    assert_eq!(nobody, DecodeError::Wrong("a row that is not there"));
    let generation = |out: &mut BitWriter, code: u32| {
        only(out, 0); // slot 5 goes
        only(out, 4); // slot 5 comes: slots 1 to 4 stand before it
        out.bits(15, K_BITS);
        out.golomb(code, 15);
    };
    let wrapped = wrong(|out| {
        header(out);
        out.flag(true);
        out.golomb(1, 3);
        generation(out, 65_535);
    });
    assert_eq!(
        wrapped,
        DecodeError::Wrong("an entity that replaces itself")
    );
    let huge = wrong(|out| {
        header(out);
        out.flag(true);
        out.golomb(1, 3);
        generation(out, 65_536);
    });
    assert_eq!(huge, DecodeError::Wrong("a generation that cannot be"));
    let pages = entities(1, |out| out.golomb(2, 0));
    assert_eq!(pages, DecodeError::Wrong("more pages than there are"));
    let page = entities(1, |out| {
        out.golomb(1, 0);
        out.golomb(1, 1);
    });
    assert_eq!(page, DecodeError::Wrong("a page that is not there"));
}

#[test]
fn values_that_cannot_be() {
    let deviate = |write: fn(&mut BitWriter)| {
        wrong(|out| {
            header(out);
            out.flag(false);
            out.flag(true); // the table
            out.flag(false); // nobody's row goes
            out.flag(true);
            only(out, 0);
            out.flag(false);
            write(out);
        })
    };
    let beyond = deviate(|out| {
        out.bits(2, 2);
        out.bits(0, K_BITS);
        out.golomb(4, 0); // 3 and 2 are more than 4
    });
    assert_eq!(beyond, DecodeError::Range);
    let below = deviate(|out| {
        out.bits(2, 2);
        out.bits(0, K_BITS);
        out.golomb(7, 0); // 3 less 4
    });
    assert_eq!(below, DecodeError::Range);
    let cells = deviate(|out| out.bits(3, 2));
    assert_eq!(cells, DecodeError::Wrong("cells where there is no track"));
}

#[test]
fn events_that_cannot_be() {
    let event = |kind: u32, age: u32, lifetime: u32| {
        wrong(|out| {
            header(out);
            out.flag(false);
            out.flag(false);
            out.golomb(1, 0);
            out.bits(kind, 2);
            out.golomb(age, 0);
            out.golomb(lifetime, 4);
        })
    };
    assert_eq!(
        event(3, 0, 9),
        DecodeError::Wrong("an event that is not in the schema")
    );
    assert_eq!(event(0, 10, 9), DecodeError::Wrong("an event of the past"));
    assert_eq!(event(0, 21, 9), DecodeError::Wrong("an event of the past"));
    assert_eq!(event(0, 0, 65_536), DecodeError::Range);
    let flood = wrong(|out| {
        header(out);
        out.flag(false);
        out.flag(false);
        out.golomb(1025, 0);
    });
    assert_eq!(flood, DecodeError::Wrong("too many events"));
}

#[test]
fn bytes_after_the_end() {
    let long = wrong(|out| {
        header(out);
        out.flag(false);
        out.flag(false);
        out.golomb(0, 0);
        out.bits(1, 1);
    });
    assert_eq!(long, DecodeError::Long);
}
