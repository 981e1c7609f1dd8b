//! The API for administrators of the host, at a socket or pipe: the operating system says who they are.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wsfc_client::local::LocalEndpoint;

use super::connection::{Accepted, Peer};
use super::host::{self, HostListener, ListenError};
use super::registry::Connections;
use crate::logging::chain;
use crate::settings::Settings;

/// Listens for administrators of the host. The socket is taken away at the end.
#[derive(Debug)]
pub struct LocalListener {
    /// Absent until the endpoint can be had.
    listener: Option<HostListener>,
    path: String,
    /// The path as clients give it.
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
        let path = settings.local_endpoint();
        let endpoint = if cfg!(windows) {
            LocalEndpoint::Pipe(path.clone())
        } else {
            // A socket may be bound by a path that is not absolute, which is one way to a deep folder.
            LocalEndpoint::Socket(std::path::absolute(&path).unwrap_or_else(|_error| path.clone().into()))
        };
        let endpoint = endpoint.to_string();
        let listener = match HostListener::open(&path).await {
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
        Ok(Some(Self {
            listener,
            path,
            endpoint,
        }))
    }

    /// Accepts connections until told to stop, and deals them out to the serving threads in turn. They have the places that
    /// are kept for administrators, so that a flood from the network locks none of them out.
    pub async fn accept(self, serving: Vec<mpsc::Sender<Accepted>>, connections: Connections, stop: CancellationToken) {
        tokio::select! {
            () = self.accept_all(&serving, &connections) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn accept_all(self, serving: &[mpsc::Sender<Accepted>], connections: &Connections) {
        let mut listener = match self.listener {
            Some(listener) => listener,
            None => {
                let listener = HostListener::open_when_free(&self.path).await;
                tracing::info!(endpoint = self.endpoint, "Administrators of this host can connect now");
                listener
            }
        };
        let mut threads = serving.iter().cycle();
        loop {
            let (stream, account) = listener.accept().await;
            let Ok(guest) = connections.arrive(None) else {
                tracing::warn!("A connection of this host was refused: there are too many");
                continue;
            };
            let accepted = match host::detach(stream) {
                Ok(open) => Accepted::plain(open, Peer::local(account), guest),
                Err(error) => {
                    tracing::debug!(%error, "A connection of this host was gone at once");
                    continue;
                }
            };
            let Some(thread) = threads.next() else { return };
            if thread.send(accepted).await.is_err() {
                tracing::error!("A serving thread has ended; the daemon stops accepting");
                return;
            }
        }
    }
}
