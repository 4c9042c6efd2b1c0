//! Laws of shapes: what the check accepts serde decodes, byte for byte; what serde writes the check accepts; JSON loses nothing; hostile bytes and shapes break nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tickwire_derive::{NetEnum, NetMessage, Shaped};
use tickwire_snapshot::message::{MESSAGE_DECODED_MAX, decode, encode, encode_checked};
use tickwire_snapshot::shape::{SHAPE_DEPTH_MAX, Shape, ShapeError, Shaped};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, NetEnum)]
enum Weapon {
    Bolt,
    Rail,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Shaped)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Shaped)]
struct Wrapped(u16);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Shaped)]
enum Deed {
    Nothing,
    Wait(u32),
    Shoot(Weapon, f32),
    Say {
        #[net(max = 40)]
        text: String,
        to: Option<u8>,
    },
}

/// Something of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, NetMessage)]
struct Everything {
    flag: bool,
    bytes: (u8, i8),
    shorts: (u16, i16),
    words: (u32, i32),
    longs: (u64, i64),
    floats: (f32, f64),
    letter: char,
    text: String,
    raw: Vec<u8>,
    deeds: Vec<Deed>,
    boxed: Box<Wrapped>,
    array: [i16; 3],
    names: BTreeMap<String, Vec<u32>>,
    numbers: BTreeMap<u32, bool>,
    #[allow(clippy::option_option)]
    twice: Option<Option<f32>>,
    units: Vec<Unit>,
    nothing: (),
}

fn deed() -> impl Strategy<Value = Deed> {
    let weapon = prop_oneof![Just(Weapon::Bolt), Just(Weapon::Rail)];
    prop_oneof![
        Just(Deed::Nothing),
        any::<u32>().prop_map(Deed::Wait),
        (weapon, finite32()).prop_map(|(weapon, power)| Deed::Shoot(weapon, power)),
        ("[a-zé€]{0,12}", any::<Option<u8>>()).prop_map(|(text, to)| Deed::Say { text, to }),
    ]
}

fn finite32() -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_filter("finite", |f| f.is_finite())
}

fn finite64() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |f| f.is_finite())
}

fn everything() -> impl Strategy<Value = Everything> {
    let plain = (
        any::<bool>(),
        any::<(u8, i8)>(),
        any::<(u16, i16)>(),
        any::<(u32, i32)>(),
        any::<(u64, i64)>(),
    );
    let texts = (
        any::<char>(),
        ".{0,40}",
        any::<Vec<u8>>(),
        (finite32(), finite64()),
    );
    let lists = (
        prop::collection::vec(deed(), 0..6),
        any::<u16>(),
        any::<[i16; 3]>(),
        0_usize..4,
    );
    let maps = (
        prop::collection::btree_map(".{0,5}", prop::collection::vec(any::<u32>(), 0..4), 0..5),
        prop::collection::btree_map(any::<u32>(), any::<bool>(), 0..20),
        prop::option::of(prop::option::of(finite32())),
    );
    (plain, texts, lists, maps).prop_map(
        |(
            (flag, bytes, shorts, words, longs),
            (letter, text, raw, floats),
            (deeds, boxed, array, units),
            (names, numbers, twice),
        )| Everything {
            flag,
            bytes,
            shorts,
            words,
            longs,
            floats,
            letter,
            text,
            raw,
            deeds,
            boxed: Box::new(Wrapped(boxed)),
            array,
            names,
            numbers,
            twice,
            units: vec![Unit; units],
            nothing: (),
        },
    )
}

/// What the check accepts, serde decodes, and it was the only form of that value.
fn accepted_is_canonical<T: Serialize + DeserializeOwned + Shaped>(bytes: &[u8]) {
    if T::shape().check(bytes, MESSAGE_DECODED_MAX).is_ok() {
        let (value, rest) =
            postcard::take_from_bytes::<T>(bytes).expect("what was accepted decodes");
        assert!(rest.is_empty());
        assert_eq!(postcard::to_allocvec(&value).unwrap(), bytes);
    }
}

