//! What the derives generate, where it runs: schemas as declared, rows that lose only what their quantisers lose, exact forms that lose nothing.

use std::collections::BTreeMap;

use bevy_ecs::component::StorageType;
use bevy_ecs::entity::EntityHashMap;
use bevy_ecs::prelude::*;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_derive::Shaped;
use tickwire_sim::prelude::*;
use tickwire_snapshot::record::{NoRefs, ReadFault, Record, Refs};
use tickwire_snapshot::schema::{Lerp, RecordSchema, Scope};
use tickwire_snapshot::values::{decode_record, encode_record};
use tickwire_snapshot::{NetId, OwnedRow, Quant};

/// As in the first hour.
#[derive(Replicate, Default)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
    #[net(range = 0.0..=600.0, step = 0.1)]
    y: f32,
    hue: u8,
}

#[derive(PlayerCommand, Clone, Copy, Debug, Default, PartialEq)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
}

/// An enum that could be a message's too: its own codec wins.
#[derive(NetEnum, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
enum Weapon {
    #[default]
    Bolt,
    Rail,
    r#Mine,
}

#[derive(Serialize, Deserialize, Shaped, Clone, Debug, Default, PartialEq)]
struct Bag {
    slots: Vec<u16>,
    names: BTreeMap<u8, String>,
}

type Metres = f32;
type Whom = Option<Entity>;
const WIDE: f32 = 64.0;

