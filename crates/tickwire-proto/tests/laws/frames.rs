//! Laws of bytes: one form for each frame, and no other bytes are a frame.

use crate::samples::{Pool, encoded};
use proptest::prelude::*;
use tickwire_proto::frame::{
    AreaDelta, AreaMove, ClientFrame, FrameError, MOVES_MAX, ServerFrame, frames, kind_name,
    put_framed,
};
use tickwire_proto::wire::{Reader, WireFault, Writer};

/// What decodes encodes to the same bytes: there is no second form. Both readers must agree on nothing.
fn canonical_or_error(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(frame) = ClientFrame::decode(bytes) {
        prop_assert_eq!(&frame.encode()[..], bytes);
        prop_assert!(ServerFrame::decode(bytes).is_err());
    }
    if let Ok(frame) = ServerFrame::decode(bytes) {
        prop_assert_eq!(&frame.encode()[..], bytes);
    }
    Ok(())
}

fn error_of(bytes: &[u8]) -> Option<FrameError> {
    // A client's kind is known to the client's reader alone, so the other one's error would not name it.
    match bytes.first() {
        Some(0..0x40) | None => ClientFrame::decode(bytes).err(),
        _ => ServerFrame::decode(bytes).err(),
    }
}

proptest! {
    #[test]
    fn a_frame_survives_its_bytes(pool in Pool::any()) {
        for frame in pool.client_frames() {
            let bytes = frame.encode();
            prop_assert_eq!(ClientFrame::decode(&bytes), Ok(frame));
            canonical_or_error(&bytes)?;
        }
        for frame in pool.server_frames() {
            let bytes = frame.encode();
            let mut behind = vec![7];
            frame.encode_into(&mut behind);
            prop_assert_eq!(&behind[1..], &bytes[..]);
            prop_assert_eq!(kind_name(&bytes), frame.name());
            prop_assert_eq!(ServerFrame::decode(&bytes), Ok(frame));
            canonical_or_error(&bytes)?;
        }
    }

    #[test]
    fn a_cut_frame_is_an_error_that_names_the_place(pool in Pool::any()) {
        for bytes in encoded(&pool) {
            for len in 0..bytes.len() {
                let error = error_of(&bytes[..len]);
                prop_assert!(error.is_some(), "{:?} cut to {}", bytes, len);
                let error = error.unwrap();
                prop_assert!(error.error.at <= len);
                prop_assert_ne!(error.frame, "unknown");
            }
        }
    }

    #[test]
    fn a_longer_frame_is_an_error(pool in Pool::any(), extra in prop::collection::vec(any::<u8>(), 1..9)) {
        for bytes in encoded(&pool) {
            let longer = [&bytes[..], &extra].concat();
            prop_assert_eq!(error_of(&longer).map(|error| error.error.fault), Some(WireFault::Trailing(extra.len())));
        }
    }

    #[test]
    fn flipped_bits_give_an_error_or_another_canonical_frame(pool in Pool::any(), flips in prop::collection::vec(any::<(u16, u8)>(), 1..4)) {
        for bytes in encoded(&pool) {
            let mut bytes = bytes.to_vec();
            for (at, bit) in &flips {
                let at = usize::from(*at) % bytes.len();
                bytes[at] ^= 1 << (bit % 8);
            }
            canonical_or_error(&bytes)?;
        }
    }

    #[test]
    fn random_bytes_give_an_error_or_a_canonical_frame(kind in any::<u8>(), rest in prop::collection::vec(any::<u8>(), 0..300)) {
        canonical_or_error(&rest)?;
        let mut bytes = rest;
        bytes.insert(0, kind % 0x12 + if kind > 127 { 0x41 } else { 1 });
        canonical_or_error(&bytes)?;
    }

    #[test]
    fn numbers_have_one_form(value in any::<u64>(), signed in any::<i64>()) {
        let mut writer = Writer::new();
        writer.varint_u64(value);
        writer.varint_i64(signed);
        let bytes = writer.into_vec();
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.varint_u64(), Ok(value));
        prop_assert_eq!(reader.varint_i64(), Ok(signed));
        prop_assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn any_varint_read_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut reader = Reader::new(&bytes);
        if let Ok(value) = reader.varint_u64() {
            let mut writer = Writer::new();
            writer.varint_u64(value);
            prop_assert_eq!(&writer.into_vec()[..], &bytes[..reader.position()]);
        }
    }

    #[test]
    fn framed_frames_come_back_in_order(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8), cut in any::<u16>()) {
        let mut packet = Vec::new();
        parts.iter().for_each(|part| put_framed(&mut packet, part));
        let back: Result<Vec<_>, _> = frames(&packet).map(|frame| frame.map(<[u8]>::to_vec)).collect();
        prop_assert_eq!(back, Ok(parts.clone()));
        let cut = usize::from(cut) % (packet.len() + 1);
        let whole = frames(&packet[..cut]).take_while(Result::is_ok).count();
        prop_assert!(frames(&packet[..cut]).count() <= whole + 1, "nothing after an error");
    }
}