/// Any shape, not too deep, with small bounds.
fn any_shape() -> impl Strategy<Value = Shape> {
    let plain = vec![
        Shape::Bool,
        Shape::U8,
        Shape::U16,
        Shape::U32,
        Shape::U64,
        Shape::I8,
        Shape::I16,
        Shape::I32,
        Shape::I64,
        Shape::F32,
        Shape::F64,
        Shape::Char,
        Shape::Unit,
        Shape::Str { max: 9 },
        Shape::Bytes { max: 9 },
    ];
    let named = |inner: BoxedStrategy<Shape>| prop::collection::vec(("[a-z]{1,3}", inner), 0..4);
    prop::sample::select(plain).prop_recursive(4, 24, 4, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Shape::Option),
            boxed.clone().prop_map(Shape::Boxed),
            (boxed.clone(), 0_u32..9).prop_map(|(item, max)| Shape::Seq { item, max }),
            (boxed.clone(), 0_u32..4).prop_map(|(item, len)| Shape::Array { item, len }),
            (boxed.clone(), boxed, 0_u32..5).prop_map(|(key, value, max)| Shape::Map {
                key,
                value,
                max
            }),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Shape::Tuple),
            ("[A-Z]{0,3}", named(inner.clone().boxed()))
                .prop_map(|(name, fields)| Shape::Struct { name, fields }),
            ("[A-Z]{0,3}", named(inner.boxed()))
                .prop_map(|(name, variants)| Shape::Enum { name, variants }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_serde_writes_is_accepted(value in everything()) {
        let bytes = encode_checked(&value).unwrap();
        prop_assert_eq!(decode::<Everything>(&bytes).unwrap(), value);
    }

    #[test]
    fn json_keeps_every_bit(value in everything()) {
        let (shape, bytes) = (Everything::shape(), encode(&value));
        let json = shape.to_value(&bytes).unwrap();
        // Through text, as it travels to a browser and back.
        let json = serde_json::from_str(&json.to_string()).unwrap();
        prop_assert_eq!(shape.from_value(&json).unwrap(), bytes.to_vec());
    }

    #[test]
    fn cut_or_lengthened_bytes_are_refused(value in everything(), extra in any::<u8>()) {
        let (shape, mut bytes) = (Everything::shape(), encode(&value).to_vec());
        for end in 0..bytes.len() {
            prop_assert!(shape.check(&bytes[..end], MESSAGE_DECODED_MAX).is_err());
        }
        bytes.push(extra);
        let trailing = matches!(shape.check(&bytes, MESSAGE_DECODED_MAX), Err(ShapeError::Trailing { left: 1, .. }));
        prop_assert!(trailing);
    }

    #[test]
    fn flipped_bytes_decode_or_are_refused(value in everything(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode(&value).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(value) = decode::<Everything>(&bytes) {
            prop_assert!(encode(&value).len() <= bytes.len());
        }
    }

    #[test]
    fn accepted_bytes_are_canonical(bytes in prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..24)) {
        accepted_is_canonical::<(u64, i64)>(&bytes);
        accepted_is_canonical::<(u16, i32, i8)>(&bytes);
        accepted_is_canonical::<Vec<Deed>>(&bytes);
        accepted_is_canonical::<Vec<Vec<u8>>>(&bytes);
        accepted_is_canonical::<(String, char, Option<bool>)>(&bytes);
        accepted_is_canonical::<Vec<Option<Box<Wrapped>>>>(&bytes);
    }

    #[test]
    fn any_shape_takes_any_bytes(shape in any_shape(), bytes in prop::collection::vec(prop_oneof![0_u8..3, any::<u8>()], 0..24)) {
        if shape.check_finite(&bytes, MESSAGE_DECODED_MAX).is_ok() {
            prop_assert!(bytes.len() <= shape.size_max());
            let json = shape.to_value(&bytes).unwrap();
            if let Ok(again) = shape.from_value(&json) {
                // A map's keys may come twice or in another order, and a struct's names too: then JSON keeps one.
                prop_assert!(shape.check(&again, MESSAGE_DECODED_MAX).is_ok());
            }
        } else if shape.check(&bytes, MESSAGE_DECODED_MAX).is_err() {
            prop_assert!(shape.to_value(&bytes).is_err());
        }
    }

    #[test]
    fn shapes_travel(shape in any_shape()) {
        let bytes = postcard::to_allocvec(&shape).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Shape>(&bytes).unwrap(), shape);
    }

    #[test]
    fn bytes_of_shapes_are_read_or_refused(mut bytes in prop::collection::vec(prop_oneof![0_u8..24, any::<u8>()], 0..200)) {
        let _ = postcard::from_bytes::<Shape>(&bytes);
        bytes.insert(0, bytes.len() as u8);
        let _ = postcard::from_bytes::<Shape>(&bytes);
    }

    #[test]
    fn any_json_is_written_or_refused(shape in any_shape(), text in "[\\[\\]{}:,\"a0-9.-]{0,12}") {
        if let Ok(value) = serde_json::from_str(&text) {
            let _ = shape.from_value(&value);
        }
    }
}

