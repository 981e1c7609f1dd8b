//! Connections that are refused because of their client certificate, as events.
//!
//! Whoever can reach the address can be refused as often as they like, so the event log gets the first refusal at once, and
//! then one event a minute at most with the number of refusals since and the last of them. The daemon's log has each.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::events::{Event, EventLog};

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_secs(60);

/// Counts refusals and reports them. Clones count together.
#[derive(Clone)]
pub struct Refusals {
    events: Arc<dyn EventLog>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Refusals that no event tells of, and the last of them. A task waits to tell them.
    untold: u64,
    last: Option<(SocketAddr, String)>,
    last_event: Option<Instant>,
}

impl Refusals {
    /// Events go to this log.
    pub fn new(events: Arc<dyn EventLog>) -> Self {
        Self {
            events,
            state: Arc::default(),
        }
    }

    /// Counts a handshake that failed, if it did because of the client's certificate. Within a runtime.
    pub(super) fn count(&self, address: SocketAddr, error: &std::io::Error) {
        let Some(error) = refusal(error) else { return };
        let mut state = self.state();
        let is_first = state.untold == 0;
        state.untold += 1;
        state.last = Some((address, error));
        let next = state.last_event.map(|last| last + PAUSE);
        drop(state);
        match next.filter(|next| *next > Instant::now()) {
            None => self.tell(),
            // Those that come meanwhile are told by the same.
            Some(next) if is_first => {
                let refusals = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(next).await;
                    refusals.tell();
                });
            }
            Some(_) => {}
        }
    }

    /// Reports what was not told.
    fn tell(&self) {
        let mut state = self.state();
        let count = std::mem::take(&mut state.untold);
        let Some((address, error)) = state.last.take() else {
            return;
        };
        state.last_event = Some(Instant::now());
        drop(state);
        self.events.report(&Event::ClientRefused { count, address, error });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with the client's certificate, when that is why a handshake failed.
fn refusal(error: &std::io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(
        error,
        rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)
    )
    .then(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;
    use crate::events::RecordedEvents;

    fn refused() -> std::io::Error {
        std::io::Error::other(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_refusal_is_told_at_once_and_the_others_together() {
        let events = Arc::new(RecordedEvents::default());
        let refusals = Refusals::new(events.clone());
        let address = SocketAddr::from(([10, 0, 0, 1], 50_000));
        let counts = |events: Vec<Event>| -> Vec<u64> {
            let count = |event: &Event| match event {
                Event::ClientRefused { count, .. } => *count,
                other => panic!("{other:?}"),
            };
            events.iter().map(count).collect()
        };
        refusals.count(address, &refused());
        assert_eq!(counts(events.take()), [1]);
        refusals.count(address, &refused());
        refusals.clone().count(address, &refused());
        assert!(events.take().is_empty());
        tokio::time::sleep(PAUSE + Duration::from_millis(1)).await;
        assert_eq!(counts(events.take()), [2], "without another one");
        refusals.count(address, &refused());
        assert!(events.take().is_empty());
        tokio::time::sleep(PAUSE).await;
        assert_eq!(counts(events.take()), [1]);
    }

    #[tokio::test]
    async fn other_failures_are_no_refusals() {
        let events = Arc::new(RecordedEvents::default());
        let refusals = Refusals::new(events.clone());
        let address = SocketAddr::from(([10, 0, 0, 1], 50_000));
        refusals.count(address, &std::io::ErrorKind::UnexpectedEof.into());
        refusals.count(address, &std::io::Error::other(rustls::Error::DecryptError));
        assert!(events.take().is_empty());
    }
}
