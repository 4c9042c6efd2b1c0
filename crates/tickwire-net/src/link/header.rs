//! The header of a server's WebSocket frame, built on the stack: what stands before the shared bytes of an update.

/// The longest header of an unmasked frame.
const HEADER_MAX: usize = 10;

/// A header and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    bytes: [u8; HEADER_MAX],
    len: u8,
}

impl Header {
    /// Of one whole binary message.
    pub(crate) fn binary(payload: usize) -> Header {
        let mut bytes = [0; HEADER_MAX];
        bytes[0] = 0x82;
        let len = match payload {
            0..=125 => {
                bytes[1] = payload as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
                10
            }
        };
        Header { bytes, len }
    }

    /// Of nothing: no bytes at all.
    pub(crate) fn none() -> Header {
        Header {
            bytes: [0; HEADER_MAX],
            len: 0,
        }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_rfc_6455_writes_them() {
        assert_eq!(Header::binary(125).as_slice(), [0x82, 125]);
        assert_eq!(Header::binary(126).as_slice(), [0x82, 126, 0, 126]);
        assert_eq!(Header::binary(65_535).as_slice(), [0x82, 126, 0xff, 0xff]);
        assert_eq!(
            Header::binary(65_536).as_slice(),
            [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]
        );
        assert!(Header::none().as_slice().is_empty());
    }
}