#[derive(Replicate, Clone, Debug, PartialEq)]
struct Everything {
    flag: bool,
    byte: u8,
    short: i16,
    word: u32,
    #[net(varint)]
    any: u32,
    #[net(varint)]
    other: i32,
    #[net(bits = 5)]
    few: u16,
    long: u64,
    #[net(range = -900..=900)]
    ranged: i64,
    #[net(range = -WIDE..=WIDE, step = 1.0 / 8.0)]
    place: Metres,
    #[net(range = -1e3..=1e3, step = 0.001)]
    fine: f64,
    #[net(angle, bits = 10)]
    turn: f32,
    exact: f32,
    three: [f32; 3],
    #[net(range = -1.0..=1.0, step = 0.25)]
    pair: [f32; 2],
    #[net(unit)]
    facing: [f32; 2],
    #[net(unit, bits = 10)]
    normal: [f32; 3],
    #[net(quat)]
    pose: [f32; 4],
    weapon: Weapon,
    #[net(max = 8)]
    name: String,
    target: Option<Entity>,
    #[net(entity)]
    friend: Whom,
    maybe: Option<u8>,
    #[net(max = 200)]
    bag: Bag,
    r#type: u8,
    #[net(scope = server)]
    secret: f64,
    #[net(scope = owner, lerp = step)]
    ammo: u16,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Pair(#[net(range = 0..=9)] u8, #[net(scope = server)] u8, Weapon);

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Marker;

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
#[net(resource, name = "game::Score")]
struct Score {
    best: u16,
    leader: Option<Entity>,
}

/// Entity `n` of the world is slot `n`.
struct Straight;

impl Refs for Straight {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let slot = Entity::try_from_bits(entity_bits)?.index_u32();
        (slot < 1000).then_some(NetId {
            slot,
            generation: 3,
        })
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        (id.generation == 3).then(|| entity(id.slot).to_bits())
    }
}

fn entity(index: u32) -> Entity {
    Entity::from_raw_u32(index).expect("an index below the greatest")
}

fn sealed<R: Record>() -> RecordSchema {
    let mut record = R::schema().visible();
    record.seal(33_333).expect("the declaration is good");
    record
}

fn row_of<R: Record>(record: &RecordSchema, value: &R) -> OwnedRow {
    let mut row = OwnedRow::new(record);
    value.write(&mut row.row_mut(record), &Straight);
    row
}

fn quant_of(record: &RecordSchema, field: &str) -> Quant {
    record.fields[record.field(field).expect("there is such a field")]
        .quant
        .clone()
}

fn anything() -> impl Strategy<Value = Everything> {
    let ints = (
        any::<(bool, u8, i16, u32)>(),
        any::<(u32, i32, u16, u64)>(),
        any::<(i64, u8, u16)>(),
    );
    let floats = (
        any::<(f32, f64, f32)>(),
        any::<u32>(),
        any::<[f32; 3]>(),
        any::<[f32; 2]>(),
        any::<f64>(),
    );
    let vectors = (any::<[f32; 2]>(), any::<[f32; 3]>(), any::<[f32; 4]>());
    let weapon = prop::sample::select(vec![Weapon::Bolt, Weapon::Rail, Weapon::Mine]);
    let bag = (
        prop::collection::vec(any::<u16>(), 0..9),
        prop::collection::btree_map(any::<u8>(), ".{0,3}", 0..4),
    );
    let bag = bag.prop_map(|(slots, names)| Bag { slots, names });
    let whom = || prop::option::of((0_u32..1100).prop_map(entity));
    let rest = (weapon, ".{0,12}", whom(), whom(), any::<Option<u8>>(), bag);
    (ints, floats, vectors, rest).prop_map(|(ints, floats, vectors, rest)| {
        let ((flag, byte, short, word), (any, other, few, long), (ranged, r#type, ammo)) = ints;
        let ((place, fine, turn), bits, three, pair, secret) = floats;
        let (facing, normal, pose) = vectors;
        let (weapon, name, target, friend, maybe, bag) = rest;
        let exact = f32::from_bits(bits);
        Everything {
            flag,
            byte,
            short,
            word,
            any,
            other,
            few,
            long,
            ranged,
            place,
            fine,
            turn,
            exact,
            three,
            pair,
            facing,
            normal,
            pose,
            weapon,
            name,
            target,
            friend,
            maybe,
            bag,
            r#type,
            secret,
            ammo,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Quantising what was quantised changes nothing, and what has natural width is kept.
    #[test]
    fn rows_lose_only_what_quantisers_lose(value in anything()) {
        let record = sealed::<Everything>();
        let row = row_of(&record, &value);
        let read = Everything::read(&row.row(&record), &Straight).unwrap();
        prop_assert_eq!(row_of(&record, &read), row);
        prop_assert_eq!((read.flag, read.byte, read.short, read.word), (value.flag, value.byte, value.short, value.word));
        prop_assert_eq!((read.any, read.other, read.long, read.r#type), (value.any, value.other, value.long, value.r#type));
        prop_assert_eq!((read.weapon, &read.maybe, &read.bag), (value.weapon, &value.maybe, &value.bag));
        prop_assert_eq!((read.few, read.ranged), (value.few.min(31), value.ranged.clamp(-900, 900)));
        if value.exact.is_finite() {
            prop_assert_eq!(read.exact.to_bits(), value.exact.to_bits());
        }
        prop_assert!((read.place - value.place.clamp(-WIDE, WIDE)).abs() <= 1.0 / 16.0);
        prop_assert!((read.fine - value.fine.clamp(-1e3, 1e3)).abs() <= 0.000_501);
        prop_assert!(value.name.starts_with(&read.name) && read.name.len() <= 8);
        let seen = |whom: Option<Entity>| whom.filter(|entity| entity.index_u32() < 1000);
        prop_assert_eq!((read.target, read.friend), (seen(value.target), seen(value.friend)));
        prop_assert_eq!((read.secret, read.ammo), (0.0, 0));
    }

    #[test]
    fn exact_forms_lose_nothing(value in anything()) {
        let mut bytes = Vec::new();
        value.write_exact(&mut bytes, &Straight);
        bytes.push(77);
        let mut input = bytes.as_slice();
        let read = Everything::read_exact(&mut input, &Straight).unwrap();
        prop_assert_eq!(input, &[77]);
        let mut again = Vec::new();
        read.write_exact(&mut again, &Straight);
        prop_assert_eq!(&again, &bytes[..bytes.len() - 1]);
        prop_assert_eq!((read.exact.to_bits(), read.secret.to_bits(), read.ammo), (value.exact.to_bits(), value.secret.to_bits(), value.ammo));
        prop_assert_eq!(&read.name, &value.name);
    }

    #[test]
    fn cut_and_broken_exact_forms_are_errors(value in anything(), noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = Vec::new();
        value.write_exact(&mut bytes, &Straight);
        for end in 0..bytes.len() {
            prop_assert!(Everything::read_exact(&mut &bytes[..end], &Straight).is_err());
        }
        let _ = Everything::read_exact(&mut noise.as_slice(), &Straight);
    }

    #[test]
    fn any_columns_are_read_or_refused(ints in prop::collection::vec(prop_oneof![-2_i32..40, any::<i32>()], 64), blob in any::<Vec<u8>>()) {
        let record = sealed::<Everything>();
        let mut row = OwnedRow::new(&record);
        let columns = row.ints.len();
        row.ints.copy_from_slice(&ints[..columns]);
        row.blobs.fill(blob);
        let _ = Everything::read(&row.row(&record), &Straight);
    }

    #[test]
    fn commands_out_of_range_are_refused(x in any::<i8>(), y in any::<i8>(), noise in prop::collection::vec(any::<u8>(), 0..6)) {
        let record = sealed::<Steer>();
        let row = row_of(&record, &Steer { x, y });
        let bytes = encode_record(&record, &row.ints, &row.blobs);
        let read = Steer::read(&decode_record(&record, &bytes).unwrap().row(&record), &NoRefs).unwrap();
        prop_assert_eq!(read, Steer { x: x.clamp(-1, 1), y: y.clamp(-1, 1) });
        if let Ok(row) = decode_record(&record, &noise) {
            let steer = Steer::read(&row.row(&record), &NoRefs).unwrap();
            prop_assert!((-1..=1).contains(&steer.x) && (-1..=1).contains(&steer.y));
        }
    }
}

#[test]
fn schemas_are_as_declared() {
    let record = sealed::<Dot>();
    assert_eq!(record.name, "Dot");
    let names: Vec<&str> = record
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["hue", "x", "y"]);
    assert_eq!(
        quant_of(&record, "x"),
        Quant::Range {
            min: 0.0,
            max: 800.0,
            step: 0.1
        }
    );
    assert_eq!(
        quant_of(&record, "hue"),
        Quant::Bits {
            bits: 8,
            signed: false
        }
    );
    assert_eq!(
        quant_of(&sealed::<Steer>(), "y"),
        Quant::Range {
            min: -1.0,
            max: 1.0,
            step: 1.0
        }
    );

    let record = Everything::schema();
    let field = |name: &str| &record.fields[record.field(name).unwrap()];
    assert!(record.fields.is_sorted_by_key(|field| field.name.as_str()));
    assert_eq!(
        field("place").quant,
        Quant::Range {
            min: -64.0,
            max: 64.0,
            step: 0.125
        }
    );
    assert_eq!(field("turn").quant, Quant::Angle { bits: 10 });
    assert_eq!(
        (field("three").quant.clone(), field("three").len),
        (Quant::F32, 3)
    );
    assert_eq!(
        (
            field("pair").len,
            field("facing").len,
            field("normal").len,
            field("pose").len
        ),
        (2, 1, 1, 1)
    );
    assert_eq!(
        field("weapon").quant,
        Quant::Enum {
            variants: ["Bolt", "Rail", "Mine"].map(String::from).to_vec()
        }
    );
    assert_eq!(
        (field("target").quant.clone(), field("friend").quant.clone()),
        (Quant::Entity, Quant::Entity)
    );
    assert_eq!(field("name").quant, Quant::Text { max: 8 });
    assert!(matches!(field("maybe").quant, Quant::Blob { max: 2, .. }));
    assert!(matches!(field("bag").quant, Quant::Blob { max: 200, .. }));
    assert_eq!(
        (
            field("secret").scope,
            field("ammo").scope,
            field("ammo").lerp
        ),
        (Scope::Server, Scope::Owner, Lerp::Step)
    );
    assert_eq!(
        field("type").quant,
        Quant::Bits {
            bits: 8,
            signed: false
        }
    );
    assert_eq!(Score::schema().name, "game::Score");
    assert_eq!(Marker::schema().fields, []);
}

#[test]
fn tuples_keep_their_places() {
    let record = sealed::<Pair>();
    let row = row_of(&record, &Pair(7, 8, Weapon::Rail));
    assert_eq!(row.ints, [7, 1]);
    assert_eq!(
        Pair::read(&row.row(&record), &NoRefs).unwrap(),
        Pair(7, 0, Weapon::Rail)
    );
    assert_eq!(row_of(&sealed::<Marker>(), &Marker), OwnedRow::default());
}

#[test]
fn errors_name_the_field() {
    let record = sealed::<Pair>();
    let row = OwnedRow {
        ints: vec![7, 3],
        blobs: vec![],
    };
    let error = Pair::read(&row.row(&record), &NoRefs).unwrap_err();
    assert_eq!((error.field, &error.fault), ("Pair.2", &ReadFault::Range));
    assert_eq!(error.to_string(), "Pair.2: the value is out of range");
}

#[test]
fn components_are_what_a_cheap_capture_needs() {
    assert_eq!(Dot::STORAGE_TYPE, StorageType::Table);
    const { assert!(Dot::HAS_SUMMARY_TICK) };
    let mut world = World::new();
    let one = world
        .spawn((
            Pair(1, 2, Weapon::Mine),
            Dot {
                x: 1.0,
                y: 2.0,
                hue: 3,
            },
        ))
        .id();
    let two = world.spawn_empty().id();
    world.entity_mut(one).clone_with_opt_out(two, |_| {});
    // What is Clone is cloned, what is not is left out.
    assert_eq!(world.get::<Pair>(two), Some(&Pair(1, 2, Weapon::Mine)));
    assert!(world.get::<Dot>(two).is_none());
}

#[test]
fn resources_are_resources() {
    let mut world = World::new();
    world.insert_resource(Score {
        best: 3,
        leader: None,
    });
    world.resource_mut::<Score>().best += 1;
    assert_eq!(
        world.remove_resource::<Score>(),
        Some(Score {
            best: 4,
            leader: None
        })
    );
}

#[test]
fn references_follow_their_entities() {
    let (from, to) = (entity(4), entity(9));
    let mut score = Score {
        best: 0,
        leader: Some(from),
    };
    let mut map: EntityHashMap<Entity> = [(from, to)].into_iter().collect();
    Score::map_entities(&mut score, &mut map);
    assert_eq!(score.leader, Some(to));
}

#[derive(Replicate, Default)]
struct Crammed {
    #[net(max = 4)]
    list: Vec<u32>,
}

#[test]
#[should_panic(expected = "takes 7 bytes; its field holds 4")]
fn a_blob_beyond_its_bound_is_told() {
    row_of(
        &sealed::<Crammed>(),
        &Crammed {
            list: vec![1, 2, 3, 4, 5, 6],
        },
    );
}

type Tiny = u8;

#[derive(Replicate, Default)]
struct Mistaken {
    #[net(range = -5..=5)]
    level: Tiny,
}

#[test]
#[should_panic(
    expected = "Mistaken.level: a `u8` cannot be quantised as Range { min: -5.0, max: 5.0, step: 1.0 }"
)]
fn what_the_derive_cannot_see_is_told_at_registration() {
    let _ = Mistaken::schema();
    let _ = Mistaken { level: 1 }.level;
}

const FAR: f32 = 48.0;

/// Bends, teleports, and has an array that does both.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
struct Bird {
    #[net(range = 0.0..=800.0, step = 0.1, velocity = "vx", lerp = hermite, teleport = FAR)]
    x: f32,
    #[net(range = -80.0..=80.0, step = 0.1)]
    vx: f32,
    #[net(range = 0.0..=800.0, step = 0.1, velocity = "speeds", lerp = hermite)]
    places: [f32; 2],
    #[net(range = -80.0..=80.0, step = 0.1)]
    speeds: [f32; 2],
    #[net(teleport = 9)]
    loose: f32,
    began: u32,
}

#[test]
fn curves_and_teleports_are_in_the_schema() {
    let record = sealed::<Bird>();
    let drawn = |name: &str| {
        let field = &record.fields[record.field(name).unwrap()];
        (field.lerp, field.teleport)
    };
    assert_eq!(drawn("x"), (Lerp::Hermite, Some(48.0)));
    assert_eq!(drawn("places"), (Lerp::Hermite, None));
    assert_eq!(drawn("loose"), (Lerp::Linear, Some(9.0)));
    assert_eq!(drawn("vx"), (Lerp::Linear, None));
    assert_eq!(drawn("began"), (Lerp::Step, None));
}
