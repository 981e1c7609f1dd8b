//! Where the keys of an issuer come from, and how they are kept current.
//!
//! They are read on a schedule, and sooner when a token names a key that is not known: once a minute at most, whatever
//! strangers send. When they cannot be read, those that are there go on to be used for a day, so that an issuer that is down
//! locks nobody out; afterwards a key that was withdrawn meanwhile could still be in use, and no token is accepted.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use http::Uri;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::fetch::{FetchError, Fetcher, MOST_BYTES};
use super::json;
use super::keys::{KeySet, KeySetError};
use crate::logging::chain;
use crate::platform::Clock;
use crate::settings::BearerIssuer;

/// How often keys are read that nobody asks for.
const PERIOD: Duration = Duration::from_secs(15 * 60);
/// The shortest time between a reading and one that a token asks for.
const GAP: Duration = Duration::from_secs(60);
/// The pause after keys could not be read; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);
/// How long keys are used that cannot be read again.
const KEEP_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Where an issuer says of itself where its keys are (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Keys that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file.
    #[error("{} cannot be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A server.
    #[error("{uri} cannot be fetched")]
    Fetch {
        /// What was asked for.
        uri: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// What was read holds no keys that can be used.
    #[error(transparent)]
    Keys(#[from] KeySetError),
    /// What an issuer says of itself.
    #[error("{uri} does not say where the keys are: {problem}")]
    Discovery {
        /// What was asked for.
        uri: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Nothing can be fetched at all.
    #[error("no server can be trusted")]
    Trust(#[source] FetchError),
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SourceError>> + Send + 'a>>;

/// Gives a JWK set.
pub(super) trait Source: Send + Sync {
    fn read(&self) -> Reading<'_>;
}

/// An issuer and its keys.
pub(super) struct Issuer {
    pub(super) settings: BearerIssuer,
    source: Box<dyn Source>,
    held: RwLock<Held>,
    wanted: Notify,
}

#[derive(Default)]
struct Held {
    keys: Option<Arc<KeySet>>,
    /// Of the bytes that they were read from.
    digest: [u8; 32],
    /// Rises when the keys are others.
    generation: u64,
    /// When they were last read.
    read: Option<SystemTime>,
}

impl Held {
    /// Whether the keys may be used. A clock that was set back makes them no older.
    fn is_fresh(&self, now: SystemTime) -> bool {
        let age = |read: SystemTime| now.duration_since(read).unwrap_or_default();
        self.read.is_some_and(|read| age(read) <= KEEP_FOR)
    }
}

impl Issuer {
    /// Reads the keys if they are in a file.
    pub(super) fn new(settings: &BearerIssuer, clock: &dyn Clock) -> Result<Self, SourceError> {
        if let Some(path) = &settings.jwks_file {
            let source = KeyFile(path.clone());
            let keys = source.contents()?;
            let issuer = Self::with_source(settings, Box::new(source));
            issuer.take(&keys, clock.now())?;
            return Ok(issuer);
        }
        let fetcher = Fetcher::new(settings.ca_file.as_deref()).map_err(SourceError::Trust)?;
        let server = match &settings.jwks_url {
            Some(url) => Server::Keys(url.clone()),
            None => Server::Discovered(settings.issuer.clone()),
        };
        Ok(Self::with_source(settings, Box::new(Remote { fetcher, server })))
    }

    pub(super) fn with_source(settings: &BearerIssuer, source: Box<dyn Source>) -> Self {
        Self {
            settings: settings.clone(),
            source,
            held: RwLock::default(),
            wanted: Notify::new(),
        }
    }

    /// The keys and which reading they are of; none when they cannot be used.
    pub(super) fn keys(&self, now: SystemTime) -> Option<(Arc<KeySet>, u64)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let keys = held.keys.as_ref().filter(|_keys| held.is_fresh(now))?;
        Some((Arc::clone(keys), held.generation))
    }

    /// Whether the keys of a reading can still be used.
    pub(super) fn is_current(&self, generation: u64, now: SystemTime) -> bool {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.generation == generation && held.is_fresh(now)
    }

    /// Has the keys read soon.
    pub(super) fn want(&self) {
        self.wanted.notify_one();
    }

    /// Reads the keys again and again.
    pub(super) async fn keep_current(&self, clock: &dyn Clock) {
        let has_keys = self.held.read().unwrap_or_else(PoisonError::into_inner).keys.is_some();
        let mut next = if has_keys { PERIOD } else { Duration::ZERO };
        let (mut pause, mut earliest) = (FIRST_PAUSE, Instant::now());
        loop {
            let asked = async {
                self.wanted.notified().await;
                sleep_until(earliest).await;
            };
            tokio::select! {
                () = sleep(next) => {}
                () = asked => {}
            }
            earliest = Instant::now() + GAP;
            let read = self.source.read().await;
            next = match read.and_then(|keys| Ok(self.take(&keys, clock.now())?)) {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    PERIOD
                }
                Err(error) => {
                    let (issuer, error) = (&self.settings.issuer, chain(&error));
                    tracing::warn!(issuer, error, "The keys of an issuer of tokens cannot be read");
                    let longer = (2 * pause).min(LONGEST_PAUSE);
                    std::mem::replace(&mut pause, longer)
                }
            };
        }
    }

    /// Uses a JWK set that was just read from now on.
    pub(super) fn take(&self, bytes: &[u8], now: SystemTime) -> Result<(), KeySetError> {
        let keys = KeySet::parse(bytes)?;
        let digest = Sha256::digest(bytes).into();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.read = Some(now);
        // What was verified with the same keys stays verified.
        if held.keys.is_none() || held.digest != digest {
            held.keys = Some(Arc::new(keys));
            held.digest = digest;
            held.generation += 1;
            drop(held);
            tracing::info!(
                issuer = self.settings.issuer,
                "The keys of an issuer of tokens were read"
            );
        }
        Ok(())
    }
}

/// Gives nothing more than what was taken at first.
pub(super) struct Nowhere;

impl Source for Nowhere {
    fn read(&self) -> Reading<'_> {
        Box::pin(std::future::pending())
    }
}

/// A file.
struct KeyFile(PathBuf);

impl KeyFile {
    fn contents(&self) -> Result<Vec<u8>, SourceError> {
        read_bounded(&self.0).map_err(|source| SourceError::File {
            path: self.0.clone(),
            source,
        })
    }
}

impl Source for KeyFile {
    fn read(&self) -> Reading<'_> {
        Box::pin(std::future::ready(self.contents()))
    }
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("it is longer than {MOST_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

/// A server.
struct Remote {
    fetcher: Fetcher,
    server: Server,
}

enum Server {
    /// The address of the keys.
    Keys(String),
    /// The issuer, which says where they are.
    Discovered(String),
}

impl Source for Remote {
    fn read(&self) -> Reading<'_> {
        Box::pin(async {
            match &self.server {
                Server::Keys(uri) => self.fetch(uri).await,
                Server::Discovered(issuer) => {
                    let uri = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
                    let keys = keys_address(&self.fetch(&uri).await?, issuer);
                    let keys = keys.map_err(|problem| SourceError::Discovery { uri, problem })?;
                    self.fetch(&keys).await
                }
            }
        })
    }
}

impl Remote {
    async fn fetch(&self, uri: &str) -> Result<Vec<u8>, SourceError> {
        let fetched = match uri.parse::<Uri>() {
            Ok(parsed) => self.fetcher.get(&parsed).await,
            Err(error) => Err(FetchError::Address(error)),
        };
        fetched.map_err(|source| SourceError::Fetch {
            uri: uri.to_owned(),
            source,
        })
    }
}

/// The address of the keys in what an issuer says of itself, which must be of that issuer (section 4.3).
fn keys_address(document: &[u8], issuer: &str) -> Result<String, &'static str> {
    let members = json::object(document).map_err(|_no_object| "it is no JSON object")?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err("`issuer` is another");
    }
    Ok(text("jwks_uri").ok_or("`jwks_uri` is missing")?.to_owned())
}

#[cfg(test)]
mod tests;
