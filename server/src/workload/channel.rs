//! The connection of a resource DLL: frames in and out, over whatever carries bytes.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wsfc_proto::v1;
use wsfc_resource_channel::frame::{self, FrameError, Incoming};
use wsfc_resource_channel::{Heartbeat, ToDaemon, ToMonitor, to_monitor};

use super::Workloads;
use super::hub::Channel;
use super::registry::{Garbage, HEARTBEAT};
use crate::journal::{Journal, ObserveError, appends};
use crate::logging::chain;

/// How long a DLL has to greet.
const GREET_FOR: Duration = Duration::from_secs(5);
/// How long a write may take.
const WRITE_FOR: Duration = Duration::from_secs(30);
/// How long what has arrived is read of a connection that is to end. A guess: longer than all that a socket holds takes, and
/// who never stops to speak does not keep the connection for ever.
const REST_FOR: Duration = Duration::from_secs(5);
/// How much is read at once.
const READ: usize = 64 * 1024;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side, or the system, has ended it.
    #[error("the connection has ended")]
    Io(#[from] std::io::Error),
    /// It is no frame.
    #[error("what was said is no frame")]
    Frame(#[from] FrameError),
    /// It makes no sense.
    #[error("what was said makes no sense")]
    Garbage(#[from] Garbage),
    /// Nothing was said.
    #[error("nothing was said for {}", humantime::format_duration(GREET_FOR))]
    Silent,
    /// The other side does not read.
    #[error("nothing was read for {}", humantime::format_duration(WRITE_FOR))]
    Stuck,
    /// The journal takes nothing more.
    #[error("what was told cannot be recorded")]
    Journal(#[from] ObserveError),
}

/// Serves a connection until it ends, in either direction, or `stop` is cancelled. Then what has arrived is still taken.
///
/// # Errors
///
/// See [`ChannelError`]. An orderly end is none.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite,
    workloads: &Workloads,
    journal: &Journal,
    stop: &CancellationToken,
) -> Result<(), ChannelError> {
    let channel = workloads.channel();
    let (mut input, mut output) = tokio::io::split(stream);
    let mut reading = Reading {
        channel: &channel,
        workloads,
        journal,
        incoming: Incoming::default(),
        buffer: vec![0; READ],
        told: Vec::new(),
        has_greeted: false,
    };
    let read = async {
        tokio::select! {
            biased;
            ended = reading.all(&mut input) => return ended,
            () = stop.cancelled() => {}
        }
        reading.rest(&mut input).await
    };
    let ended = tokio::select! {
        ended = read => return ended,
        ended = write(&channel, &mut output) => ended,
    };
    // A DLL that takes nothing more, or has a newer connection, does not tell again what it has told on this one.
    ended.and(reading.rest(&mut input).await)
}

/// Sends what the DLL is to be told, and that the daemon is there when that is nothing.
///
/// Each heartbeat passes the registry, so that a daemon whose registry hangs falls silent.
async fn write(channel: &Channel, output: &mut (impl AsyncWrite + Unpin)) -> Result<(), ChannelError> {
    let mut bytes = Vec::new();
    loop {
        let messages = match tokio::time::timeout(HEARTBEAT, channel.next()).await {
            Ok(messages) if messages.is_empty() => return Ok(()),
            Ok(messages) => messages,
            Err(_elapsed) => vec![to_monitor::Message::Heartbeat(Heartbeat {})],
        };
        bytes.clear();
        for message in messages {
            let message = ToMonitor { message: Some(message) };
            frame::encode(&message, &mut bytes)?;
        }
        let written = tokio::time::timeout(WRITE_FOR, output.write_all(&bytes)).await;
        written.map_err(|_elapsed| ChannelError::Stuck)??;
    }
}

struct Reading<'c> {
    channel: &'c Channel,
    workloads: &'c Workloads,
    journal: &'c Journal,
    incoming: Incoming,
    buffer: Vec<u8>,
    /// What was told and is not yet given to the journal.
    told: Vec<v1::ResourceStatus>,
    has_greeted: bool,
}

impl Reading<'_> {
    /// Takes what arrives, to the end. Dropped, it has lost nothing that it has read.
    async fn all(&mut self, input: &mut (impl AsyncRead + Unpin)) -> Result<(), ChannelError> {
        loop {
            let read = if self.has_greeted {
                input.read(&mut self.buffer).await?
            } else {
                let first = tokio::time::timeout(GREET_FOR, input.read(&mut self.buffer)).await;
                first.map_err(|_elapsed| ChannelError::Silent)??
            };
            if read == 0 {
                return Ok(());
            }
            self.arrived(read).await?;
        }
    }

    /// Takes what has arrived already, and no more. The time that it takes is bounded between two reads only, so that nothing
    /// is dropped that has been read.
    async fn rest(&mut self, input: &mut (impl AsyncRead + Unpin)) -> Result<(), ChannelError> {
        self.record().await?;
        let until = Instant::now() + REST_FOR;
        while Instant::now() < until {
            // The runtime looks what has arrived before this goes on; a read that is not waited for would not make it look.
            tokio::task::yield_now().await;
            match tokio::time::timeout(Duration::ZERO, input.read(&mut self.buffer)).await {
                Err(_elapsed) => break,
                Ok(read) => match read? {
                    0 => break,
                    read => self.arrived(read).await?,
                },
            }
        }
        Ok(())
    }

    /// Takes what has been read into the buffer.
    async fn arrived(&mut self, read: usize) -> Result<(), ChannelError> {
        self.incoming.extend(self.buffer.get(..read).unwrap_or_default());
        let taken = self.take();
        // What was told before something that makes no sense was told all the same.
        self.record().await?;
        taken
    }

    /// Takes the messages that are whole.
    fn take(&mut self) -> Result<(), ChannelError> {
        loop {
            match self.incoming.take::<ToDaemon>()? {
                None => return Ok(()),
                // Of a later release.
                Some(ToDaemon { message: None }) => {}
                Some(ToDaemon { message: Some(message) }) => {
                    self.told.extend(self.channel.says(message)?);
                    self.has_greeted = true;
                }
            }
        }
    }

    /// Records what was told, and returns when it is durable.
    async fn record(&mut self) -> Result<(), ChannelError> {
        if self.told.is_empty() {
            return Ok(());
        }
        let resources: BTreeSet<_> = self.told.iter().map(|status| status.resource.as_str()).collect();
        self.workloads.location().find(resources.into_iter()).await;
        let told = std::mem::take(&mut self.told);
        let events = told.into_iter().map(|mut status| v1::ClusterEvent {
            cluster: self.workloads.location().place(&mut status),
            changes: vec![v1::ChangeType::ResourceStatus.into()],
            resource_status: Some(status),
            ..v1::ClusterEvent::default()
        });
        // All are asked for before one is waited for, so that they are recorded though this be dropped.
        let replies: Vec<_> = appends(events).map(|append| self.journal.observe(append)).collect();
        for reply in replies {
            reply.await?;
        }
        Ok(())
    }
}

/// Logs how a connection has ended.
pub(super) fn log_end(ended: Result<(), ChannelError>) {
    match ended {
        Ok(()) => tracing::debug!("A resource DLL has gone"),
        Err(ChannelError::Io(error)) => tracing::debug!(%error, "The connection of a resource DLL has ended"),
        Err(error) => tracing::warn!(error = chain(&error), "The connection of a resource DLL was closed"),
    }
}
