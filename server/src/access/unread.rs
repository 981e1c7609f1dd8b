//! What callers have asked for and have not taken: answers that lie in the daemon's memory, and streams that are open.
//!
//! HTTP/2 lets a client ask and not read. What is made for it then stays here, for as long as its connection does, so each
//! caller has a bound: answers to reads over it are refused, and so are streams. Answers are handed to the connection in
//! pieces, each when the one before is on its way, and count until the last of them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tonic::Status;

/// The size of the last pieces. The connection may hold one of each answer that counts no longer, so they are small and
/// copies: a part of the answer would keep all of it in memory.
const LAST_PIECES: usize = 4 * 1024;
/// The size of those before; as large as a frame is, since each becomes one.
const PIECE: usize = 16 * 1024;
/// How much of an answer the last pieces are.
const LAST: usize = 64 * 1024;

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

impl Drop for Share {
    fn drop(&mut self) {
        self.unread.give_back(&self.caller, self.amount);
    }
}

/// The body of an answer that is there as a whole.
pub struct Pieces {
    left: Bytes,
    trailers: Option<HeaderMap>,
    _share: Share,
}

impl Pieces {
    /// Of these bytes and trailers, which count as this share.
    pub fn new(bytes: Bytes, trailers: Option<HeaderMap>, share: Share) -> Self {
        Self {
            left: bytes,
            trailers,
            _share: share,
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
            let most = if self.left.len() > LAST { PIECE } else { LAST_PIECES };
            let length = self.left.len().min(most);
            let piece = Bytes::copy_from_slice(&self.left[..length]);
            self.left.advance(length);
            Some(Frame::data(piece))
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

    #[tokio::test]
    async fn pieces_are_the_whole_answer_and_its_trailers() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        let unread = Unread::default();
        let share = unread.answer(&caller("anna"), bytes.len(), bytes.len()).unwrap();
        let whole = Bytes::from(bytes.clone());
        let mut pieces = Pieces::new(whole.clone(), Some(trailers.clone()), share);
        let mut got = Vec::new();
        let last = loop {
            match pieces.frame().await.unwrap().unwrap().into_data() {
                Ok(piece) => {
                    let most = if whole.len() - got.len() > LAST {
                        PIECE
                    } else {
                        LAST_PIECES
                    };
                    assert!(piece.len() <= most);
                    assert!(
                        !whole.as_ptr_range().contains(&piece.as_ptr()),
                        "it keeps the answer in memory"
                    );
                    got.extend_from_slice(&piece);
                }
                Err(last) => break last,
            }
        };
        assert_eq!(got, bytes);
        assert_eq!(last.into_trailers().unwrap(), trailers);
        assert!(http_body::Body::is_end_stream(&pieces));
        assert!(pieces.frame().await.is_none());
        drop(pieces);
        assert!(unread.all().is_empty());
    }
}
