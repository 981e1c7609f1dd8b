//! What was refused, closed or cut, counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// Something that happens to connections and is counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Count {
            $($(#[$doc])* $variant,)+
        }

        impl Count {
            /// Every count, in the order of this file.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name in logs and figures.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

counts! {
    /// A connection was accepted by the system.
    Accepted = "accepted";
    /// A connection began with HTTP/2 and is served.
    Served = "served";
    /// The system could not hand a connection over, normally for want of descriptors.
    NotAccepted = "not_accepted";
    /// Refused: its address has as many connections as one may have.
    RefusedAddress = "refused_address";
    /// Refused: its identity has as many connections as one may have.
    RefusedIdentity = "refused_identity";
    /// Refused: all places are taken by connections that have calls.
    RefusedFull = "refused_full";
    /// Closed before it had begun, for one that came later.
    GaveWay = "gave_way";
    /// Closed while it had no call, or had not shown who it is, for one that had no place.
    MadeRoom = "made_room";
    /// A handshake failed.
    HandshakeFailed = "handshake_failed";
    /// A handshake took too long.
    HandshakeLate = "handshake_late";
    /// The client said nothing after the handshake.
    Silent = "silent";
    /// The client spoke something else than HTTP/2.
    NotHttp2 = "not_http2";
    /// Closed after a time without any call.
    Idle = "idle";
    /// Closed for its age.
    Aged = "aged";
    /// Cut: the client would not be let in any more.
    Cut = "cut";
    /// Closed for what it sent: resets or other frames in numbers that nobody needs.
    Flood = "flood";
    /// The client broke off, or broke the rules of HTTP/2.
    Broken = "broken";
    /// A request was none of a gRPC client.
    NotACall = "not_a_call";
    /// A call's request did not arrive in time.
    SlowRequest = "slow_request";
    /// A call was refused since its caller makes too many.
    RateLimited = "rate_limited";
    /// A call was refused since its caller has open too many streams, or does not read its answers.
    TooMuchUnread = "too_much_unread";
}

impl Count {
    /// Whether it is the ordinary course of things, which nobody needs to be told.
    fn is_ordinary(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Served | Self::Idle | Self::Aged | Self::Broken
        )
    }
}

const KINDS: usize = Count::ALL.len();

/// Counts since the start of the daemon.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; KINDS]);

impl Counters {
    /// Counts one more.
    pub fn add(&self, count: Count) {
        self.0[count as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> Counts {
        Counts(std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed)))
    }
}

/// What was counted up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; KINDS]);

impl Counts {
    /// How often it happened.
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// What happened since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|index| {
            self.0[index].saturating_sub(earlier.0[index])
        }))
    }

    /// Whether anything happened that an operator may want to know: somebody was refused, or misbehaved.
    pub fn is_worth_telling(&self) -> bool {
        Count::ALL
            .iter()
            .any(|count| !count.is_ordinary() && self.get(*count) > 0)
    }
}

/// Those that happened, as `name=number`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for count in Count::ALL.iter().filter(|count| self.get(**count) > 0) {
            write!(f, "{separator}{}={}", count.name(), self.get(*count))?;
            separator = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_out_of_the_ordinary_is_worth_telling() {
        let counters = Counters::default();
        let start = counters.snapshot();
        counters.add(Count::Accepted);
        counters.add(Count::Served);
        assert!(!counters.snapshot().since(&start).is_worth_telling());
        counters.add(Count::RefusedFull);
        counters.add(Count::RefusedFull);
        let since = counters.snapshot().since(&start);
        assert!(since.is_worth_telling());
        assert_eq!(since.to_string(), "accepted=1 served=1 refused_full=2");
        assert_eq!(counters.snapshot().since(&counters.snapshot()), Counts::default());
    }

    #[test]
    fn every_count_has_a_place_and_a_name_of_its_own() {
        let counters = Counters::default();
        for count in Count::ALL {
            counters.add(*count);
        }
        assert!(Count::ALL.iter().all(|count| counters.snapshot().get(*count) == 1));
        let mut names: Vec<_> = Count::ALL.iter().map(|count| count.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Count::ALL.len());
    }
}
