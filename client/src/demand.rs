//! Whether a daemon ended a handshake because it demands a certificate.
//!
//! With TLS 1.3 the client's part of the handshake is over before the daemon has looked, so that what the daemon says comes
//! with the first bytes that are read; and HTTP/2 passes on its words only, not what it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use rustls::AlertDescription;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether it was demanded; seen from outside while a stream is in use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand(Arc<AtomicBool>);

impl Demand {
    pub(crate) fn was_heard(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Looks whether an error of the stream is that demand (RFC 8446, section 6.2).
    pub(crate) fn look_at(&self, error: &io::Error) {
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) = inner {
            self.0.store(true, Ordering::Release);
        }
    }
}

/// A stream whose errors are looked at.
pub(crate) struct Attentive<S> {
    stream: S,
    demand: Demand,
}

impl<S> Attentive<S> {
    pub(crate) fn new(stream: S, demand: Demand) -> Self {
        Self { stream, demand }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attentive<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if let Poll::Ready(Err(error)) = &read {
            this.demand.look_at(error);
        }
        read
    }
}

impl<S: AsyncRead + Unpin> Attentive<S> {
    /// The daemon takes nothing more. Why may be on its way still, and nobody reads after this, so it is waited for: whoever
    /// closes a connection ends what can be read of it, too.
    fn last_words(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut buffer = [0; 256];
            let mut buffer = ReadBuf::new(&mut buffer);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if buffer.filled().is_empty() => return Poll::Ready(()),
                Ok(()) => {}
                Err(error) => {
                    self.demand.look_at(&error);
                    return Poll::Ready(());
                }
            }
        }
    }

    fn after<T>(&mut self, cx: &mut Context<'_>, done: io::Result<T>) -> Poll<io::Result<T>> {
        if done.is_err() {
            ready!(self.last_words(cx));
        }
        Poll::Ready(done)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Attentive<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes));
        this.after(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(cx));
        this.after(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demand_for_a_certificate_is_told_from_other_alerts() {
        let heard = |error: io::Error| {
            let demand = Demand::default();
            demand.look_at(&error);
            demand.was_heard()
        };
        let alert = |alert| io::Error::new(io::ErrorKind::InvalidData, rustls::Error::AlertReceived(alert));
        assert!(heard(alert(AlertDescription::CertificateRequired)));
        assert!(!heard(alert(AlertDescription::CertificateRevoked)));
        assert!(!heard(io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(!heard(io::Error::other("received fatal alert: CertificateRequired")));
    }
}