/// Not by chance but all of them: every bit of every kind of frame.
#[test]
fn every_single_flip_of_every_kind() {
    for bytes in encoded(&Pool::fixed()) {
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            canonical_or_error(&bytes).unwrap();
        }
    }
}

#[test]
fn overlong_and_overflowing_numbers_are_errors() {
    let fault = |bytes: &[u8]| Reader::new(bytes).varint_u64().unwrap_err().fault;
    assert_eq!(fault(&[0x80, 0]), WireFault::Overlong);
    assert_eq!(fault(&[0xff, 0x80, 0]), WireFault::Overlong);
    assert_eq!(fault(&[0xff; 9]), WireFault::Truncated);
    assert_eq!(fault(&[0xff; 10]), WireFault::Overflow);
    assert_eq!(
        fault(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]),
        WireFault::Overflow
    );
    let mut largest = vec![0xff; 9];
    largest.push(1);
    assert_eq!(Reader::new(&largest).varint_u64(), Ok(u64::MAX));
    assert_eq!(
        Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f])
            .varint_u32()
            .unwrap_err()
            .fault,
        WireFault::Overflow
    );
}

#[test]
fn errors_name_frame_field_and_place() {
    let text = |bytes: &[u8]| ClientFrame::decode(bytes).unwrap_err().to_string();
    assert_eq!(
        text(&[]),
        "empty frame: frame kind at byte 0: the input ends here"
    );
    assert_eq!(
        text(&[0xee]),
        "unknown frame: frame kind at byte 0: 238 has no meaning here"
    );
    assert_eq!(
        text(&[0x05, 0x80, 0x00]),
        "Leave frame: room at byte 1: the number is not in its shortest form"
    );
    assert_eq!(
        text(&[0x0f, 1, 2]),
        "Bye frame: end at byte 1: 2 bytes too many"
    );
    assert_eq!(
        text(&[0x07, 1, 8]),
        "Message frame: channel at byte 2: 8 has no meaning here"
    );
    assert_eq!(
        text(&[0x0d, 1, 0, 65]),
        "Lobby frame: kind at byte 3: 65 is more than the 64 allowed"
    );
    assert_eq!(
        text(&[0x0d, 1, 0, 1, 0xff]),
        "Lobby frame: kind at byte 3: the text is not UTF-8"
    );
    assert_eq!(
        text(&[0x06, 1, 0, 1, 0]),
        "Command frame: tick at byte 3: the number is too large for its type",
        "before tick 0"
    );
}

