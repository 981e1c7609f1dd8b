//! The API for administrators of the host, at a socket or pipe: the operating system says who they are.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Accepted;
use super::connection::Peer;
use super::host::{self, HostListener, ListenError};
use crate::logging::chain;
use crate::settings::Settings;

/// How many are connected at most. They have places of their own, so that a flood from the network locks none of them out.
const MOST: usize = 256;

/// Listens for administrators of the host. The socket is taken away at the end.
#[derive(Debug)]
pub struct LocalListener {
    /// Absent until the endpoint can be had.
    listener: Option<HostListener>,
    endpoint: String,
}

impl LocalListener {
    /// Listens where the settings say. An endpoint that was not named need not be had; it is tried again.
    ///
    /// # Errors
    ///
    /// See [`ListenError`]; for an endpoint that was named.
    pub async fn of_settings(settings: &Settings) -> Result<Option<Self>, ListenError> {
        if !settings.listen.local {
            return Ok(None);
        }
        let endpoint = settings.local_endpoint();
        let listener = match HostListener::open(&endpoint).await {
            Ok(listener) => {
                tracing::info!(endpoint, "Administrators of this host can connect");
                Some(listener)
            }
            Err(error) if settings.listen.local_endpoint.is_none() => {
                let error = chain(&error);
                tracing::warn!(
                    endpoint,
                    error,
                    "Administrators of this host cannot connect until they can there"
                );
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Self { listener, endpoint }))
    }

    /// Accepts connections until told to stop, and deals them out to the serving threads in turn.
    pub async fn accept(self, serving: Vec<mpsc::Sender<Accepted>>, stop: CancellationToken) {
        tokio::select! {
            () = self.accept_all(&serving) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn accept_all(self, serving: &[mpsc::Sender<Accepted>]) {
        let mut listener = match self.listener {
            Some(listener) => listener,
            None => {
                let listener = HostListener::open_when_free(&self.endpoint).await;
                tracing::info!(endpoint = self.endpoint, "Administrators of this host can connect now");
                listener
            }
        };
        let places = Arc::new(Semaphore::new(MOST));
        for thread in serving.iter().cycle() {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let (stream, account) = listener.accept().await;
            let accepted = match host::detach(stream) {
                Ok(open) => Accepted::local(open, Peer::local(account), place),
                Err(error) => {
                    tracing::debug!(%error, "A connection of this host was gone at once");
                    continue;
                }
            };
            if thread.send(accepted).await.is_err() {
                tracing::error!("A serving thread has ended; the daemon stops accepting");
                return;
            }
        }
    }
}