#[test]
fn shapes_are_as_declared() {
    let text = |name: &str, shape: Shape| (name.to_owned(), shape);
    assert_eq!(Wrapped::shape(), Shape::U16);
    assert_eq!(
        Unit::shape(),
        Shape::Struct {
            name: "Unit".to_owned(),
            fields: vec![]
        }
    );
    let say = Shape::Struct {
        name: "Say".to_owned(),
        fields: vec![
            text("text", Shape::Str { max: 40 }),
            text("to", Shape::Option(Box::new(Shape::U8))),
        ],
    };
    let weapon = Shape::Enum {
        name: "Weapon".to_owned(),
        variants: vec![text("Bolt", Shape::Unit), text("Rail", Shape::Unit)],
    };
    let variants = vec![
        text("Nothing", Shape::Unit),
        text("Wait", Shape::U32),
        text("Shoot", Shape::Tuple(vec![weapon, Shape::F32])),
        text("Say", say),
    ];
    assert_eq!(
        Deed::shape(),
        Shape::Enum {
            name: "Deed".to_owned(),
            variants
        }
    );
    assert_eq!(Vec::<u8>::shape(), Shape::Bytes { max: 4096 });
}

#[test]
fn json_is_what_people_would_write() {
    let shape = Vec::<Deed>::shape();
    let value = json!(["Nothing", { "Wait": 7 }, { "Shoot": ["Rail", 0.1] }, { "Say": { "text": "hi", "to": null } }]);
    let bytes = shape.from_value(&value).unwrap();
    assert_eq!(shape.to_value(&bytes).unwrap(), value);
    let left_out = json!([{ "Say": { "text": "hi" } }]);
    assert!(shape.from_value(&left_out).is_ok());
    let big = u64::shape()
        .from_value(&json!("18446744073709551615"))
        .unwrap();
    assert_eq!(
        u64::shape().to_value(&big).unwrap(),
        json!("18446744073709551615")
    );
    assert_eq!(
        u64::shape().from_value(&json!(9_007_199_254_740_991_u64)),
        u64::shape().from_value(&json!(9007199254740991.0))
    );
    let map = BTreeMap::<String, bool>::shape();
    assert_eq!(
        map.to_value(&map.from_value(&json!({ "a": true })).unwrap())
            .unwrap(),
        json!({ "a": true })
    );
}