#[test]
fn updates_that_make_no_sense_are_errors() {
    // Room 1, tick 9; then per area: number, ticks back, flags, length, payload.
    let update = |areas: &[&[u8]]| [&[0x47, 1, 9, areas.len() as u8], &areas.concat()[..]].concat();
    let field = |areas: &[&[u8]]| ServerFrame::decode(&update(areas)).unwrap_err().error.field;
    assert!(ServerFrame::decode(&update(&[&[0, 9, 0, 0], &[1, 0, 0, 0], &[7, 1, 1, 0]])).is_ok());
    assert_eq!(field(&[&[1, 0, 0, 0], &[1, 0, 0, 0]]), "area", "twice");
    assert_eq!(
        field(&[&[2, 0, 0, 0], &[1, 0, 0, 0]]),
        "area",
        "out of order"
    );
    assert_eq!(field(&[&[0, 10, 0, 0]]), "basis", "before tick 0");
    assert_eq!(
        field(&[&[0, 0, 1, 0]]),
        "flags",
        "a keyframe that says still"
    );
    assert_eq!(field(&[&[0, 1, 1, 1, 5]]), "flags", "still, and something");
    assert_eq!(
        field(&[&[0, 1, 2, 7, 1, 2, 3, 4, 5, 6, 7]]),
        "flags",
        "seven bytes of a hash"
    );
    let gone_and_born: &[&[u8]] = &[&[3, 0, 8, 0], &[4, 2, 16, 1, 7], &[5, 2, 16, 0]];
    assert!(ServerFrame::decode(&update(gone_and_born)).is_ok());
    assert_eq!(field(&[&[3, 1, 8, 0]]), "flags", "gone from a basis");
    assert_eq!(field(&[&[3, 0, 8, 1, 7]]), "flags", "gone, and something");
    assert_eq!(field(&[&[3, 0, 16, 1, 7]]), "flags", "born of nothing");
    let moved: &[&[u8]] = &[&[3, 1, 0, 0], &[3, 0, 32, 2, 0, 0], &[4, 0, 8, 0]];
    assert!(ServerFrame::decode(&update(moved)).is_ok());
    assert_eq!(
        field(&[moved[1], moved[0]]),
        "area",
        "who came, before what"
    );
    assert_eq!(field(&[moved[1], moved[1]]), "area", "who came, twice");
    assert_eq!(field(&[&[3, 0, 32, 0]]), "flags", "nobody came");
    for flags in [3, 4, 5, 8, 24, 255] {
        assert_eq!(field(&[&[0, 1, flags, 8, 1, 2, 3, 4, 5, 6, 7, 8]]), "flags");
    }
    assert_eq!(
        ServerFrame::decode(&[0x46, 1, 9, 1, 10, 0])
            .unwrap_err()
            .error
            .field,
        "applied",
        "before tick 0"
    );
    assert_eq!(
        ServerFrame::decode(&[0x46, 1, 9, 12, 0])
            .unwrap_err()
            .error
            .field,
        "has",
        "two things at once of what is owned"
    );
    assert_eq!(
        ServerFrame::decode(&[0x46, 1, 9, 64, 0])
            .unwrap_err()
            .error
            .field,
        "has"
    );
}

#[test]
fn moves_come_back_as_they_were_written_and_are_bounded() {
    let moves: Vec<AreaMove> = (0..MOVES_MAX as u32 + 5)
        .map(|n| AreaMove {
            slot: n + 1,
            from: n * 7,
            was: (n * 3, n as u16),
        })
        .collect();
    let read = |payload: &[u8]| {
        let delta = AreaDelta {
            area: 1,
            basis: None,
            flags: AreaDelta::MOVED,
            payload,
        };
        delta.moves()
    };
    let mut payload = Vec::new();
    AreaDelta::write_moves(&moves, &mut payload);
    assert_eq!(read(&payload).unwrap(), moves[..MOVES_MAX]);
    assert!(read(&payload[..payload.len() - 1]).is_err());
    payload.push(0);
    assert!(read(&payload).is_err(), "more than it says");
    assert!(read(&[255, 255, 3]).is_err(), "more than there can be");
}

#[test]
fn a_hash_is_split_off_only_where_the_flag_says_so() {
    let payload = &[1, 0, 0, 0, 0, 0, 0, 0, 9];
    let delta = |flags| AreaDelta {
        area: 0,
        basis: None,
        flags,
        payload,
    };
    assert_eq!(
        delta(AreaDelta::HASH).split_hash(),
        (Some(1), &payload[8..])
    );
    assert_eq!(delta(0).split_hash(), (None, &payload[..]));
}
