//! Bearer tokens: JSON Web Tokens of OpenID Connect issuers, for operators and dashboards.
//!
//! Verifying never waits: it uses the keys that a task of each issuer keeps current (`source`), and a token that was
//! verified before is known by its hash (`recent`).
//!
//! The signatures are verified by `ring`, which is here for TLS anyway, with a reader of tokens of our own. Of the library
//! that is usual for it, `jsonwebtoken`, the line over `ring` is no longer maintained (GHSA-h395-gr6q-cpjc stays open in it),
//! and the later ones bring `aws-lc-rs`, which is banned, or `rsa`, which has an open advisory (RUSTSEC-2023-0071); with a
//! backend brought by ourselves, what is left of them is the little that is written here, without refusing members that
//! stand twice.
//!
//! A token proves who calls to whoever holds it, so it counts over TLS and on a local endpoint alone: plain TCP is refused
//! on loopback, too, where every program of the host could have listened in the daemon's place.

mod fetch;
mod json;
mod keys;
mod recent;
mod source;
mod token;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

pub use self::fetch::FetchError;
pub use self::keys::KeySetError;
pub use self::source::SourceError;
pub use self::token::LONGEST;

use self::keys::Trial;
use self::recent::{Known, Recent};
use self::source::{Issuer, Nowhere};
use self::token::Token;
use crate::access::identity::Subject;
use crate::listen::connection::Medium;
use crate::platform::Clock;
use crate::settings::{BearerIssuer, Settings};

/// How many verified tokens are known at once.
const MOST_KNOWN: usize = 4_096;

/// An issuer whose tokens cannot be verified.
#[derive(Debug, thiserror::Error)]
#[error("tokens of {issuer} cannot be verified")]
pub struct BearerError {
    /// The issuer.
    pub issuer: String,
    /// Why.
    #[source]
    pub source: SourceError,
}

/// Why a token is refused. The texts say nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BearerRefusal {
    /// No issuer was set.
    #[error("this daemon takes none")]
    NotTaken,
    /// Shown where others could read it.
    #[error("a token counts over TLS and at the local endpoint only")]
    Exposed,
    /// Credentials of another kind, or more than one.
    #[error("the header is not one bearer token")]
    NotBearer,
    /// Longer than [`LONGEST`].
    #[error("the token is longer than {LONGEST} bytes")]
    TooLong,
    /// Not three parts in base64url, or not JSON objects whose members stand once.
    #[error("the token is not a signed JSON Web Token")]
    Malformed,
    /// `none`, a secret's, or another that is not accepted; or one that the issuer's key is not for.
    #[error("the token is signed with an algorithm that is not accepted")]
    Algorithm,
    /// `crit` asks for something to be understood.
    #[error("the token has an extension that is not understood")]
    Extension,
    /// `typ` says that it is a token for something else.
    #[error("the token is of a type that is not accepted")]
    Type,
    /// No issuer that was set.
    #[error("the token is of an issuer that is not accepted")]
    UnknownIssuer,
    /// No key of the issuer; the keys will be read again.
    #[error("the token is signed with a key that the issuer is not known to have")]
    UnknownKey,
    /// The keys of the issuer could not be read yet, or not for a day.
    #[error("the keys of the token's issuer cannot be had")]
    KeysUnavailable,
    /// Not signed by the issuer, or changed since.
    #[error("the signature of the token is not of its issuer")]
    Signature,
    /// For somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// No longer valid.
    #[error("the token has expired")]
    Expired,
    /// Not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// A claim is missing, or of another kind than it must be.
    #[error("`{name}` of the token is missing, or not as it must be")]
    Claim {
        /// The claim, or the setting that says which it is.
        name: &'static str,
    },
}

/// Who a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The issuer, as it is set.
    pub issuer: String,
    /// The caller's name at the issuer.
    pub name: String,
    /// The caller's groups at the issuer.
    pub groups: Vec<String>,
    /// When the token is no longer accepted: its `exp`, and the leeway of the issuer's clock.
    pub expires: SystemTime,
}

impl Verified {
    /// The subjects that bindings name, the caller's own first: `user:<issuer>#<name>`, `group:<issuer>#<group>`.
    ///
    /// The first `#` ends the issuer: a setting with one in it is refused.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let user = Subject::of_user(&self.issuer, &self.name);
        let group = |group: &String| Subject::of_group(&self.issuer, group);
        std::iter::once(user).chain(self.groups.iter().map(group))
    }
}

/// Verifies tokens. Clones share what is known.
#[derive(Clone)]
pub struct Bearer(Arc<Shared>);

struct Shared {
    issuers: Vec<Issuer>,
    recent: Mutex<Recent>,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

impl Bearer {
    /// For tokens of these issuers. Keys in files are read now; those behind URLs are fetched by the tasks that
    /// [`start`](Self::start) starts, and until then no token of theirs is accepted.
    ///
    /// # Errors
    ///
    /// A file cannot be read or holds no key that can be used, or the trusted authorities cannot be had.
    pub fn new(issuers: &[BearerIssuer], clock: &dyn Clock) -> Result<Self, BearerError> {
        let open = |settings: &BearerIssuer| {
            Issuer::new(settings, clock).map_err(|source| BearerError {
                issuer: settings.issuer.clone(),
                source,
            })
        };
        let issuers = issuers.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Self::of_issuers(issuers))
    }

