//! Limits against peers that ask too much.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LONGEST, Unfit};

/// The contract promises a mark or a record at least this often.
const RAREST_MARKS: Duration = Duration::from_secs(5);
/// Marks that come faster would be all that a daemon with many streams does.
const FASTEST_MARKS: Duration = Duration::from_millis(10);
/// The shortest time limit; less would refuse everybody.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest age of a connection that can be asked for.
const OLDEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// More connections than any system has descriptors for.
const MOST_CONNECTIONS: usize = 1 << 24;

/// Limits against peers that ask too much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest request message in bytes.
    pub request_bytes: usize,
    /// Connections that are served, in all.
    pub connections: usize,
    /// How many percent of these only administrators get, so that nobody can lock them out.
    pub administrators_percent: u8,
    /// Connections from one address, of IPv6 from one network of 64 bits. Loopback is every program of the host, so it is not
    /// counted; 0 is no limit.
    pub connections_per_address: usize,
    /// Of these, connections of peers that have not shown who they are in the handshake; 0 is no limit.
    pub unauthenticated_per_address: usize,
    /// Connections of one identity that shows itself in the handshake and is no administrator; 0 is no limit.
    pub connections_per_identity: usize,
    /// Connections that have not begun with HTTP/2 yet. The oldest gives way to the next one.
    pub handshakes: usize,
    /// Streams on one connection.
    pub streams_per_connection: u32,
    /// Streams of one identity on all its connections, until it has taken what was sent on them; 0 is no limit.
    pub streams_per_identity: usize,
    /// Answers of one identity that it has not taken, in bytes, and 8 KiB for each; while there are more, its reads are
    /// refused.
    pub unread_bytes: usize,
    /// How long a TLS handshake may take.
    #[serde(with = "humantime_serde")]
    pub handshake: Duration,
    /// How long a client may take to begin with HTTP/2 after the handshake.
    #[serde(with = "humantime_serde")]
    pub first_bytes: Duration,
    /// How long the request of a call may take to arrive. Calls whose client streams have none.
    #[serde(with = "humantime_serde")]
    pub request_body: Duration,
    /// How long a connection may be without any call.
    #[serde(with = "humantime_serde")]
    pub idle: Duration,
    /// How old a connection gets, give or take a tenth. Clients connect anew and resume.
    #[serde(with = "humantime_serde")]
    pub connection_age: Duration,
    /// How long a call that is no stream may take.
    #[serde(with = "humantime_serde")]
    pub unary: Duration,
    /// The longest silence of a record stream before a mark is sent.
    #[serde(with = "humantime_serde")]
    pub mark_every: Duration,
    /// Calls of one identity in a second, in the long run; 0 is no limit.
    pub calls_per_second: u32,
    /// How many calls an identity that has been quiet may make at once.
    pub call_burst: u32,
    /// Of these, calls that change something; 0 is no limit.
    pub changes_per_second: u32,
    /// How many changes an identity that has been quiet may ask for at once.
    pub change_burst: u32,
    /// Operations of one identity that wait for others. What need not wait is not counted.
    pub waiting_operations: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 256 * 1024,
            connections: 2_000,
            administrators_percent: 5,
            connections_per_address: 256,
            unauthenticated_per_address: 16,
            connections_per_identity: 256,
            handshakes: 1_024,
            // A Rust client has all its watches, agents and calls on one connection, and what is over the limit waits
            // there in silence; so it is well above what a program watches, and far below what would hurt.
            streams_per_connection: 256,
            // A stream that is not read holds two messages, of a snapshot up to 64 KiB each: one that the connection has taken
            // and the one behind it. With large windows and a socket that is not read, 128 KiB more.
            streams_per_identity: 2_048,
            // The largest pages have 1 MiB, so a caller can have thirty of them on their way; small answers count 8 KiB.
            unread_bytes: 32 * 1024 * 1024,
            handshake: Duration::from_secs(5),
            first_bytes: Duration::from_secs(5),
            request_body: Duration::from_secs(10),
            idle: Duration::from_secs(5 * 60),
            connection_age: Duration::from_secs(12 * 60 * 60),
            unary: Duration::from_secs(30),
            mark_every: Duration::from_secs(5),
            // Reads are served from memory. A page of a list takes less than a millisecond, so this is half of a core.
            calls_per_second: 500,
            call_burst: 2_000,
            // A change is an operation that the cluster works on. Draining a host by hand is hundreds of moves at once.
            changes_per_second: 50,
            change_burst: 1_000,
            // Work on different objects does not wait, so this many are a queue and no drain of a host. A program that follows
            // them has them on one connection, where no more than this has room.
            waiting_operations: 256,
        }
    }
}

