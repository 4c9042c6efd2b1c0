//! What a socket did not take yet: the rest of a write that was cut short, in the order in which it must go on.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// Pieces handed to the system in one call.
const PIECES_MAX: usize = 16;

/// Bytes that wait for a socket.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl Backlog {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.len += bytes.len();
            self.pieces.push_back(bytes);
        }
    }

    /// The same of several, without the first `taken` bytes of them.
    pub(crate) fn push_rest(&mut self, mut taken: usize, pieces: impl IntoIterator<Item = Bytes>) {
        for mut piece in pieces {
            let gone = taken.min(piece.len());
            taken -= gone;
            self.push(piece.split_off(gone));
        }
    }

    /// Calls `write` with the first pieces.
    pub(crate) fn with_slices<T>(&self, write: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        write(&slices[..count])
    }

    /// The socket took so many bytes.
    pub(crate) fn taken(&mut self, mut bytes: usize) {
        self.len = self.len.saturating_sub(bytes);
        while let Some(first) = self.pieces.front_mut() {
            if bytes < first.len() {
                first.advance(bytes);
                break;
            }
            bytes -= first.len();
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            // An idle link holds no memory for this.
            self.pieces = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_socket_takes_the_bytes_stay_in_order() {
        for step in 1..9 {
            let mut backlog = Backlog::default();
            for piece in [&b"one"[..], b"", b"twotwo", b"3"] {
                backlog.push(Bytes::copy_from_slice(piece));
            }
            let mut out: Vec<u8> = Vec::new();
            while !backlog.is_empty() {
                let taken = backlog.with_slices(|slices| {
                    let all: Vec<u8> = slices
                        .iter()
                        .flat_map(|slice| slice.iter().copied())
                        .collect();
                    out.extend(&all[..step.min(all.len())]);
                    step.min(all.len())
                });
                backlog.taken(taken);
                assert_eq!(backlog.len(), 10 - out.len());
            }
            assert_eq!(out, b"onetwotwo3");
        }
    }
}
