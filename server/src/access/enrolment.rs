//! Certificates for clients, and roles that are given while the daemon runs: the register with the authority, and what a
//! call on either comes to.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use wsfc_proto::join_token::{JoinSecret, JoinToken};
use wsfc_proto::v1::Permission;

use super::Access;
use super::authority::{Authority, AuthorityError, IssuedCertificate, ProvenKey, RequestUnfit};
use super::files::AccessFolder;
use super::identity::{self, Identity};
use super::policy::{Binding, Decision, Revoked, Scope};
use super::register::{Entries, Refusal, Register, RegisterError, describe};
use super::tokens::{Grant, Token, TokenRefusal, Tries};
use crate::blocking::{Blocking, BlockingError};
use crate::logging::chain;
use crate::platform::Platform;

/// How often it is looked whether join tokens have expired.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why nothing comes of a call.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// There is no authority of the daemon's own.
    #[error("this daemon has no authority of its own; an administrator of its host makes one with `wsfcd init`")]
    NoAuthority,
    /// Too many wrong tokens.
    #[error("too many wrong tokens came from this address; try again in {}", humantime::format_duration(whole(*wait)))]
    TooManyTries {
        /// How long to wait.
        wait: Duration,
    },
    /// The request for a certificate.
    #[error(transparent)]
    Request(#[from] RequestUnfit),
    /// Who asks is nobody any more.
    #[error(transparent)]
    Caller(#[from] identity::Refusal),
    /// Who asks may not do it, or not any more.
    #[error("the caller may not say who may call the daemon")]
    NotAllowed,
    /// What is asked for is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The register cannot be written, so nothing has changed.
    #[error("the change cannot be made durable, so it is not made")]
    Register(#[from] RegisterError),
    /// No certificate can be made.
    #[error("no certificate can be made")]
    Authority(#[from] AuthorityError),
    /// No thread.
    #[error(transparent)]
    Blocking(#[from] BlockingError),
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().max(1))
}

/// Why the daemon cannot go on with what was granted before.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// What was granted before, as the files have it.
#[derive(Debug)]
pub struct Kept {
    register: Register,
    authority: Option<Authority>,
}

impl Kept {
    /// Reads it. The data directory must be locked, so that nobody else changes it.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(folder: &AccessFolder, platform: &Platform) -> Result<Self, OpenError> {
        let installation = || platform.entropy.uuid(platform.clock.now());
        Ok(Self {
            register: Register::open(folder, installation)?,
            authority: Authority::load(folder)?,
        })
    }

    /// Nothing, and nothing of it is kept: for a daemon without a data directory.
    pub fn nothing(platform: &Platform) -> Self {
        Self {
            register: Register::passing(platform.entropy.uuid(platform.clock.now())),
            authority: None,
        }
    }
}

/// The register and the authority of a running daemon. Clones share both.
#[derive(Clone)]
pub struct Enrolment(Arc<Shared>);

struct Shared {
    register: Register,
    authority: Option<Authority>,
    access: Access,
    tries: Mutex<Tries>,
    platform: Platform,
    blocking: Blocking,
    /// Is told whether somebody may come without a certificate, to get one.
    door: OnceLock<Door>,
}

/// Lets strangers into the handshake, or keeps them out.
pub type Door = Box<dyn Fn(bool) + Send + Sync>;

/// A certificate, and whose it is.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// That of the authority (DER).
    pub authority: Vec<u8>,
    /// The identity.
    pub name: String,
    /// The subject of the identity.
    pub subject: String,
}

impl Enrolment {
    /// Goes on with what was granted before, which has its effect from now on.
    pub fn new(kept: Kept, access: Access, platform: Platform) -> Self {
        publish(&access, &kept.register.entries());
        Self(Arc::new(Shared {
            register: kept.register,
            authority: kept.authority,
            access,
            tries: Mutex::default(),
            blocking: Blocking::new(platform.clone()),
            platform,
            door: OnceLock::new(),
        }))
    }

    /// Has a door opened while there are join tokens that can be used, from now on and before whoever makes one hears of it;
    /// [`mind_the_door`](Self::mind_the_door) closes it in time.
    pub fn give_door(&self, door: Door) {
        // There is one listener, which gives it once.
        let _ = self.0.door.set(door);
        self.0.open_or_close(&self.entries());
    }

    /// Closes the door when the last token has expired. Never ends.
    pub async fn mind_the_door(&self) {
        let mut watch = self.0.register.watch();
        loop {
            let now = self.now();
            let last = watch.borrow_and_update().tokens.last_end(now);
            // The clock may be set meanwhile, so a long wait is cut into pieces.
            let wait = last.map_or(LONGEST_WAIT, |end| end.duration_since(now).unwrap_or_default());
            tokio::select! {
                // The register lives as long as this.
                _changed = watch.changed() => {}
                () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {
                    let shared = Arc::clone(&self.0);
                    let closed = self.blocking(move || shared.open_or_close(&shared.register.entries())).await;
                    if let Err(error) = closed {
                        tracing::error!(error = chain(&error), "It is not known whether strangers are kept out");
                    }
                }
            }
        }
    }

    /// What the register holds.
    pub fn entries(&self) -> Arc<Entries> {
        self.0.register.entries()
    }

    /// What the register holds, now and after each change.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<Arc<Entries>> {
        self.0.register.watch()
    }

    /// The time by which things expire.
    pub fn now(&self) -> SystemTime {
        self.0.platform.clock.now()
    }

    /// Runs something that waits for a disk.
    ///
    /// # Errors
    ///
    /// See [`BlockingError`].
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        self.0.blocking.run("wsfcd-access", work).await
    }

    /// Changes the register. When this returns the change is durable and in effect.
    ///
    /// # Errors
    ///
    /// What `change` refuses with, or that the register cannot be written.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Entries, SystemTime) -> Result<T, EnrolmentError> + Send + 'static,
    ) -> Result<T, EnrolmentError> {
        let shared = Arc::clone(&self.0);
        self.blocking(move || {
            let now = shared.platform.clock.now();
            let changed = shared.register.change(
                |entries| change(entries, now),
                |entries| {
                    publish(&shared.access, entries);
                    shared.open_or_close(entries);
                },
            );
            if let Err(EnrolmentError::Register(error)) = &changed {
                tracing::error!(error = chain(error), "The register cannot be written");
            }
            changed
        })
        .await?
    }

    /// As [`change`](Self::change), for somebody who administers access everywhere. That is decided here once more: a request can
    /// arrive long after its headers were let in, and revocation takes the same lock, so that whoever was revoked by then
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// As of [`change`](Self::change), and that the caller may not.
    pub async fn change_for<T: Send + 'static>(
        &self,
        who: Arc<Identity>,
        change: impl FnOnce(&mut Entries, SystemTime) -> Result<T, EnrolmentError> + Send + 'static,
    ) -> Result<T, EnrolmentError> {
        let access = self.0.access.clone();
        self.change(
            move |entries, now| match access.decide(&who, Permission::AccessAdminister)? {
                Decision::Granted(Scope::All) => change(entries, now),
                Decision::Granted(Scope::Clusters(_)) | Decision::Denied => Err(EnrolmentError::NotAllowed),
            },
        )
        .await
    }

    fn authority(&self) -> Result<&Authority, EnrolmentError> {
        self.0.authority.as_ref().ok_or(EnrolmentError::NoAuthority)
    }

    /// Makes a join token; gives its text, which is told this once, and what is kept of it.
    ///
    /// # Errors
    ///
    /// See [`EnrolmentError`].
    pub async fn create_token(
        &self,
        who: Arc<Identity>,
        grant: Grant,
        life: Duration,
    ) -> Result<(JoinToken, Token), EnrolmentError> {
        let pin = self.authority()?.pin();
        let entropy = Arc::clone(&self.0.platform.entropy);
        let (access, created_by) = (self.0.access.clone(), who.principal.clone());
        self.change_for(who, move |entries, now| {
            check_grant(entries, &access, &grant, now)?;
            let made = entries.tokens.create(grant, &created_by, life, now, &*entropy);
            let (token, secret) = made.map_err(Refusal::from)?;
            let join = JoinToken {
                pin,
                id: token.id.clone(),
                secret,
            };
            Ok((join, token))
        })
        .await
    }

    /// Uses a token up and issues a certificate for whom it is for.
    ///
    /// # Errors
    ///
    /// See [`EnrolmentError`]. Only a wrong token counts against the address.
    pub async fn enrol(
        &self,
        address: Option<IpAddr>,
        token: String,
        secret: JoinSecret,
        request: &[u8],
    ) -> Result<(Enrolled, Grant), EnrolmentError> {
        let authority = self.authority()?.certificate().to_vec();
        self.check_token(address, &token, &secret)?;
        let key = ProvenKey::of_request(request)?;
        let this = self.clone();
        let (certificate, grant, subject) = self
            .change(move |entries, now| {
                let grant = entries.tokens.check(&token, &secret, now).map_err(Refusal::from)?;
                let subject = entries.subject(&grant.name);
                // The settings may have become others since the token was made.
                if !this.0.access.beyond(&subject, grant).is_empty() {
                    let name = grant.name.clone();
                    return Err(Refusal::Outgrown { name }.into());
                }
                let issue = |installation, name: &str| this.issue(&key, installation, name, now);
                let (grant, certificate) = entries.enrol(&token, &secret, now, issue)?;
                Ok((certificate, grant, subject))
            })
            .await?;
        let enrolled = Enrolled {
            certificate,
            authority,
            name: grant.name.clone(),
            subject,
        };
        Ok((enrolled, grant))
    }

    /// Whether a token is good, before anything is done that takes time. Strangers come this far.
    ///
    /// # Errors
    ///
    /// See [`EnrolmentError`]. Only a wrong token counts against the address, and is refused when there were too many.
    pub fn check_token(&self, address: Option<IpAddr>, token: &str, secret: &JoinSecret) -> Result<(), EnrolmentError> {
        let now = self.now();
        // The secret comes first: 128 bits are not guessed, so a right one need not wait for those who said wrong ones from the
        // same address.
        let Err(refusal) = self.entries().tokens.check(token, secret, now).map(drop) else {
            return Ok(());
        };
        if refusal == TokenRefusal::Unknown {
            let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
            tries
                .check(address, now)
                .map_err(|wait| EnrolmentError::TooManyTries { wait })?;
            tries.count(address, now);
        }
        Err(Refusal::from(refusal).into())
    }

    /// Issues a certificate in place of one.
    ///
    /// # Errors
    ///
    /// See [`EnrolmentError`].
    pub async fn renew(&self, fingerprint: [u8; 32], request: &[u8]) -> Result<Enrolled, EnrolmentError> {
        let authority = self.authority()?.certificate().to_vec();
        let key = ProvenKey::of_request(request)?;
        let this = self.clone();
        self.change(move |entries, now| {
            let issue = |installation, name: &str| this.issue(&key, installation, name, now);
            let (name, certificate) = entries.renew(&fingerprint, now, issue)?;
            let subject = entries.subject(&name);
            Ok(Enrolled {
                certificate,
                authority,
                name,
                subject,
            })
        })
        .await
    }

    fn issue(
        &self,
        key: &ProvenKey,
        installation: uuid::Uuid,
        name: &str,
        now: SystemTime,
    ) -> Result<IssuedCertificate, EnrolmentError> {
        let entropy = &*self.0.platform.entropy;
        Ok(self.authority()?.issue_client(key, installation, name, now, entropy)?)
    }
}

