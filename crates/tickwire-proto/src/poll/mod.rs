//! A link made of HTTP requests: what stands in their bodies, and the two ends of such a link. No HTTP, no clock, no chance.
//!
//! A client *posts* batches of frames, one request at a time, and keeps one *poll* at the server, which is answered as soon as there is something
//! to write. Both directions are numbered and repeated until they are known to have arrived, so that lost answers, and requests that come twice
//! or late, change nothing: the link stays ordered and reliable. `PROTOCOL.md` has the bytes.
//!
//! [`PollHost`] is the server's end, [`PollClient`] the client's.

mod client;
mod host;
mod refusal;

pub use client::{Ask, Lane, Over, PollClient};
pub use host::PollHost;
pub use refusal::PollRefusal;

use crate::wire::{Reader, WireError, WireFault, Writer};
use bytes::Bytes;

/// What a client puts into one batch, unless its first frame alone is longer.
pub const POST_BYTES_MAX: usize = 8 * 1024;
/// What a server puts into one batch, unless its first frame alone is longer.
pub const BATCH_BYTES_MAX: usize = 64 * 1024;
/// A poll that has nothing to carry is answered empty after so long: proxies end what is silent for longer.
pub const HOLD_MS: u64 = 20_000;
/// Requests for one link a second; saved up for two.
pub const REQUESTS_PER_S_MAX: u64 = 240;
/// Bytes before the frames of a request.
const HEAD_MAX: usize = 64;
/// Batches in a goodbye: the one under way, and the last.
const LAST_BATCHES_MAX: usize = 2;

/// The longest body of a request, where a frame of a client may have `frame_max` bytes.
#[must_use]
pub const fn body_max(frame_max: usize) -> usize {
    let batch = if frame_max + 8 > POST_BYTES_MAX {
        frame_max + 8
    } else {
        POST_BYTES_MAX
    };
    LAST_BATCHES_MAX * batch + HEAD_MAX
}

/// What names a link and proves that it is one's own: where the server keeps it, and 16 bytes of chance. It stands in bodies alone, never in a URL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PollId(pub [u8; 24]);

impl PollId {
    /// A link that the server keeps at `place`.
    #[must_use]
    pub fn new(place: u64, secret: [u8; 16]) -> PollId {
        let mut id = [0; 24];
        id[..8].copy_from_slice(&place.to_le_bytes());
        id[8..].copy_from_slice(&secret);
        PollId(id)
    }

    /// Where the server keeps the link, if there is one.
    #[must_use]
    pub fn place(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|at| self.0[at]))
    }

    /// Whether it is the same; takes the same time wherever they differ.
    #[must_use]
    pub fn is(&self, other: &PollId) -> bool {
        let differ = self.0.iter().zip(&other.0);
        differ.fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl std::fmt::Debug for PollId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PollId({:x}, ...)", self.place())
    }
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollRequest {
    /// Opens a link. Its frames are batch 1 of the client; its answer is the server's batch 1.
    Open {
        /// The hello, and what follows it at once.
        frames: Bytes,
    },
    /// One more batch of the client.
    Post {
        /// Which link.
        link: PollId,
        /// Its number, one more than the last.
        number: u64,
        /// Frames, each behind its length.
        frames: Bytes,
    },
    /// Asks for the next batch of the server.
    Poll {
        /// Which link.
        link: PollId,
        /// Grows from poll to poll: the newest is answered.
        number: u64,
        /// The newest batch that has arrived.
        got: u64,
    },
    /// The client is done with the link.
    Close {
        /// Which link.
        link: PollId,
        /// Numbered batches that may not have arrived.
        batches: Vec<(u64, Bytes)>,
    },
}

/// The body of a good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollAnswer {
    /// The link is open.
    Opened {
        /// What to name in all further requests.
        link: PollId,
        /// The server's batch 1.
        frames: Bytes,
        /// The link is closed behind these frames, with this code.
        close: Option<u16>,
    },
    /// What was polled for.
    Batch {
        /// One more than the last.
        number: u64,
        /// Frames, each behind its length.
        frames: Bytes,
        /// The link is closed behind these frames, with this code.
        close: Option<u16>,
    },
    /// The client's batches up to this one have arrived.
    Taken {
        /// The newest batch.
        number: u64,
    },
    /// There was nothing to carry: poll again.
    Nothing,
}

