//! What is to be said to the daemon of one endpoint.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use wsfc_resource_channel::Closed;
use wsfc_resource_channel::to_daemon::Message;

use crate::call::Reach;

/// Messages that wait at most for a daemon that takes them too slowly; more, and it is taken for gone. Besides these, each
/// resource may have a few.
const LONGEST: usize = 16_384;
const FOR_EACH_RESOURCE: usize = 4;

/// Told statuses that are kept at most while the daemon is away; then the oldest are forgotten.
const KEPT: usize = 1024;

/// How long a connection must last before the daemon counts as having been there. A guess: longer than a daemon takes that
/// fails as soon as it has started.
pub(crate) const STEADY: Duration = Duration::from_secs(10);

/// A daemon, and what waits to be sent to it.
#[derive(Debug)]
pub(crate) struct Link {
    reach: Reach,
    /// While it is there: since when, and since when it had been away.
    opened: Option<(Instant, Instant)>,
    waiting: VecDeque<Message>,
    /// What a daemon that is away is to be told of resources that were terminated and are closed.
    ended: VecDeque<[Message; 3]>,
}

impl Link {
    /// A daemon that has not been reached yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            reach: Reach::Away { since: now },
            opened: None,
            waiting: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// Whether the daemon can be reached.
    pub(crate) const fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether the daemon can be reached.
    pub(crate) fn is_open(&self) -> bool {
        self.reach == Reach::Open
    }

    /// Says something. While the daemon is away only what it could not find out later is kept: what was told to the monitor,
    /// and what was terminated. The rest it learns when it is back.
    pub(crate) fn say(&mut self, message: Message) {
        match (self.reach, &message) {
            (Reach::Open, _) => {}
            (_, Message::Terminated(terminated)) => {
                let instance = terminated.instance;
                self.waiting.retain(|message| !is_termination_of(message, instance));
            }
            (_, Message::Told(_)) => {
                let told = |message: &Message| matches!(message, Message::Told(_));
                if self.waiting.len() >= KEPT
                    && self.waiting.iter().filter(|message| told(message)).count() >= KEPT
                    && let Some(oldest) = self.waiting.iter().position(told)
                {
                    self.waiting.remove(oldest);
                }
            }
            _ => return,
        }
        self.waiting.push_back(message);
    }

    /// The daemon is there: it is told how resources ended first, since there may be others of their names by now, then the
    /// opened resources, what waits of earlier calls, the calls that are under way, and what waits of them.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        opened: Vec<Message>,
        begun: Vec<Message>,
        is_of_a_call_under_way: impl Fn(&Message) -> bool,
    ) {
        if let Reach::Away { since } = self.reach {
            self.opened = Some((now, since));
        }
        self.reach = Reach::Open;
        let (later, earlier): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(is_of_a_call_under_way);
        self.waiting
            .extend(std::mem::take(&mut self.ended).into_iter().flatten());
        self.waiting.extend(opened);
        self.waiting.extend(earlier);
        self.waiting.extend(begun);
        self.waiting.extend(later);
    }

    /// The daemon is gone since then. One that is there for a moment again and again must not renew the time that it may be
    /// away, so the time that it was away before a short connection counts too. What was `unsent` when it was lost comes
    /// before what waits; of both, what the daemon could not find out is kept.
    pub(crate) fn lose(&mut self, gone: Instant, unsent: impl IntoIterator<Item = Message>) {
        if self.is_open() {
            let since = match self.opened.take() {
                Some((opened, since)) => {
                    let lasted = gone.saturating_duration_since(opened);
                    let before = opened.saturating_duration_since(since);
                    if lasted < STEADY {
                        gone.checked_sub(before)
                    } else {
                        None
                    }
                }
                None => None,
            };
            self.reach = Reach::Away {
                since: since.unwrap_or(gone),
            };
        }
        let waiting = std::mem::take(&mut self.waiting);
        for message in unsent.into_iter().chain(waiting) {
            self.say(message);
        }
    }

    /// Whether a termination of an instance waits.
    pub(crate) fn has_termination(&self, instance: u64) -> bool {
        self.waiting.iter().any(|message| is_termination_of(message, instance))
    }

    /// Says that an instance is no longer there. What waits for a daemon that is away is forgotten with it, since there is
    /// nobody for whom it matters; but not how it `ended`, if the cluster terminated it: its work may run. A daemon that was
    /// restarted does not know the instance, so it is told of that, too.
    pub(crate) fn close(&mut self, instance: u64, ended: Option<[Message; 2]>) {
        let closed = Message::Closed(Closed { instance });
        if self.is_open() {
            self.say(closed);
            return;
        }
        self.waiting.retain(|message| instance_of(message) != Some(instance));
        if let Some([opened, terminated]) = ended {
            if self.ended.len() >= KEPT {
                self.ended.pop_front();
            }
            self.ended.push_back([opened, terminated, closed]);
        }
    }

    /// What is to be sent next, at most so many, while the daemon is there.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Message> {
        if !self.is_open() {
            return Vec::new();
        }
        let count = self.waiting.len().min(most);
        self.waiting.drain(..count).collect()
    }

    /// Whether something is to be sent as soon as the daemon is there.
    pub(crate) fn has_more(&self) -> bool {
        !self.waiting.is_empty() || !self.ended.is_empty()
    }

    /// Whether more waits than a daemon that listens would leave.
    pub(crate) fn is_clogged(&self, resources: usize) -> bool {
        self.waiting.len() > LONGEST.saturating_add(resources.saturating_mul(FOR_EACH_RESOURCE))
    }
}

