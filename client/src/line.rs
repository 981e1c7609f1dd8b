//! A stream of messages that is opened again whenever it breaks: what all streams of this library have in common.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use crate::backoff::Backoff;
use crate::bearer::BearerSource;
use crate::client::Client;
use crate::connect::Way;
use crate::error::Error;

/// The messages of an open stream.
pub(crate) type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

/// A stream that is being opened: it and the way that it comes, or what went wrong and on which way.
pub(crate) type Opening<M> = BoxFuture<'static, Result<(Messages<M>, Way), (Error, Option<Way>)>>;

/// What a line has to tell.
#[derive(Debug)]
pub(crate) enum Signal<M> {
    /// The next message; the first one since the connection was lost when `resumed`.
    Message { message: M, resumed: bool },
    /// The stream has ended without an error.
    Closed,
    /// The connection is lost, or the token is over, and it is tried again after a pause.
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
    /// The way of the present or the last stream.
    way: Option<Way>,
    /// When the connection was lost; `None` while all is well.
    lost: Option<Instant>,
    /// Whether the connection of that way was lost with the stream.
    is_broken: bool,
    /// The token that was shown on the way is over.
    over: Option<Over>,
}

/// The daemon takes a token no more.
struct Over {
    /// When it first said so since the last message.
    since: Instant,
    /// How it said so.
    status: Status,
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
            way: None,
            lost: None,
            is_broken: false,
            over: None,
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
    pub(crate) fn open(client: Client, opened_by: &'static str, messages: Messages<M>, way: Way) -> Self {
        let mut line = Self::new(client, opened_by);
        let silence = line.patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
        line.state = State::Streaming { messages, silence };
        line.way = Some(way);
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
        self.over = None;
        self.state = State::Due;
    }

    /// Decides what follows from an error: another attempt, or the end with that error.
    pub(crate) fn lose(&mut self, error: Error) -> Result<Loss, Error> {
        let lost = *self.lost.get_or_insert_with(Instant::now);
        let patience = self.client.options().follow_timeout;
        let passes = match error.expired_token().cloned() {
            Some(status) => self.waits_for_token(status),
            None => {
                self.over = None;
                error.is_passing()
            }
        };
        if !passes || patience.is_some_and(|patience| lost.elapsed() >= patience) {
            return Err(error);
        }
        // Where only the token is over, or the caller too fast, the connection is as good as before.
        self.is_broken = self.over.is_none() && !error.is_pace();
        let delay = self.backoff.next(error.retry_delay());
        let attempt = self.backoff.attempt();
        tracing::debug!(method = self.method, attempt, ?delay, error = %error, "Resuming a stream");
        self.state = State::Pausing(Box::pin(tokio::time::sleep(delay)));
        Ok(Loss { attempt, delay, error })
    }

    /// Whether it is worth while to wait for another token: there can be one, and there was time left for it.
    fn waits_for_token(&mut self, status: Status) -> bool {
        let since = Instant::now();
        let over = self.over.get_or_insert(Over { since, status });
        let options = self.client.options();
        options.bearer.as_ref().is_some_and(BearerSource::changes) && over.since.elapsed() < options.request_timeout
    }

