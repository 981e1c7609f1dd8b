//! What callers have asked for and have not taken: answers that lie in the daemon's memory, and streams that are open.
//!
//! HTTP/2 lets a client ask and not read. What is made for it then stays here, for as long as its connection does, so each
//! caller has a bound: answers to reads over it are refused, and so are streams.
//!
//! That the connection has taken a body's last piece says nothing about the client: one byte of its window lets a whole
//! piece into the connection's buffer, the trailers behind it need no window at all, and a client with large windows may
//! leave everything in that buffer by not reading its socket. So the bytes themselves hold what counts for them (see
//! [`Share::hold`]). The connection drops them when they have been written to the socket, or when the stream was reset.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Status;

/// The size of pieces; as large as a frame is, since each becomes one. A stream asks for as much of the connection's window
/// as was handed over for it, so a large answer that came as a whole would keep small ones waiting.
const PIECE: usize = 16 * 1024;

/// What each caller has not taken. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Unread(Arc<Mutex<HashMap<Arc<str>, Amount>>>);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    bytes: usize,
    streams: usize,
}

impl Unread {
    /// Counts an answer of so many bytes for a caller, who may have no more than `most` with it. Nothing when it is too much;
    /// one answer always has room.
    pub fn answer(&self, caller: &Arc<str>, bytes: usize, most: usize) -> Option<Share> {
        self.take(caller, Amount { bytes, streams: 0 }, |held| {
            held.bytes == 0 || held.bytes.saturating_add(bytes) <= most
        })
    }

    /// Counts a stream for a caller, who may have `most` of them; 0 is no limit.
    pub fn stream(&self, caller: &Arc<str>, most: usize) -> Option<Share> {
        self.take(caller, Amount { bytes: 0, streams: 1 }, |held| {
            most == 0 || held.streams < most
        })
    }

    fn take(&self, caller: &Arc<str>, amount: Amount, fits: impl FnOnce(Amount) -> bool) -> Option<Share> {
        let mut all = self.all();
        let held = all.get(caller).copied().unwrap_or_default();
        if !fits(held) {
            return None;
        }
        let sum = Amount {
            bytes: held.bytes.saturating_add(amount.bytes),
            streams: held.streams + amount.streams,
        };
        all.insert(Arc::clone(caller), sum);
        Some(Share {
            unread: self.clone(),
            caller: Arc::clone(caller),
            amount,
        })
    }

    fn give_back(&self, caller: &Arc<str>, amount: Amount) {
        let mut all = self.all();
        let Some(held) = all.get_mut(caller) else { return };
        held.bytes = held.bytes.saturating_sub(amount.bytes);
        held.streams = held.streams.saturating_sub(amount.streams);
        if *held == Amount::default() {
            all.remove(caller);
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Arc<str>, Amount>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What counts for a caller, until this is dropped.
#[derive(Debug)]
pub struct Share {
    unread: Unread,
    caller: Arc<str>,
    amount: Amount,
}

impl Share {
    /// The same bytes, not copied, which count until the last part of them is dropped.
    ///
    /// It costs an allocation. A stream pays it for each of its chunks, since none of them is known to be its last before
    /// it has been handed over. Chunks are messages that were ready together, and have been encoded, so that is little
    /// beside what is done for each anyway, and less than another frame would be.
    pub fn hold(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held {
            bytes,
            _share: Arc::clone(self),
        })
    }
}

/// Bytes with what counts for them.
struct Held {
    bytes: Bytes,
    _share: Arc<Share>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.unread.give_back(&self.caller, self.amount);
    }
}

/// The body of an answer that is there as a whole.
pub struct Pieces {
    left: Bytes,
    trailers: Option<HeaderMap>,
}

impl Pieces {
    /// Of these bytes and trailers, which count as this share.
    pub fn new(bytes: Bytes, trailers: Option<HeaderMap>, share: Share) -> Self {
        Self {
            left: Arc::new(share).hold(bytes),
            trailers,
        }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = if self.left.is_empty() {
            self.trailers.take().map(Frame::trailers)
        } else {
            let length = self.left.len().min(PIECE);
            Some(Frame::data(self.left.split_to(length)))
        };
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn caller(name: &str) -> Arc<str> {
        name.into()
    }

    #[test]
    fn answers_count_for_their_caller_until_they_are_taken() {
        let unread = Unread::default();
        let (anna, berta) = (caller("anna"), caller("berta"));
        let first = unread.answer(&anna, 60, 100).unwrap();
        assert!(unread.answer(&anna, 41, 100).is_none());
        let second = unread.answer(&anna, 40, 100).unwrap();
        assert!(unread.answer(&berta, 100, 100).is_some());
        drop(first);
        assert!(unread.answer(&anna, 61, 100).is_none());
        assert!(unread.answer(&anna, 60, 100).is_some());
        drop(second);
        assert!(unread.all().is_empty(), "nobody is remembered for nothing");
    }

    #[test]
    fn an_answer_that_is_larger_than_the_bound_has_room_alone() {
        let unread = Unread::default();
        let anna = caller("anna");
        let large = unread.answer(&anna, 1_000, 100).unwrap();
        assert!(unread.answer(&anna, 1, 100).is_none());
        drop(large);
        assert!(unread.answer(&anna, 1, 100).is_some());
    }

    #[test]
    fn streams_are_counted_apart_from_bytes() {
        let unread = Unread::default();
        let anna = caller("anna");
        let _answer = unread.answer(&anna, 100, 100).unwrap();
        let streams: Vec<_> = (0..2).map(|_| unread.stream(&anna, 2).unwrap()).collect();
        assert!(unread.stream(&anna, 2).is_none());
        assert!(unread.stream(&anna, 0).is_some(), "0 is no limit");
        drop(streams);
        assert!(unread.stream(&anna, 1).is_some());
    }

    #[test]
    fn bytes_count_until_their_last_part_is_dropped() {
        let unread = Unread::default();
        let anna = caller("anna");
        let share = Arc::new(unread.stream(&anna, 1).unwrap());
        let bytes = Bytes::from(vec![7; 10]);
        let mut held = share.hold(bytes.clone());
        assert_eq!((&held, held.as_ptr()), (&bytes, bytes.as_ptr()), "it is no copy");
        drop(share);
        let part = held.split_to(3);
        drop(held);
        assert!(unread.stream(&anna, 1).is_none());
        drop(part);
        assert!(unread.stream(&anna, 1).is_some());
    }

    #[tokio::test]
    async fn pieces_are_the_whole_answer_and_its_trailers() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let unread = Unread::default();
        let share = unread.answer(&caller("anna"), bytes.len(), bytes.len()).unwrap();
        let mut pieces = Pieces::new(bytes.clone().into(), Some(trailers.clone()), share);
        let mut got = Vec::new();
        let last = loop {
            match pieces.frame().await.unwrap().unwrap().into_data() {
                Ok(piece) => {
                    assert!(piece.len() <= PIECE);
                    got.push(piece);
                }
                Err(last) => break last,
            }
        };
        assert_eq!(got.concat(), bytes);
        assert_eq!(last.into_trailers().unwrap(), trailers);
        assert!(http_body::Body::is_end_stream(&pieces));
        assert!(pieces.frame().await.is_none());
        drop(pieces);
        let last_piece = got.pop();
        drop(got);
        assert!(!unread.all().is_empty(), "the connection has a piece of it");
        drop(last_piece);
        assert!(unread.all().is_empty());
    }
}