impl Shared {
    fn open_or_close(&self, entries: &Entries) {
        if let Some(door) = self.door.get() {
            let somebody_may_come = entries.tokens.last_end(self.platform.clock.now()).is_some();
            door(somebody_may_come && self.authority.is_some());
        }
    }
}

/// Whether a token may be made: it says all that it would give, by the register and by the policy in force.
///
/// # Errors
///
/// [`Refusal::NameInUse`].
pub(super) fn check_grant(entries: &Entries, access: &Access, grant: &Grant, now: SystemTime) -> Result<(), Refusal> {
    entries.check_grant(grant, now)?;
    let beyond = access.beyond(&entries.subject(&grant.name), grant);
    if beyond.is_empty() {
        return Ok(());
    }
    let holds: Vec<_> = beyond
        .iter()
        .map(|binding| {
            let role = describe(&binding.role, binding.clusters.as_deref());
            format!("{role}, bound to {}", binding.subject)
        })
        .collect();
    Err(Refusal::NameInUse {
        name: grant.name.clone(),
        holds: holds.join("; "),
    })
}

/// Lets what the register holds have its effect.
pub(super) fn publish(access: &Access, entries: &Entries) {
    let bindings = entries.bindings.iter().map(|bound| Binding {
        subject: bound.subject.clone(),
        role: bound.role.clone(),
        clusters: bound.clusters.clone(),
    });
    let revoked = Revoked {
        fingerprints: entries
            .revoked
            .iter()
            .map(|revocation| revocation.fingerprint)
            .collect(),
        ..Revoked::default()
    };
    access.set_granted(bindings.collect(), revoked);
}

#[cfg(test)]
mod tests;
