//! The laws of quantisers: what they made they make again, they err by half a step at most, and no number breaks them.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;
use tickwire_snapshot::{NetId, Quant, Value, ValueError};

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -1000.0..1000.0_f64,
        2 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, -1e300, 1e-320, f64::from(f32::MAX) * 2.0]),
    ]
}

fn numeric() -> impl Strategy<Value = Quant> {
    prop_oneof![
        (-500.0..500.0_f64, 0.01..900.0_f64, 0.001..3.0_f64).prop_filter_map(
            "steps",
            |(min, span, step)| {
                let quant = Quant::Range {
                    min,
                    max: min + span,
                    step,
                };
                quant.check().is_ok().then_some(quant)
            }
        ),
        (1..=24_u8).prop_map(|bits| Quant::Angle { bits }),
        (1..=32_u8, any::<bool>()).prop_map(|(bits, signed)| Quant::Bits { bits, signed }),
        Just(Quant::Bool),
        Just(Quant::Varint),
        Just(Quant::F32),
    ]
}

proptest! {
    #[test]
    fn a_number_becomes_a_valid_column_and_is_quantised_to_the_same_again(quant in numeric(), number in any_number()) {
        let (mut once, mut twice) = ([0], [0]);
        quant.put_number(number, &mut once);
        prop_assert!(quant.valid(0, once[0]));
        quant.put_number(quant.number(&once), &mut twice);
        prop_assert_eq!(once, twice, "{:?} {}", quant, number);
    }

    #[test]
    fn a_range_errs_by_half_a_step_at_most(min in -500.0..500.0_f64, span in 0.01..900.0_f64, step in 0.001..3.0_f64, part in 0.0..=1.0_f64) {
        let quant = Quant::Range { min, max: min + span, step };
        prop_assume!(quant.check().is_ok());
        let number = min + span * part;
        let mut column = [0];
        quant.put_number(number, &mut column);
        prop_assert!((quant.number(&column) - number).abs() <= step * 0.5000001);
        quant.put_number(f64::INFINITY, &mut column);
        prop_assert_eq!(column[0], quant.steps());
        quant.put_number(f64::NEG_INFINITY, &mut column);
        prop_assert_eq!(column[0], 0);
    }

    #[test]
    fn an_angle_errs_by_half_a_step_and_wraps(bits in 1..=24_u8, angle in -100.0..100.0_f64) {
        let quant = Quant::Angle { bits };
        let mut column = [0];
        quant.put_number(angle, &mut column);
        let error = (quant.number(&column) - angle).rem_euclid(TAU);
        prop_assert!(error.min(TAU - error) <= PI / f64::from(1_u32 << bits) + 1e-9);
        prop_assert!((-PI..=PI).contains(&quant.number(&column)));
    }

    #[test]
    fn directions_and_rotations_are_quantised_to_the_same_again(v in prop::array::uniform4(any_number()), bits in 2..=20_u8) {
        for quant in [Quant::Unit2 { bits }, Quant::Unit3 { bits }, Quant::quat_bits(bits)] {
            let (mut once, mut twice) = ([0; 4], [0; 4]);
            quant.put_vector(&v, &mut once);
            for column in 0..quant.columns() {
                prop_assert!(quant.valid(column, once[column]), "{:?} {:?}", quant, once);
            }
            let back = quant.vector(&once);
            let length = back.iter().map(|p| p * p).sum::<f64>().sqrt();
            prop_assert!((length - 1.0).abs() < 1e-9);
            quant.put_vector(&back, &mut twice);
            prop_assert_eq!(once, twice, "{:?} {:?}", quant, v);
        }
    }

    #[test]
    fn every_valid_column_stands_for_a_vector_of_length_one(a in any::<[u16; 4]>(), bits in 2..=16_u8) {
        for quant in [Quant::Unit2 { bits }, Quant::Unit3 { bits }, Quant::quat_bits(bits)] {
            let mut ints = [0; 4];
            for (column, int) in ints.iter_mut().enumerate() {
                *int = i32::from(a[column]).rem_euclid(quant.bounds(column.min(quant.columns() - 1)).1 + 1);
            }
            let length = quant.vector(&ints).iter().map(|p| p * p).sum::<f64>().sqrt();
            prop_assert!((length - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_rotation_errs_little(v in prop::array::uniform4(-1.0..1.0_f64)) {
        let length = v.iter().map(|p| p * p).sum::<f64>().sqrt();
        prop_assume!(length > 0.1);
        let quant = Quant::quat_bits(10);
        let mut ints = [0; 4];
        quant.put_vector(&v, &mut ints);
        let back = quant.vector(&ints);
        let dot: f64 = v.iter().zip(&back).map(|(a, b)| a / length * b).sum();
        prop_assert!(dot.abs() > 0.99999, "{} {:?} {:?}", dot, v, back);
    }

    #[test]
    fn a_direction_errs_little(v in prop::array::uniform3(-1.0..1.0_f64)) {
        let length = v.iter().map(|p| p * p).sum::<f64>().sqrt();
        prop_assume!(length > 0.1);
        let quant = Quant::Unit3 { bits: 12 };
        let mut ints = [0; 2];
        quant.put_vector(&v, &mut ints);
        let back = quant.vector(&ints);
        let dot: f64 = v.iter().zip(&back).map(|(a, b)| a / length * b).sum();
        prop_assert!(dot > 0.99999, "{} {:?} {:?}", dot, v, back);
    }

    #[test]
    fn integers_are_kept_or_clamped(int in any::<i64>(), bits in 1..=32_u8, signed in any::<bool>()) {
        let quant = Quant::Bits { bits, signed };
        let (least, most) = if signed { (-(1_i64 << (bits - 1)), (1_i64 << (bits - 1)) - 1) } else { (0, (1_i64 << bits) - 1) };
        let mut column = [0];
        quant.put_int(int, &mut column);
        prop_assert_eq!(quant.int(&column), int.clamp(least, most));
    }
}

#[test]
fn values_fit_their_quantiser_or_are_refused() {
    let (mut ints, mut blob) = ([0; 4], Vec::new());
    let colours = Quant::Enum {
        variants: vec!["Red".into(), "Blue".into()],
    };
    assert_eq!(
        colours.quantise(&Value::Text("Blue".into()), &mut ints, &mut blob),
        Ok(())
    );
    assert_eq!(colours.dequantise(&ints, &blob), Value::Text("Blue".into()));
    assert_eq!(
        colours.quantise(&Value::Text("Pink".into()), &mut ints, &mut blob),
        Err(ValueError::Range)
    );
    let id = NetId {
        slot: 65_535,
        generation: 9,
    };
    assert_eq!(
        Quant::Entity.quantise(&Value::Entity(Some(id)), &mut ints, &mut blob),
        Ok(())
    );
    assert_eq!(
        Quant::Entity.dequantise(&ints, &blob),
        Value::Entity(Some(id))
    );
    for value in [Value::Entity(None), Value::Unseen] {
        assert_eq!(Quant::Entity.quantise(&value, &mut ints, &mut blob), Ok(()));
        assert_eq!(Quant::Entity.dequantise(&ints, &blob), value);
    }
    let far = Value::Entity(Some(NetId {
        slot: 65_536,
        generation: 0,
    }));
    assert_eq!(
        Quant::Entity.quantise(&far, &mut ints, &mut blob),
        Err(ValueError::Range)
    );
    let text = Quant::Text { max: 3 };
    assert_eq!(
        text.quantise(&Value::Text("né".into()), &mut ints, &mut blob),
        Ok(())
    );
    assert_eq!(text.dequantise(&ints, &blob), Value::Text("né".into()));
    assert_eq!(
        text.quantise(&Value::Text("four".into()), &mut ints, &mut blob),
        Err(ValueError::Bytes)
    );
    assert!(!text.valid_blob(&[0xff]));
    assert!(Quant::F32.valid(0, f32::MAX.to_bits() as i32));
    assert!(!Quant::F32.valid(0, f32::NAN.to_bits() as i32));
    assert!(!Quant::F32.valid(0, f32::INFINITY.to_bits() as i32));
    assert_eq!(
        Quant::Bool.quantise(&Value::Vector(vec![]), &mut ints, &mut blob),
        Err(ValueError::Kind)
    );
}

#[test]
fn a_target_names_area_slot_and_generation() {
    use tickwire_snapshot::quant::{put_target, target};
    use tickwire_snapshot::{AREA_IDS_MAX, AreaId, ENTITIES_MAX, NetId};
    let mut ints = [7, 7];
    let last = ENTITIES_MAX as u32 - 1;
    for (area, slot, generation) in [
        (0, 1, 0),
        (1, last, u16::MAX),
        (AREA_IDS_MAX - 1, last, u16::MAX),
        (8191, 5, 1),
        (8192, 5, 1),
    ] {
        let named = Some((AreaId(area), NetId { slot, generation }));
        put_target(named, &mut ints);
        assert_eq!(target(&ints), named);
        assert!((0..2).all(|at| Quant::Target.valid(at, ints[at])));
    }
    put_target(None, &mut ints);
    assert_eq!((ints, target(&ints)), ([0, 0], None));
}