    /// The refusal that the daemon would only repeat, because there is no other token yet.
    fn refusal(&self) -> Option<Error> {
        let over = self.over.as_ref()?;
        let way = self.way.as_ref()?;
        (!self.client.has_another_token(way)).then(|| Error::from_status(self.method, over.status.clone()))
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
                    let broken = self.lost.is_some() && self.is_broken;
                    let failed = self.way.as_ref().filter(|_| broken).map(|way| way.generation);
                    self.state = State::Opening(open(self.client.clone(), failed));
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok((messages, way)) => {
                        self.way = Some(way);
                        let silence = self.patience.map(|patience| Box::pin(tokio::time::sleep(patience)));
                        self.state = State::Streaming { messages, silence };
                    }
                    Err((error, way)) => {
                        self.way = way.or(self.way.take());
                        return Poll::Ready(self.lose(error).map(Signal::Lost));
                    }
                },
                State::Streaming { messages, silence } => match messages.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => {
                        if let Some((silence, patience)) = silence.as_mut().zip(self.patience) {
                            silence.as_mut().reset(Instant::now() + patience);
                        }
                        let resumed = self.lost.take().is_some();
                        self.over = None;
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
                    if let Some(refusal) = self.refusal() {
                        return Poll::Ready(self.lose(refusal).map(Signal::Lost));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};

    use tonic::Code;
    use tonic_types::{ErrorDetails, StatusExt as _};
    use wsfc_proto::ERROR_DOMAIN;

    use super::*;
    use crate::bearer::Credentials;
    use crate::connect::ConnectOptions;
    use crate::reason::Reason;

    const METHOD: &str = "Watch";
    /// How long another token is waited for.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A token that can be exchanged, and a daemon that takes one token only: each of its streams says its number and then
    /// that the token is over.
    #[derive(Clone)]
    struct World {
        token: Arc<Mutex<String>>,
        good: &'static str,
        /// The tokens that streams were opened with.
        shown: Arc<Mutex<Vec<String>>>,
    }

    fn over() -> Status {
        let mut details = ErrorDetails::new();
        details.set_error_info("TOKEN_EXPIRED", ERROR_DOMAIN, []);
        Status::with_error_details(Code::Unauthenticated, "the token is over", details)
    }

    impl World {
        fn new(token: &str, good: &'static str) -> Self {
            Self {
                token: Arc::new(Mutex::new(token.to_owned())),
                good,
                shown: Arc::default(),
            }
        }

        fn has(&self, token: &str) {
            token.clone_into(&mut self.token.lock().unwrap());
        }

        fn source(&self) -> BearerSource {
            let token = self.token.clone();
            BearerSource::from_fn(move || Ok(token.lock().unwrap().clone()))
        }

        fn line(source: BearerSource) -> Line<usize> {
            let mut options = ConnectOptions::new(["https://one:1"]);
            options.bearer = Some(source);
            options.request_timeout = PATIENCE;
            Line::new(Client::lazy(options).unwrap(), METHOD)
        }

        /// A world that takes another token than the one that its line was opened with.
        async fn whose_token_is_over() -> (Self, Line<usize>) {
            let world = Self::new("first", "first");
            let mut line = Self::line(world.source());
            assert_eq!(message(world.signal(&mut line).await), (1, false));
            let next = Self {
                good: "second",
                ..world
            };
            (next, line)
        }

        /// What the line has to tell next.
        async fn signal(&self, line: &mut Line<usize>) -> Result<Signal<usize>, Error> {
            poll_fn(|cx| {
                line.poll(cx, METHOD, |client, failed| {
                    assert_eq!(failed, None, "the connection is as good as before");
                    let world = self.clone();
                    let source = client.options().bearer.clone();
                    Box::pin(async move { world.open(source.as_ref()) })
                })
            })
            .await
        }

        fn open(&self, source: Option<&BearerSource>) -> Result<(Messages<usize>, Way), (Error, Option<Way>)> {
            let shown = Credentials::of(source);
            let token = self.token.lock().unwrap().clone();
            let good = shown == Credentials::of(Some(&BearerSource::token(self.good)));
            let mut opened = self.shown.lock().unwrap();
            opened.push(token);
            let way = Way { generation: 1, shown };
            if !good {
                return Err((Error::from_status(METHOD, over()), Some(way)));
            }
            let messages = futures_util::stream::iter([Ok(opened.len()), Err(over())]);
            Ok((Box::pin(messages), way))
        }
    }

    fn message(signal: Result<Signal<usize>, Error>) -> (usize, bool) {
        match signal {
            Ok(Signal::Message { message, resumed }) => (message, resumed),
            other => panic!("{other:?}"),
        }
    }

    fn lost(signal: Result<Signal<usize>, Error>) -> u32 {
        match signal {
            Ok(Signal::Lost(loss)) => {
                assert_eq!(loss.error.reason(), Some(&Reason::TokenExpired));
                loss.attempt
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_token_is_over_is_opened_again_with_the_next() {
        let (next, mut line) = World::whose_token_is_over().await;
        next.has("second");
        assert_eq!(lost(next.signal(&mut line).await), 1);
        assert_eq!(message(next.signal(&mut line).await), (2, true));
        assert_eq!(*next.shown.lock().unwrap(), ["first", "second"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_token_is_waited_for_without_showing_the_old_one_again() {
        let (next, mut line) = World::whose_token_is_over().await;
        for attempt in 1..=4 {
            assert_eq!(lost(next.signal(&mut line).await), attempt);
        }
        // Somebody writes it anew.
        next.has("");
        assert_eq!(lost(next.signal(&mut line).await), 5);
        next.has("second");
        assert_eq!(message(next.signal(&mut line).await), (2, true));
        assert_eq!(*next.shown.lock().unwrap(), ["first", "second"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_another_token_has_an_end() {
        let world = World::new("first", "second");
        let mut line = World::line(world.source());
        let began = Instant::now();
        let error = loop {
            match world.signal(&mut line).await {
                Ok(Signal::Lost(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.reason(), Some(&Reason::TokenExpired));
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < 2 * PATIENCE);
        assert_eq!(*world.shown.lock().unwrap(), ["first"]);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_are_all_over_end_the_wait_too() {
        let world = World::new("0", "good");
        let mut line = World::line(world.source());
        let began = Instant::now();
        let mut count = 0;
        while let Ok(signal) = world.signal(&mut line).await {
            lost(Ok(signal));
            count += 1;
            world.has(&count.to_string());
        }
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < 2 * PATIENCE);
        assert_eq!(world.shown.lock().unwrap().len(), count + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_always_the_same_is_not_waited_for() {
        let world = World::new("first", "second");
        let mut line = World::line(BearerSource::token("first"));
        let error = world.signal(&mut line).await.unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::TokenExpired));
    }
}