const OPEN: u8 = 1;
const POST: u8 = 2;
const POLL: u8 = 3;
const CLOSE: u8 = 4;
const OPENED: u8 = 0x41;
const BATCH: u8 = 0x42;
const TAKEN: u8 = 0x43;
const NOTHING: u8 = 0x44;

impl PollRequest {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        match self {
            PollRequest::Open { frames } => {
                out.u8(OPEN);
                out.raw(frames);
            }
            PollRequest::Post {
                link,
                number,
                frames,
            } => {
                out.u8(POST);
                out.raw(&link.0);
                out.varint_u64(*number);
                out.raw(frames);
            }
            PollRequest::Poll { link, number, got } => {
                out.u8(POLL);
                out.raw(&link.0);
                out.varint_u64(*number);
                out.varint_u64(*got);
            }
            PollRequest::Close { link, batches } => {
                out.u8(CLOSE);
                out.raw(&link.0);
                out.varint_u64(batches.len() as u64);
                for (number, frames) in batches {
                    out.varint_u64(*number);
                    out.bytes(frames);
                }
            }
        }
        out.into_bytes()
    }

    /// Reads a body. Its frames are looked at by [`frames`] alone.
    ///
    /// # Errors
    /// What cannot be read, and where.
    pub fn decode(body: &Bytes) -> Result<PollRequest, WireError> {
        let mut reader = Reader::new(body);
        let request = match reader.at("kind").u8()? {
            OPEN => PollRequest::Open {
                frames: body.slice_ref(reader.rest()),
            },
            POST => PollRequest::Post {
                link: PollId(reader.at("link").array()?),
                number: reader.at("number").varint_u64()?,
                frames: body.slice_ref(reader.rest()),
            },
            POLL => PollRequest::Poll {
                link: PollId(reader.at("link").array()?),
                number: reader.at("number").varint_u64()?,
                got: reader.at("got").varint_u64()?,
            },
            CLOSE => {
                let link = PollId(reader.at("link").array()?);
                let count = reader.at("batches").count(LAST_BATCHES_MAX, 2)?;
                let mut batches = Vec::with_capacity(count);
                for _ in 0..count {
                    let number = reader.at("number").varint_u64()?;
                    let frames = reader.at("frames").bytes(usize::MAX)?;
                    batches.push((number, body.slice_ref(frames)));
                }
                PollRequest::Close { link, batches }
            }
            other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        };
        reader.finish()?;
        Ok(request)
    }
}

impl PollAnswer {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::new();
        match self {
            PollAnswer::Opened {
                link,
                frames,
                close,
            } => {
                out.u8(OPENED);
                out.raw(&link.0);
                put_close(&mut out, *close);
                out.raw(frames);
            }
            PollAnswer::Batch {
                number,
                frames,
                close,
            } => {
                out.u8(BATCH);
                out.varint_u64(*number);
                put_close(&mut out, *close);
                out.raw(frames);
            }
            PollAnswer::Taken { number } => {
                out.u8(TAKEN);
                out.varint_u64(*number);
            }
            PollAnswer::Nothing => out.u8(NOTHING),
        }
        out.into_bytes()
    }

    /// Reads a body.
    ///
    /// # Errors
    /// What cannot be read, and where.
    pub fn decode(body: &Bytes) -> Result<PollAnswer, WireError> {
        let mut reader = Reader::new(body);
        let answer = match reader.at("kind").u8()? {
            OPENED => PollAnswer::Opened {
                link: PollId(reader.at("link").array()?),
                close: get_close(&mut reader)?,
                frames: body.slice_ref(reader.rest()),
            },
            BATCH => PollAnswer::Batch {
                number: reader.at("number").varint_u64()?,
                close: get_close(&mut reader)?,
                frames: body.slice_ref(reader.rest()),
            },
            TAKEN => PollAnswer::Taken {
                number: reader.at("number").varint_u64()?,
            },
            NOTHING => PollAnswer::Nothing,
            other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        };
        reader.finish()?;
        Ok(answer)
    }
}

fn put_close(out: &mut Writer, close: Option<u16>) {
    out.bool(close.is_some());
    close.into_iter().for_each(|code| out.u16_le(code));
}

fn get_close(reader: &mut Reader<'_>) -> Result<Option<u16>, WireError> {
    Ok(if reader.at("close").bool()? {
        Some(reader.u16_le()?)
    } else {
        None
    })
}

