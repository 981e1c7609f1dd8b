//! A stream of messages that is opened again whenever it breaks: what all streams of this library have in common.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::Error;

/// The messages of an open stream.
pub(crate) type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A stream that is being opened: it and the number of its connection, or what went wrong and on which connection.
pub(crate) type Opening<M> = BoxFuture<'static, Result<(Messages<M>, u64), (Error, Option<u64>)>>;

/// What a line has to tell.
#[derive(Debug)]
pub(crate) enum Signal<M> {
    /// The next message; the first one since the connection was lost when `resumed`.
    Message { message: M, resumed: bool },
    /// The stream has ended without an error.
    Closed,
    /// The connection is lost, and is tried again after a pause.
    Lost(Loss),
}

/// A lost connection.
#[derive(Debug)]
pub(crate) struct Loss {
    /// The number of the coming attempt since the connection was lost, from 1.
    pub(crate) attempt: u32,
    /// The pause before it.
    pub(crate) delay: Duration,
    /// What went wrong.
    pub(crate) error: Error,
}

/// A stream, or the way to the next one.
pub(crate) struct Line<M> {
    client: Client,
    /// The method of the contract, for errors.
    method: &'static str,
    backoff: Backoff,
    state: State<M>,
    /// How long an open stream may say nothing; `None` for streams whose daemon promises no sign of life.
    patience: Option<Duration>,
    /// The connection that the present or the last stream ran over.
    generation: Option<u64>,
    /// When the connection was lost; `None` while all is well.
    lost: Option<Instant>,
}

enum State<M> {
    /// The next stream is to be opened.
    Due,
    /// A stream is asked for.
    Opening(Opening<M>),
    /// A stream is open; the timer, where silence is a sign, ends when it has been silent for too long.
    Streaming {
        messages: Messages<M>,
        silence: Option<Pin<Box<Sleep>>>,
    },
    /// The pause before the next attempt.
    Pausing(Pin<Box<Sleep>>),
}

impl<M> Line<M> {
    pub(crate) fn new(client: Client, method: &'static str) -> Self {
        let backoff = client.backoff();
        let patience = Some(client.options().silence_timeout);
        Self {
            client,
            method,
            backoff,
            state: State::Due,
            patience,
            generation: None,
            lost: None,
        }
    }

    /// A line whose streams may be silent for as long as they like, since the connection beneath is probed anyway, and
    /// whose pauses are no longer than `longest`.
    pub(crate) fn quiet(client: Client, method: &'static str, longest: Duration) -> Self {
        let initial = client.options().retry_initial;
        let longest = longest.min(client.options().retry_longest);
        Self {
            backoff: Backoff::new(initial.min(longest), longest),
            patience: None,
            ..Self::new(client, method)
        }
    }

    /// A line whose first stream is open already; `opened_by` is the method that opened it.
    pub(crate) fn open(client: Client, opened_by: &'static str, messages: Messages<M>, generation: u64) -> Self {
        let mut line = Self::new(client, opened_by);
        let silence = line.patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
        line.state = State::Streaming { messages, silence };
        line.generation = Some(generation);
        line
    }

    /// Something new has come, so the daemon is well, and pauses begin anew with the shortest. A mark alone does not
    /// show it: a daemon that breaks off after its first mark would be asked without pause.
    pub(crate) fn all_is_well(&mut self) {
        self.backoff.reset();
    }

    /// Opens the next stream at once, over the connection that there is.
    pub(crate) fn reopen(&mut self) {
        self.lost = None;
        self.state = State::Due;
    }

    /// Decides what follows from an error: another attempt, or the end with that error.
    pub(crate) fn lose(&mut self, error: Error) -> Result<Loss, Error> {
        let lost = *self.lost.get_or_insert_with(Instant::now);
        let patience = self.client.options().follow_timeout;
        if !error.is_passing() || patience.is_some_and(|patience| lost.elapsed() >= patience) {
            return Err(error);
        }
        let delay = self.backoff.next(error.retry_delay());
        let attempt = self.backoff.attempt();
        tracing::debug!(method = self.method, attempt, ?delay, error = %error, "Resuming a stream");
        self.state = State::Pausing(Box::pin(tokio::time::sleep(delay)));
        Ok(Loss { attempt, delay, error })
    }

    /// The next signal, or the error that ends the line. `open` asks for a stream from where the caller stands; it is
    /// told the connection that broke.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        method: &'static str,
        open: impl Fn(Client, Option<u64>) -> Opening<M>,
    ) -> Poll<Result<Signal<M>, Error>> {
        loop {
            match &mut self.state {
                State::Due => {
                    self.method = method;
                    self.state = State::Opening(open(
                        self.client.clone(),
                        self.generation.filter(|_| self.lost.is_some()),
                    ));
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok((messages, generation)) => {
                        self.generation = Some(generation);
                        let silence = self.patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
                        self.state = State::Streaming { messages, silence };
                    }
                    Err((error, generation)) => {
                        self.generation = generation.or(self.generation);
                        return Poll::Ready(self.lose(error).map(Signal::Lost));
                    }
                },
                State::Streaming { messages, silence } => match messages.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => {
                        if let Some((silence, patience)) = silence.as_mut().zip(self.patience) {
                            silence.as_mut().reset(Instant::now() + patience);
                        }
                        let resumed = self.lost.take().is_some();
                        return Poll::Ready(Ok(Signal::Message { message, resumed }));
                    }
                    Poll::Ready(Some(Err(status))) => {
                        let error = Error::from_status(self.method, status);
                        return Poll::Ready(self.lose(error).map(Signal::Lost));
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(Signal::Closed)),
                    Poll::Pending => {
                        let Some((silence, patience)) = silence.as_mut().zip(self.patience) else {
                            return Poll::Pending;
                        };
                        ready!(silence.as_mut().poll(cx));
                        let error = Error::TimedOut {
                            method: self.method,
                            after: patience,
                            last: None,
                        };
                        return Poll::Ready(self.lose(error).map(Signal::Lost));
                    }
                },
                State::Pausing(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.state = State::Due;
                }
            }
        }
    }
}