#[test]
fn json_errors_say_where_and_what() {
    let shape = Vec::<Deed>::shape();
    let error = |value| shape.from_value(&value).unwrap_err().to_string();
    assert_eq!(error(json!(7)), "the value: a list is wanted, found 7");
    assert_eq!(
        error(json!(["Fly"])),
        "[0]: no variant \"Fly\": there is Nothing, Wait, Shoot, Say"
    );
    assert_eq!(
        error(json!(["Nothing", { "Shoot": ["Rail", "x"] }])),
        "[1].Shoot[1]: a number is wanted, found \"x\""
    );
    assert_eq!(
        error(json!([{ "Say": { "txt": "hi" } }])),
        "[0].Say: unknown field \"txt\": there is text, to"
    );
    assert_eq!(
        error(json!([{ "Say": { "text": "hi", "to": 256 } }])),
        "[0].Say.to: a whole number from 0 to 255 is wanted, found 256"
    );
    assert_eq!(
        error(json!([{ "Say": { "text": "x".repeat(41) } }])),
        "[0].Say.text: 41 bytes, at most 40 are allowed"
    );
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    let long = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert!(matches!(
        Vec::<u64>::shape().check(&long, usize::MAX),
        Err(ShapeError::TooLong { .. })
    ));
    assert!(matches!(
        BTreeMap::<u64, u64>::shape().check(&long, usize::MAX),
        Err(ShapeError::TooLong { .. })
    ));
    assert!(matches!(
        Vec::<()>::shape().check(&long, usize::MAX),
        Err(ShapeError::TooLong { .. })
    ));
    // Within its bound of elements, and yet beyond the budget.
    let wide = Vec::<[u64; 4]>::shape();
    let bytes = postcard::to_allocvec(&vec![[0_u64; 4]; 4000]).unwrap();
    assert!(matches!(
        wide.check(&bytes, MESSAGE_DECODED_MAX),
        Err(ShapeError::Budget { .. })
    ));
    assert_eq!(wide.check(&bytes, 4000 * 32), Ok(()));
    // Arrays of nothing in arrays of nothing: no bytes, no memory, and yet work without end.
    let mut nothing = Shape::Unit;
    for _ in 0..8 {
        nothing = Shape::Array {
            item: Box::new(nothing),
            len: u32::MAX,
        };
    }
    assert!(matches!(
        nothing.check(&[], MESSAGE_DECODED_MAX),
        Err(ShapeError::Budget { .. })
    ));
    assert!(matches!(
        nothing.to_value(&[]),
        Err(ShapeError::Budget { .. })
    ));
    let list = Shape::Seq {
        item: Box::new(nothing),
        max: u32::MAX,
    };
    assert!(matches!(
        list.check(&long, MESSAGE_DECODED_MAX),
        Err(ShapeError::Budget { .. })
    ));
}

#[test]
fn each_kind_of_wrong_byte_has_its_error() {
    let check = |shape: Shape, bytes: &[u8]| shape.check(bytes, 100).unwrap_err();
    assert_eq!(
        check(Shape::Bool, &[2]),
        ShapeError::Flag { at: 0, byte: 2 }
    );
    assert_eq!(
        check(Option::<u8>::shape(), &[9, 0]),
        ShapeError::Flag { at: 0, byte: 9 }
    );
    assert_eq!(
        check(Shape::U32, &[0x80, 0x00]),
        ShapeError::Varint { at: 0 }
    );
    assert_eq!(
        check(Shape::U16, &[0xff, 0xff, 0x04]),
        ShapeError::Varint { at: 0 }
    );
    assert_eq!(check(Shape::U64, &[0x80; 11]), ShapeError::Varint { at: 0 });
    assert_eq!(
        check(String::shape(), &[2, 0xff, 0xff]),
        ShapeError::Text { at: 0 }
    );
    assert_eq!(
        check(Shape::Char, &[2, b'a', b'b']),
        ShapeError::Text { at: 0 }
    );
    assert_eq!(check(Shape::Char, &[0]), ShapeError::Text { at: 0 });
    assert_eq!(
        check(Weapon::shape(), &[2]),
        ShapeError::Variant {
            at: 0,
            variant: 2,
            name: "Weapon".to_owned(),
            count: 2
        }
    );
    assert_eq!(Shape::F32.check(&f32::NAN.to_le_bytes(), 100), Ok(()));
    assert_eq!(
        Shape::F32.check_finite(&f32::NAN.to_le_bytes(), 100),
        Err(ShapeError::NotFinite { at: 0 })
    );
    let error = decode::<String>(&[9]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "message Text, byte 1: the value goes on, the bytes end"
    );
}

#[test]
fn too_deep_shapes_are_refused_on_both_sides() {
    let nested =
        |depth: usize| (1..depth).fold(Shape::Unit, |inner, _| Shape::Option(Box::new(inner)));
    let deepest = nested(SHAPE_DEPTH_MAX);
    assert_eq!(
        postcard::from_bytes::<Shape>(&postcard::to_allocvec(&deepest).unwrap()),
        Ok(deepest)
    );
    assert!(postcard::to_allocvec(&nested(SHAPE_DEPTH_MAX + 1)).is_err());
    // What a hostile server would send: 60,000 options in each other.
    let mut bytes = postcard::to_allocvec(&60_000_u32).unwrap();
    bytes.extend([15; 60_000]);
    assert!(postcard::from_bytes::<Shape>(&bytes).is_err());
}