    /// As the settings say; nothing when no tokens are taken.
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new).
    pub fn of_settings(settings: &Settings, clock: &dyn Clock) -> Result<Option<Self>, BearerError> {
        let issuers = &settings.access.bearer;
        (!issuers.is_empty()).then(|| Self::new(issuers, clock)).transpose()
    }

    /// For tokens of one issuer with these keys, which stay as they are and are good for a day from `now`.
    ///
    /// # Errors
    ///
    /// No key can be used.
    pub fn with_keys(settings: &BearerIssuer, keys: &[u8], now: SystemTime) -> Result<Self, KeySetError> {
        let issuer = Issuer::with_source(settings, Box::new(Nowhere));
        issuer.take(keys, now)?;
        Ok(Self::of_issuers(vec![issuer]))
    }

    fn of_issuers(issuers: Vec<Issuer>) -> Self {
        Self(Arc::new(Shared {
            issuers,
            recent: Mutex::new(Recent::new(MOST_KNOWN)),
        }))
    }

    /// Keeps the keys current until told to stop. Must be called in a runtime with I/O and time.
    pub fn start(&self, clock: &Arc<dyn Clock>, stop: &CancellationToken) {
        for index in 0..self.0.issuers.len() {
            let (shared, clock, stop) = (Arc::clone(&self.0), Arc::clone(clock), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = shared.issuers[index].keep_current(&*clock) => {}
                    () = stop.cancelled() => {}
                }
            });
        }
    }

    /// Who a call is made for, by its `authorization` headers; `None` when there are none.
    ///
    /// # Errors
    ///
    /// See [`BearerRefusal`].
    pub fn of_call(
        bearer: Option<&Self>,
        medium: Medium,
        headers: &HeaderMap,
        now: SystemTime,
    ) -> Result<Option<Arc<Verified>>, BearerRefusal> {
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = shown.next() else { return Ok(None) };
        let bearer = bearer.ok_or(BearerRefusal::NotTaken)?;
        if medium == Medium::Plain {
            return Err(BearerRefusal::Exposed);
        }
        // Schemes do not regard case (RFC 9110, section 11.1).
        let token = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _token)| scheme.eq_ignore_ascii_case("bearer") && shown.next().is_none());
        let (_scheme, token) = token.ok_or(BearerRefusal::NotBearer)?;
        bearer.verify(token, now).map(Some)
    }

    /// Has all keys read again soon, as when settings are read again.
    pub fn refresh(&self) {
        self.0.issuers.iter().for_each(Issuer::want);
    }

    /// Verifies a token, without the `Bearer` before it. Takes microseconds for one that was verified before.
    ///
    /// # Errors
    ///
    /// See [`BearerRefusal`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Arc<Verified>, BearerRefusal> {
        if token.len() > LONGEST {
            return Err(BearerRefusal::TooLong);
        }
        let digest = Sha256::digest(token).into();
        let known = self.recent().get(&digest);
        if let Some(known) = known
            && self.0.issuers[known.issuer].is_current(known.generation, now)
        {
            return valid(&known, now).inspect_err(|_invalid| self.recent().forget(&digest));
        }
        let known = self.verify_anew(token, now)?;
        let verified = valid(&known, now)?;
        self.recent().put(digest, known);
        Ok(verified)
    }

    fn verify_anew(&self, token: &str, now: SystemTime) -> Result<Known, BearerRefusal> {
        let token = Token::parse(token)?;
        let issued_by = token.claims.issuer()?;
        let mut issuers = self.0.issuers.iter().enumerate();
        let found = issuers.find(|(_, issuer)| issuer.settings.issuer == issued_by);
        let (index, issuer) = found.ok_or(BearerRefusal::UnknownIssuer)?;
        let Some((keys, generation)) = issuer.keys(now) else {
            issuer.want();
            return Err(BearerRefusal::KeysUnavailable);
        };
        match keys.verify(token.kid.as_deref(), token.algorithm, token.signed, &token.signature) {
            Trial::Good => {}
            Trial::Bad => return Err(BearerRefusal::Signature),
            Trial::OtherAlgorithm => return Err(BearerRefusal::Algorithm),
            Trial::NoKey => {
                issuer.want();
                return Err(BearerRefusal::UnknownKey);
            }
        }
        let (claims, settings) = (&token.claims, &issuer.settings);
        if !claims.is_for(&settings.audience) {
            return Err(BearerRefusal::Audience);
        }
        let (begins, expires) = claims.validity(settings.leeway)?;
        Ok(Known {
            verified: Arc::new(Verified {
                issuer: settings.issuer.clone(),
                name: claims.name(&settings.name_claim)?,
                groups: claims.groups(&settings.groups_claim)?,
                expires,
            }),
            begins,
            issuer: index,
            generation,
        })
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        // Nothing panics while it is held, and what is known is known.
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn valid(known: &Known, now: SystemTime) -> Result<Arc<Verified>, BearerRefusal> {
    if now >= known.verified.expires {
        Err(BearerRefusal::Expired)
    } else if known.begins.is_some_and(|begins| now < begins) {
        Err(BearerRefusal::NotYetValid)
    } else {
        Ok(Arc::clone(&known.verified))
    }
}

#[cfg(test)]
mod tests;