/// Puts a frame behind the others of a batch.
pub fn put_frame(batch: &mut Vec<u8>, frame: &[u8]) {
    let mut out = Writer::from(std::mem::take(batch));
    out.bytes(frame);
    *batch = out.into_vec();
}

/// The frames of a batch, all of them or none: each of 1 to `frame_max` bytes.
///
/// # Errors
/// What cannot be read, and where.
pub fn frames(batch: &Bytes, frame_max: usize) -> Result<Vec<Bytes>, WireError> {
    let mut reader = Reader::new(batch);
    let mut frames = Vec::new();
    while reader.remaining() > 0 {
        let frame = reader.at("frame").bytes(frame_max)?;
        if frame.is_empty() {
            return Err(reader.error(WireFault::OutOfRange(0)));
        }
        frames.push(batch.slice_ref(frame));
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: PollId = PollId([7; 24]);

    fn bytes(text: &'static [u8]) -> Bytes {
        Bytes::from_static(text)
    }

    #[test]
    fn requests_and_answers_come_back_and_nothing_else_is_read() {
        let requests = [
            PollRequest::Open {
                frames: bytes(b"\x01a"),
            },
            PollRequest::Post {
                link: LINK,
                number: 300,
                frames: bytes(b"\x02bc"),
            },
            PollRequest::Poll {
                link: LINK,
                number: u64::MAX,
                got: 5,
            },
            PollRequest::Close {
                link: LINK,
                batches: vec![(4, bytes(b"\x01x")), (5, bytes(b""))],
            },
        ];
        for request in requests {
            let body = request.encode();
            assert_eq!(PollRequest::decode(&body).as_ref(), Ok(&request));
            let head = if matches!(request, PollRequest::Open { .. }) {
                0
            } else {
                25
            };
            for cut in 0..head {
                assert!(PollRequest::decode(&body.slice(..cut)).is_err(), "{cut}");
            }
        }
        let answers = [
            PollAnswer::Opened {
                link: LINK,
                frames: bytes(b"\x01a"),
                close: None,
            },
            PollAnswer::Batch {
                number: 9,
                frames: bytes(b""),
                close: Some(4401),
            },
            PollAnswer::Taken { number: 128 },
            PollAnswer::Nothing,
        ];
        for answer in answers {
            let body = answer.encode();
            assert_eq!(PollAnswer::decode(&body).as_ref(), Ok(&answer));
            assert!(PollAnswer::decode(&Bytes::new()).is_err());
        }
        for wrong in [&b"\x05"[..], b"\x00", b"\x44\x00", b"\x04"] {
            assert!(PollRequest::decode(&Bytes::from_static(wrong)).is_err());
        }
        let too_many = PollRequest::Close {
            link: LINK,
            batches: vec![(1, Bytes::new()); LAST_BATCHES_MAX + 1],
        };
        assert!(PollRequest::decode(&too_many.encode()).is_err());
    }

    #[test]
    fn a_batch_is_read_whole_or_not_at_all() {
        let mut batch = Vec::new();
        put_frame(&mut batch, b"one");
        put_frame(&mut batch, &[2; 200]);
        let batch = Bytes::from(batch);
        let read = frames(&batch, 200).unwrap();
        assert_eq!(
            (read.len(), &read[0][..], read[1].len()),
            (2, &b"one"[..], 200)
        );
        assert!(frames(&batch, 199).is_err(), "too long");
        assert!(frames(&batch.slice(..batch.len() - 1), 200).is_err());
        assert!(frames(&Bytes::from_static(b"\0"), 200).is_err(), "empty");
        assert_eq!(frames(&Bytes::new(), 200), Ok(Vec::new()));
    }

    #[test]
    fn a_secret_is_not_shown_and_its_place_is_read() {
        let id = PollId::new(0x0102_0000_0000_0009, [0xab; 16]);
        assert_eq!(id.place(), 0x0102_0000_0000_0009);
        assert!(!format!("{id:?}").contains("ab"));
        assert!(id.is(&id) && !id.is(&PollId::new(id.place(), [0xac; 16])));
    }

    #[test]
    fn two_batches_fit_a_goodbye() {
        for frame_max in [100, 4352, 70_000] {
            let longest = POST_BYTES_MAX.max(frame_max + 5);
            let goodbye = PollRequest::Close {
                link: LINK,
                batches: vec![(u64::MAX, vec![0; longest].into()); LAST_BATCHES_MAX],
            };
            assert!(goodbye.encode().len() <= body_max(frame_max));
        }
    }
}