/// Whether a message says that an instance was terminated.
fn is_termination_of(message: &Message, instance: u64) -> bool {
    matches!(message, Message::Terminated(terminated) if terminated.instance == instance)
}

/// The resource that a message is about.
fn instance_of(message: &Message) -> Option<u64> {
    match message {
        Message::Hello(_) => None,
        Message::Opened(message) => Some(message.instance),
        Message::Begun(message) => Some(message.instance),
        Message::Told(message) => Some(message.instance),
        Message::Terminated(message) => Some(message.instance),
        Message::Closed(message) => Some(message.instance),
    }
}

#[cfg(test)]
mod tests {
    use wsfc_resource_channel::{Opened, Terminated, Told};

    use super::*;
    use crate::clock;

    fn told(instance: u64, check_point: u32) -> Message {
        Message::Told(Told {
            instance,
            call: 1,
            check_point,
            ..Told::default()
        })
    }

    fn terminated(instance: u64) -> Message {
        Message::Terminated(Terminated { instance, call: 1 })
    }

    fn opened(instance: u64) -> Message {
        Message::Opened(Opened {
            instance,
            ..Opened::default()
        })
    }

    #[test]
    fn only_what_the_daemon_could_not_find_out_is_kept_for_it() {
        let mut link = Link::new(clock::now());
        for message in [
            opened(1),
            told(1, 1),
            Message::Closed(Closed { instance: 3 }),
            terminated(2),
        ] {
            link.say(message);
        }
        assert_eq!(link.take(9), []);
        link.open(clock::now(), vec![opened(1)], vec![], |message| {
            instance_of(message) == Some(1)
        });
        assert_eq!(link.take(2), [opened(1), terminated(2)]);
        link.lose(clock::now(), []);
        link.open(clock::now(), vec![], vec![], |_| false);
        assert_eq!(link.take(9), [told(1, 1)]);
    }

    #[test]
    fn what_was_on_its_way_when_the_daemon_is_lost_is_said_before_what_waits() {
        let mut link = Link::new(clock::now());
        link.open(clock::now(), vec![], vec![], |_| false);
        for message in [opened(1), told(1, 1), told(1, 2), terminated(1), told(2, 1)] {
            link.say(message);
        }
        let mut unsent = link.take(4);
        // The daemon has taken one of them.
        unsent.remove(1);
        link.lose(clock::now(), unsent);
        link.open(clock::now(), vec![opened(1)], vec![], |_| false);
        assert_eq!(link.take(9), [opened(1), told(1, 2), terminated(1), told(2, 1)]);
        // No more are kept than of what waits.
        link.say(told(1, 4999));
        link.lose(clock::now(), (0..4999).map(|check_point| told(1, check_point)));
        link.open(clock::now(), vec![], vec![], |_| false);
        let kept = link.take(usize::MAX);
        assert_eq!((kept.len(), kept.last()), (KEPT, Some(&told(1, 4999))));
    }

    #[test]
    fn of_many_statuses_the_newest_are_kept_and_no_termination_is_forgotten() {
        let mut link = Link::new(clock::now());
        link.say(terminated(1));
        for check_point in 0..5000 {
            link.say(told(1, check_point));
        }
        link.open(clock::now(), vec![], vec![], |_| false);
        let kept = link.take(usize::MAX);
        assert_eq!(kept.len(), 1025);
        assert_eq!(kept.first(), Some(&terminated(1)));
        assert_eq!(kept.last(), Some(&told(1, 4999)));
    }

    #[test]
    fn a_termination_is_kept_once_and_outlives_its_resource() {
        let mut link = Link::new(clock::now());
        assert!(!link.has_more());
        for message in [terminated(1), told(1, 1), terminated(1), told(2, 1), terminated(3)] {
            link.say(message);
        }
        assert!(link.has_termination(1) && !link.has_termination(2));
        link.close(1, Some([opened(1), terminated(1)]));
        link.close(2, None);
        link.close(3, None);
        assert!(link.has_more());
        link.open(clock::now(), vec![opened(4)], vec![], |_| false);
        let closed = Message::Closed(Closed { instance: 1 });
        assert_eq!(link.take(9), [opened(1), terminated(1), closed, opened(4)]);
        assert!(!link.has_more());
    }

    #[test]
    fn a_daemon_that_comes_and_goes_does_not_renew_the_time_that_it_may_be_away() {
        let begin = clock::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let grace = Duration::from_secs(20);
        let mut link = Link::new(begin);
        link.open(at(3), vec![], vec![], |_| false);
        link.lose(at(5), []);
        assert_eq!(link.reach().over(grace), Some(at(22)), "3 of the 20 seconds are over");
        link.open(at(10), vec![], vec![], |_| false);
        link.lose(at(19), []);
        assert_eq!(link.reach().over(grace), Some(at(31)), "8 are");
        link.open(at(20), vec![], vec![], |_| false);
        link.lose(at(30), []);
        assert_eq!(link.reach().over(grace), Some(at(50)), "it was there");
    }

    #[test]
    fn a_daemon_that_takes_nothing_is_noticed() {
        let mut link = Link::new(clock::now());
        link.open(clock::now(), vec![], vec![], |_| false);
        for check_point in 0..20_000 {
            link.say(told(1, check_point));
        }
        assert!(link.is_clogged(1));
        assert!(!link.is_clogged(1000));
        link.lose(clock::now(), []);
        assert!(!link.is_clogged(1));
    }
}
