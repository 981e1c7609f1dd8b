//! A connection to a daemon, which is made again when it is lost.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Interest, Registry, Token};
use wsfc_resource_channel::frame::{self, FrameError, Incoming};
use wsfc_resource_channel::to_daemon::Message;
use wsfc_resource_channel::{Hello, ToDaemon, ToMonitor, VERSION, Welcome};

use crate::link::STEADY;
use crate::stream::{self, Stream};

/// How long the first pause before another try is, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a daemon that has taken the connection may take to say so.
const GREETING: Duration = Duration::from_secs(5);

/// A daemon is taken for one that hangs when it has left out so many heartbeats.
const MISSED_BEATS: u32 = 3;

/// Bytes that are read of one daemon before the others have their turn.
const READ_AT_ONCE: usize = 1 << 18;

/// Bytes that wait encoded before more messages are.
const WRITE_AHEAD: usize = 1 << 16;

/// How many connections were begun, to any daemon.
static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// Why a connection is no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The daemon has closed it.
    #[error("the daemon has closed the connection")]
    Closed,
    /// It has failed.
    #[error("the connection has failed: {0}")]
    Failed(#[from] io::Error),
    /// What the daemon says cannot be understood.
    #[error("the daemon cannot be understood: {0}")]
    Frame(#[from] FrameError),
    /// Somebody else serves the endpoint.
    #[error("the endpoint is not used: {0}")]
    Stranger(#[from] wsfc_peer::Stranger),
    /// The daemon says something before its welcome.
    #[error("the daemon says something before its welcome")]
    Unwelcome,
    /// The daemon does not greet.
    #[error("the daemon does not answer")]
    NoGreeting,
    /// The daemon hangs.
    #[error("the daemon has fallen silent")]
    Silent {
        /// When it said something last.
        since: Instant,
    },
    /// The daemon does not read.
    #[error("the daemon does not read what it is told")]
    Clogged,
}

impl Lost {
    /// Since when the daemon is gone, where the loss was seen just now.
    pub(crate) const fn since(&self, now: Instant) -> Instant {
        match *self {
            Self::Silent { since } => since,
            _ => now,
        }
    }
}

/// How far the connection is.
#[derive(Debug)]
enum Phase {
    /// There is none until then.
    Pause {
        /// When the next try is due.
        until: Instant,
    },
    /// The daemon is to say that it takes the DLL.
    Greeting {
        /// The connection.
        stream: Stream,
        /// Until when.
        until: Instant,
    },
    /// It is there.
    Open {
        /// The connection.
        stream: Stream,
        /// Since then.
        since: Instant,
        /// When the daemon said something last.
        heard: Instant,
        /// How long it may say nothing; `None` for one that does not promise to say anything.
        silence: Option<Duration>,
    },
}

/// The connection to the daemon of one endpoint.
#[derive(Debug)]
pub(crate) struct Channel {
    endpoint: String,
    token: Token,
    phase: Phase,
    /// How long the next pause is.
    pause: Duration,
    incoming: Incoming,
    outgoing: Vec<u8>,
    /// How many of `outgoing` have been sent.
    sent: usize,
    /// Where each message in `outgoing` ends.
    ends: VecDeque<usize>,
    /// Whether there may be more to read than was read.
    more: bool,
    /// It is known that somebody else serves the endpoint.
    is_warned: bool,
}

impl Channel {
    /// A connection that is to be made now.
    pub(crate) fn new(endpoint: String, token: Token, now: Instant) -> Self {
        Self {
            endpoint,
            token,
            phase: Phase::Pause { until: now },
            pause: FIRST_PAUSE,
            incoming: Incoming::default(),
            outgoing: Vec::new(),
            sent: 0,
            ends: VecDeque::new(),
            more: false,
            is_warned: false,
        }
    }

    /// The token of its events.
    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Whether the daemon has taken the DLL.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Whether something is still to be sent.
    pub(crate) const fn is_sending(&self) -> bool {
        self.is_open() && self.sent < self.outgoing.len()
    }

    /// When the connection wants to be looked after by [`Channel::step`] and [`Channel::listen`]; `None` when only the daemon
    /// can change anything.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Pause { until } | Phase::Greeting { until, .. } => Some(until),
            Phase::Open { heard, silence, .. } => heard.checked_add(silence?),
        }
    }

    /// Whether it wants to read again at once.
    pub(crate) const fn wants_more(&self) -> bool {
        self.more
    }

    /// Connects when it is time, and says hello.
    ///
    /// # Errors
    ///
    /// Somebody else than the daemon serves the endpoint; that is told once until the daemon is there. Any other try that
    /// fails is none.
    pub(crate) fn step(&mut self, registry: &Registry, monitor_id: &str, now: Instant) -> Result<(), Lost> {
        let Phase::Pause { until } = self.phase else {
            return Ok(());
        };
        if until > now {
            return Ok(());
        }
        match self.connect(registry, monitor_id, now) {
            Err(Lost::Stranger(stranger)) if !self.is_warned => {
                self.is_warned = true;
                return Err(stranger.into());
            }
            Err(_) => {
                // The greeting is all that was to be sent.
                let _greeting = self.hang_up(registry, now, now);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Whether the daemon has said nothing for too long. `now` must be a time at which the system was asked for what has
    /// arrived, and that be read: the thread may have been held up in the monitor longer than the daemon was silent.
    ///
    /// # Errors
    ///
    /// It has, so there is no connection any more.
    pub(crate) fn listen(&self, now: Instant) -> Result<(), Lost> {
        match self.phase {
            Phase::Greeting { until, .. } if until <= now => Err(Lost::NoGreeting),
            Phase::Open { heard, .. } if self.due().is_some_and(|due| due <= now) => Err(Lost::Silent { since: heard }),
            _ => Ok(()),
        }
    }

    fn connect(&mut self, registry: &Registry, monitor_id: &str, now: Instant) -> Result<(), Lost> {
        let mut stream = stream::connect(&self.endpoint)?;
        wsfc_peer::check(&stream)?;
        registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        self.phase = Phase::Greeting {
            stream,
            until: now + GREETING,
        };
        self.encode(Message::Hello(Hello {
            version: VERSION,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            process_id: std::process::id(),
            monitor_id: monitor_id.to_owned(),
            connection: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        }))?;
        self.write()
    }

    /// The daemon takes the DLL.
    pub(crate) fn welcome(&mut self, welcome: &Welcome, now: Instant) {
        self.is_warned = false;
        let beat = Some(Duration::from_millis(welcome.heartbeat_ms)).filter(|beat| !beat.is_zero());
        let pause = Phase::Pause { until: now };
        self.phase = match std::mem::replace(&mut self.phase, pause) {
            Phase::Greeting { stream, .. } => Phase::Open {
                stream,
                since: now,
                heard: now,
                silence: beat.map(|beat| beat.saturating_mul(MISSED_BEATS)),
            },
            phase => phase,
        };
    }

    /// Ends the connection with a daemon that is gone since then; another is tried after a pause. Gives back what the daemon
    /// cannot have read, in order, since what waited here is nowhere else any more.
    #[must_use]
    pub(crate) fn hang_up(&mut self, registry: &Registry, gone: Instant, now: Instant) -> Vec<Message> {
        if let Phase::Open { since, .. } = self.phase
            && gone.saturating_duration_since(since) >= STEADY
        {
            self.pause = FIRST_PAUSE;
        }
        if let Phase::Greeting { stream, .. } | Phase::Open { stream, .. } = &mut self.phase {
            // It is closed next, so it does not matter whether this works.
            let _unregistered = registry.deregister(stream);
        }
        self.phase = Phase::Pause {
            until: now + self.pause,
        };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.incoming = Incoming::default();
        self.more = false;
        self.take_unsent()
    }

    /// Takes out the messages that were not sent to their last byte. A part of one is none to the daemon; and one that was
    /// sent is not among them, since the daemon may have read it and would take it for another.
    pub(crate) fn take_unsent(&mut self) -> Vec<Message> {
        let ends = std::mem::take(&mut self.ends);
        let begin = ends.into_iter().take_while(|end| *end <= self.sent).last();
        let mut unsent = Incoming::default();
        unsent.extend(self.outgoing.get(begin.unwrap_or(0)..).unwrap_or_default());
        self.outgoing.clear();
        self.sent = 0;
        let messages = std::iter::from_fn(|| unsent.take::<ToDaemon>().ok().flatten());
        messages.filter_map(|message| message.message).collect()
    }

    /// What the daemon has said.
    ///
    /// # Errors
    ///
    /// Why there is no connection any more. What had been said before is lost with it.
    pub(crate) fn read(&mut self, now: Instant) -> Result<Vec<ToMonitor>, Lost> {
        self.more = false;
        let (Phase::Greeting { stream, .. } | Phase::Open { stream, .. }) = &mut self.phase else {
            return Ok(Vec::new());
        };
        let mut buffer = [0; 1 << 14];
        let mut total = 0;
        let mut end = None;
        while total < READ_AT_ONCE {
            match stream.read(&mut buffer) {
                Ok(0) => {
                    end = Some(Lost::Closed);
                    break;
                }
                Ok(count) => {
                    self.incoming.extend(buffer.get(..count).unwrap_or_default());
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    end = Some(error.into());
                    break;
                }
            }
        }
        if let Phase::Open { heard, .. } = &mut self.phase
            && total > 0
        {
            *heard = now;
        }
        self.more = total >= READ_AT_ONCE;
        let mut messages = Vec::new();
        while let Some(message) = self.incoming.take()? {
            messages.push(message);
        }
        match end {
            // What the daemon said with its last breath counts; the end is seen by the next read.
            Some(_) if !messages.is_empty() => {
                self.more = true;
                Ok(messages)
            }
            Some(lost) => Err(lost),
            None => Ok(messages),
        }
    }

    /// Whether more messages may be encoded.
    pub(crate) const fn has_room(&self) -> bool {
        self.outgoing.len() - self.sent < WRITE_AHEAD
    }

    /// Puts a message behind those that are to be sent.
    ///
    /// # Errors
    ///
    /// It is too long.
    pub(crate) fn encode(&mut self, message: Message) -> Result<(), FrameError> {
        let message = ToDaemon { message: Some(message) };
        frame::encode(&message, &mut self.outgoing)?;
        self.ends.push_back(self.outgoing.len());
        Ok(())
    }

    /// Sends what the daemon takes.
    ///
    /// # Errors
    ///
    /// Why there is no connection any more.
    pub(crate) fn write(&mut self) -> Result<(), Lost> {
        let (Phase::Greeting { stream, .. } | Phase::Open { stream, .. }) = &mut self.phase else {
            return Ok(());
        };
        while let Some(rest) = self.outgoing.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match stream.write(rest) {
                Ok(0) => return Err(Lost::Closed),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing.clear();
        self.ends.clear();
        self.sent = 0;
        Ok(())
    }
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "how a test fails, outside of test functions too")]
mod tests {
    use wsfc_resource_channel::{Closed, Heartbeat, Told, to_monitor};

    use super::*;
    use crate::clock;

    /// A connection that was made at a time, and the daemon's end of it.
    fn connection(now: Instant) -> (Channel, std::os::unix::net::UnixStream) {
        let (stream, daemon) = std::os::unix::net::UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut channel = Channel::new("here".to_owned(), Token(1), now);
        channel.phase = Phase::Greeting {
            stream: Stream::from_std(stream),
            until: now + GREETING,
        };
        (channel, daemon)
    }

    fn welcome(heartbeat_ms: u64) -> Welcome {
        Welcome {
            heartbeat_ms,
            ..Welcome::default()
        }
    }

    #[test]
    fn a_daemon_that_promised_heartbeats_hangs_when_it_has_left_out_three() {
        let begin = clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let (mut channel, mut daemon) = connection(begin);
        assert!(channel.listen(at(4)).is_ok());
        assert!(matches!(channel.listen(at(5)), Err(Lost::NoGreeting)));
        channel.welcome(&welcome(10_000), at(4));
        assert_eq!(channel.due(), Some(at(34)));
        assert!(channel.listen(at(33)).is_ok());
        // Half of a message is a sign of life, too, and a read that finds nothing is none.
        let mut beat = Vec::new();
        let message = Some(to_monitor::Message::Heartbeat(Heartbeat {}));
        frame::encode(&ToMonitor { message }, &mut beat).unwrap();
        for (time, part) in [(20, &beat[..3]), (40, &beat[3..])] {
            daemon.write_all(part).unwrap();
            channel.read(at(time)).unwrap();
            channel.read(at(time + 9)).unwrap();
            assert_eq!(channel.due(), Some(at(time + 30)));
        }
        assert!(channel.listen(at(69)).is_ok());
        let lost = channel.listen(at(70)).unwrap_err();
        assert!(matches!(lost, Lost::Silent { .. }));
        assert_eq!(lost.since(at(99)), at(40));
    }

    #[test]
    fn a_daemon_that_promised_nothing_may_be_silent() {
        let begin = clock::now();
        let (mut channel, _daemon) = connection(begin);
        channel.welcome(&welcome(0), begin);
        assert_eq!(channel.due(), None);
        assert!(channel.listen(begin + Duration::from_secs(1 << 30)).is_ok());
        let (mut channel, _daemon) = connection(begin);
        channel.welcome(&welcome(u64::MAX), begin);
        assert!(channel.listen(begin + Duration::from_secs(1 << 30)).is_ok());
    }

    /// The messages that are there as a whole.
    fn read(bytes: &[u8]) -> Vec<Message> {
        let mut incoming = Incoming::default();
        incoming.extend(bytes);
        let messages = std::iter::from_fn(|| incoming.take::<ToDaemon>().unwrap());
        messages.filter_map(|message| message.message).collect()
    }

    #[test]
    fn a_message_that_was_sent_in_part_was_not_sent() {
        let messages = || (1..4).map(|instance| Message::Closed(Closed { instance }));
        for sent in 0.. {
            let mut channel = Channel::new("here".to_owned(), Token(1), clock::now());
            for message in messages() {
                channel.encode(message).unwrap();
            }
            let Some(bytes) = channel.outgoing.get(..sent) else {
                break;
            };
            let mut all = read(bytes);
            channel.sent = sent;
            all.extend(channel.take_unsent());
            assert!(all.into_iter().eq(messages()), "{sent} bytes were sent");
        }
    }

    #[test]
    fn what_was_not_wholly_sent_when_a_daemon_is_lost_is_given_back_and_nothing_else() {
        let now = clock::now();
        let poll = mio::Poll::new().unwrap();
        let told = |check_point| {
            Message::Told(Told {
                check_point,
                message: "x".repeat(1000),
                ..Told::default()
            })
        };
        // Of a daemon that reads nothing, and of one that has read a part.
        for part in [0, 50_000] {
            let (mut channel, mut daemon) = connection(now);
            channel.welcome(&welcome(0), now);
            let (mut said, mut bytes) = (0, vec![0; part]);
            for reads in [false, true] {
                if reads {
                    daemon.read_exact(&mut bytes).unwrap();
                    channel.write().unwrap();
                }
                while channel.has_room() {
                    channel.encode(told(said)).unwrap();
                    said += 1;
                    channel.write().unwrap();
                    assert!(said < 10_000, "the daemon takes everything");
                }
            }
            let unsent = channel.hang_up(poll.registry(), now, now);
            assert!(!unsent.is_empty() && !channel.is_sending());
            assert_eq!(channel.hang_up(poll.registry(), now, now), []);
            daemon.read_to_end(&mut bytes).unwrap();
            let mut taken = read(&bytes);
            assert!(!taken.is_empty());
            taken.extend(unsent);
            assert!(taken.into_iter().eq((0..said).map(told)));
        }
    }
}