impl Limits {
    /// How many of the connections are for administrators.
    pub fn reserved(&self) -> usize {
        let reserved = self
            .connections
            .saturating_mul(self.administrators_percent.into())
            .div_ceil(100);
        // A daemon with one place has none to reserve.
        reserved.min(self.connections - 1)
    }

    pub(super) fn check(&self) -> Result<(), Unfit> {
        for (field, value, least) in [
            ("limits.request_bytes", self.request_bytes, 4_096),
            ("limits.connections", self.connections, 1),
            ("limits.handshakes", self.handshakes, 1),
            ("limits.waiting_operations", self.waiting_operations, 1),
            ("limits.unread_bytes", self.unread_bytes, 4_096),
        ] {
            if value < least {
                return Err(Unfit::TooSmall {
                    field,
                    least: least as u64,
                });
            }
        }
        for (field, value, least) in [
            ("limits.streams_per_connection", self.streams_per_connection, 1),
            ("limits.call_burst", self.call_burst, 1),
            ("limits.change_burst", self.change_burst, 1),
        ] {
            if value < least {
                return Err(Unfit::TooSmall {
                    field,
                    least: least.into(),
                });
            }
        }
        for (field, value, most) in [
            ("limits.connections", self.connections, MOST_CONNECTIONS),
            ("limits.handshakes", self.handshakes, MOST_CONNECTIONS),
            ("limits.administrators_percent", self.administrators_percent.into(), 90),
        ] {
            if value > most {
                return Err(Unfit::TooMany { field, most });
            }
        }
        for (field, value, least, most) in [
            ("limits.handshake", self.handshake, SHORTEST, LONGEST),
            ("limits.first_bytes", self.first_bytes, SHORTEST, LONGEST),
            ("limits.request_body", self.request_body, SHORTEST, LONGEST),
            ("limits.idle", self.idle, SHORTEST, LONGEST),
            ("limits.connection_age", self.connection_age, SHORTEST, OLDEST),
            ("limits.unary", self.unary, SHORTEST, LONGEST),
            ("limits.mark_every", self.mark_every, FASTEST_MARKS, RAREST_MARKS),
        ] {
            if value > most {
                return Err(Unfit::TooLong { field, most });
            }
            if value < least {
                return Err(Unfit::TooShort { field, least });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: fn(&mut Limits)) -> Result<(), String> {
        let mut limits = Limits::default();
        change(&mut limits);
        limits.check().map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn times_are_bounded() {
        let refused = |text: &str| Err(String::from(text));
        assert_eq!(
            check(|limits| limits.mark_every = Duration::from_millis(9)),
            refused("`limits.mark_every` must be at least 10ms")
        );
        assert_eq!(check(|limits| limits.mark_every = Duration::from_millis(10)), Ok(()));
        assert_eq!(
            check(|limits| limits.mark_every = Duration::from_millis(5_001)),
            refused("`limits.mark_every` must be at most 5s")
        );
        assert_eq!(
            check(|limits| limits.unary = Duration::ZERO),
            refused("`limits.unary` must be at least 1ms")
        );
        assert_eq!(
            check(|limits| limits.first_bytes = Duration::MAX),
            refused("`limits.first_bytes` must be at most 1day")
        );
    }

    #[test]
    fn numbers_are_bounded() {
        let refused = |text: &str| Err(String::from(text));
        assert_eq!(check(|limits| limits.connections = MOST_CONNECTIONS), Ok(()));
        assert_eq!(
            check(|limits| limits.connections = MOST_CONNECTIONS + 1),
            refused("`limits.connections` must be at most 16777216")
        );
        assert_eq!(
            check(|limits| limits.streams_per_connection = 0),
            refused("`limits.streams_per_connection` must be at least 1")
        );
        assert_eq!(
            check(|limits| limits.waiting_operations = 0),
            refused("`limits.waiting_operations` must be at least 1")
        );
        assert_eq!(
            check(|limits| limits.administrators_percent = 91),
            refused("`limits.administrators_percent` must be at most 90")
        );
    }

    #[test]
    fn somebody_else_always_has_a_place() {
        let reserved = |connections, administrators_percent| {
            let limits = Limits {
                connections,
                administrators_percent,
                ..Limits::default()
            };
            limits.reserved()
        };
        assert_eq!(reserved(2_000, 5), 100);
        assert_eq!(reserved(10, 5), 1);
        assert_eq!(reserved(1, 5), 0);
        assert_eq!(reserved(10, 0), 0);
    }
}
