//! Events on their way to the system's event log, which is another process: a thread waits for it, and nobody else does.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use wsfcd::events::{Event, EventLog, LoggedEvents};

/// Events that may wait. They are rare; so many wait only when the event log hangs.
const WAITING: usize = 1_024;

/// What the thread gets.
enum Item {
    Event(Box<Event>),
    /// Everything before this has been reported when it is answered.
    Flush(SyncSender<()>),
}

/// The event log of a service.
#[derive(Debug, Clone)]
pub struct QueuedEvents(SyncSender<Item>);

impl QueuedEvents {
    /// Reports events by `report`, on a thread of its own, in their order.
    ///
    /// # Errors
    ///
    /// The system gave no thread.
    pub fn start(report: impl FnMut(&Event) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        std::thread::Builder::new()
            .name("wsfcd-events".into())
            .spawn(move || pass_on(&receiver, report))?;
        Ok(Self(sender))
    }

    /// Waits until everything that was reported so far has been passed on, for `longest` at most; says whether it has.
    pub fn flush(&self, longest: Duration) -> bool {
        let (done, passed_on) = sync_channel(1);
        // The thread answers or nobody does; a full queue is one that hangs.
        self.0.try_send(Item::Flush(done)).is_ok() && passed_on.recv_timeout(longest).is_ok()
    }
}

fn pass_on(items: &Receiver<Item>, mut report: impl FnMut(&Event) -> io::Result<()>) {
    for item in items {
        match item {
            Item::Event(event) => {
                if let Err(error) = report(&event) {
                    tracing::warn!(%error, event = event.message().id, text = event.text(), "The event log did not take an event");
                }
            }
            // Whoever waited may have given up.
            Item::Flush(done) => drop(done.try_send(())),
        }
    }
}

impl EventLog for QueuedEvents {
    fn report(&self, event: &Event) {
        LoggedEvents.report(event);
        match self.0.try_send(Item::Event(Box::new(event.clone()))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                tracing::warn!(
                    event = event.message().id,
                    text = event.text(),
                    "The event log hangs and misses an event"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};

    use wsfcd::events::{MESSAGES, Message};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn started(port: u16) -> Event {
        Event::Started {
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    /// What the message compiler reads, made of the events.
    fn message_file() -> String {
        let mut file = String::from(
            "; The texts of the daemon's events, for the message table of wsfcd.exe. They are those of `wsfcd::events::MESSAGES`; a test\n\
             ; of `wsfcd` keeps the two the same.\n\n\
             MessageIdTypedef=DWORD\n\
             SeverityNames=(Information=0x1:SEVERITY_INFORMATION Warning=0x2:SEVERITY_WARNING Error=0x3:SEVERITY_ERROR)\n\
             FacilityNames=(None=0x0:FACILITY_NONE)\n\
             LanguageNames=(English=0x409:MSG00409)\n",
        );
        for Message {
            id,
            name,
            severity,
            text,
        } in MESSAGES
        {
            file += &format!(
                "\nMessageId={id}\nSeverity={severity:?}\nFacility=None\nSymbolicName=EVENT_{name}\nLanguage=English\n{text}\n.\n"
            );
        }
        file
    }

    #[test]
    fn the_message_file_has_the_texts_of_the_events() {
        let file = include_str!("../../../windows/events.mc");
        let expected = message_file();
        assert!(file == expected, "server/windows/events.mc should be:\n{expected}");
    }

    #[test]
    fn events_are_passed_on_in_their_order() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let events = QueuedEvents::start(move |event| {
            sink.lock().unwrap().push(event.clone());
            // What the log refuses holds nothing up.
            Err(io::ErrorKind::Other.into())
        })
        .unwrap();
        for port in 1..=10 {
            events.report(&started(port));
        }
        events.report(&Event::Stopped);
        assert!(events.flush(LONG));
        let expected: Vec<Event> = (1..=10).map(started).chain([Event::Stopped]).collect();
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[test]
    fn an_event_log_that_hangs_holds_nobody_up() {
        let (go, gone) = channel::<()>();
        let (seen, first) = channel();
        let mut reported = 0;
        let events = QueuedEvents::start(move |_event| {
            seen.send(reported).unwrap();
            reported += 1;
            // Hangs until the test is over.
            let _ = gone.recv();
            Ok(())
        })
        .unwrap();
        events.report(&Event::Stopped);
        assert_eq!(first.recv_timeout(LONG), Ok(0), "the first is in the hands of the log");
        for _ in 0..=WAITING {
            events.report(&Event::Stopped);
        }
        assert!(!events.flush(LONG), "nothing more is taken");
        drop(go);
        let others: Vec<i32> = first.into_iter().take(WAITING).collect();
        assert_eq!(others.last(), Some(&i32::try_from(WAITING).unwrap()));
    }
}
