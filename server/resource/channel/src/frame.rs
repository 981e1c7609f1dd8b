//! Frames: four bytes with the length of a message, the least significant first, and the message.

use prost::Message;

/// The longest message, in bytes. Parameters are the largest part of one, and a value of the cluster's registry holds 64 KiB.
pub const LONGEST: usize = 1 << 20;

/// Why bytes are no frames.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FrameError {
    /// A message is longer than [`LONGEST`].
    #[error("a message of {length} bytes is longer than {LONGEST}")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A message is none.
    #[error("a message cannot be read")]
    Message(#[from] prost::DecodeError),
}

/// Appends a message to bytes that are to be sent.
///
/// # Errors
///
/// A message that is too long; then nothing is appended.
pub fn encode<M: Message>(message: &M, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
    let length = message.encoded_len();
    let prefix = u32::try_from(length).ok().filter(|_| length <= LONGEST);
    let Some(prefix) = prefix else {
        return Err(FrameError::TooLong { length });
    };
    bytes.extend_from_slice(&prefix.to_le_bytes());
    bytes.extend_from_slice(&message.encode_to_vec());
    Ok(())
}

/// What has arrived, as it arrives.
#[derive(Debug, Default)]
pub struct Incoming {
    bytes: Vec<u8>,
    /// How many of `bytes` have been read already.
    read: usize,
}

impl Incoming {
    /// Adds bytes that have arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.bytes.drain(..self.read);
            self.read = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message that is there as a whole.
    ///
    /// # Errors
    ///
    /// [`FrameError`]: nothing that follows can be understood, so the channel is to be closed.
    pub fn take<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let rest = self.bytes.get(self.read..).unwrap_or_default();
        let Some((prefix, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > LONGEST {
            return Err(FrameError::TooLong { length });
        }
        let Some(message) = rest.get(..length) else {
            return Ok(None);
        };
        let message = M::decode(message)?;
        self.read += 4 + length;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Closed, Terminated, ToDaemon, to_daemon};

    fn message(instance: u64, call: u64) -> ToDaemon {
        ToDaemon {
            message: Some(if call == 0 {
                to_daemon::Message::Closed(Closed { instance })
            } else {
                to_daemon::Message::Terminated(Terminated { instance, call })
            }),
        }
    }

    proptest! {
        #[test]
        fn messages_come_through_however_they_are_cut(
            sent in prop::collection::vec((any::<u64>(), 0..3_u64), 0..20),
            cut in 1..40_usize,
        ) {
            let sent: Vec<_> = sent.into_iter().map(|(instance, call)| message(instance, call)).collect();
            let mut bytes = Vec::new();
            for message in &sent {
                encode(message, &mut bytes).unwrap();
            }
            let (mut incoming, mut received) = (Incoming::default(), Vec::new());
            for part in bytes.chunks(cut) {
                incoming.extend(part);
                while let Some(message) = incoming.take::<ToDaemon>().unwrap() {
                    received.push(message);
                }
            }
            prop_assert_eq!(received, sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut incoming = Incoming::default();
            incoming.extend(&bytes);
            let mut messages = 0;
            while let Ok(Some(_)) = incoming.take::<ToDaemon>() {
                messages += 1;
            }
            prop_assert!(messages <= bytes.len() / 4);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_before_it_has_arrived() {
        let mut incoming = Incoming::default();
        incoming.extend(&u32::MAX.to_le_bytes());
        let length = u32::MAX as usize;
        assert_eq!(incoming.take::<ToDaemon>(), Err(FrameError::TooLong { length }));
    }
}
