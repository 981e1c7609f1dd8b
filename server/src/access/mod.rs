//! Who may call what, settled before a handler is reached.
//!
//! A call's way: [`identity`] says who the caller is, [`policy`] what bindings and roles allow, and [`layer`] asks both, of
//! every call, in front of all services. What no binding gives is refused. When the policy changes, every stream asks again.
//!
//! What is granted, issued and revoked while the daemon runs is the business of [`register`], with [`tokens`] and the own
//! [`authority`].

pub mod authority;
pub mod bearer;
pub mod certificate;
pub mod enrolment;
pub mod files;
pub mod hex;
pub mod host_names;
pub mod identity;
pub mod init;
pub mod layer;
pub mod name;
pub mod policy;
pub mod quotas;
pub mod register;
pub(crate) mod request;
pub mod tokens;
mod unread;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use wsfc_proto::v1::Permission;

use self::bearer::Bearer;
use self::identity::{Identity, Refusal};
use self::policy::{Binding, Decision, Policy, Revoked, Rights};
use self::tokens::Grant;
use crate::listen::connection::Peer;
use crate::platform::Clock;
use crate::settings::Settings;
use crate::settings::current::Current;

/// How the subjects begin that are the fingerprints of certificates.
const ANY_CERTIFICATE: &str = "cert:";

/// Who may call what, now. Clones share it.
#[derive(Clone)]
pub struct Access(Arc<Shared>);

struct Shared {
    policy: Current<Policy>,
    /// What the policy is made of.
    parts: Mutex<Parts>,
    /// Counts the policies, and wakes who must ask again.
    generation: watch::Sender<u64>,
    /// Who verifies tokens; nobody when none are taken.
    bearer: OnceLock<Bearer>,
    clock: Arc<dyn Clock>,
}

struct Parts {
    settings: Settings,
    bindings: Vec<Binding>,
    revoked: Revoked,
}

impl Access {
    /// As the settings say.
    pub fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let parts = Parts {
            settings: settings.clone(),
            bindings: Vec::new(),
            revoked: Revoked::default(),
        };
        Self(Arc::new(Shared {
            policy: Current::new(parts.policy()),
            parts: Mutex::new(parts),
            generation: watch::Sender::new(0),
            bearer: OnceLock::new(),
            clock,
        }))
    }

    /// Takes bearer tokens from now on. Whose they may be is settled once, at the start.
    pub fn take_tokens(&self, bearer: Bearer) {
        let _ = self.0.bearer.set(bearer);
    }

    /// Takes settings that were read again.
    pub fn set_settings(&self, settings: &Settings) {
        self.change(|parts| parts.settings = settings.clone());
        if let Some(bearer) = self.0.bearer.get() {
            bearer.refresh();
        }
    }

    /// Takes what was granted and revoked while the daemon runs, in place of what was before.
    pub fn set_granted(&self, bindings: Vec<Binding>, revoked: Revoked) {
        self.change(|parts| {
            parts.bindings = bindings;
            parts.revoked = revoked;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        self.0.policy.set(parts.policy());
        // Under the lock, so that who sees the number finds the policy, and policies follow one another.
        self.0.generation.send_modify(|generation| *generation += 1);
    }

    /// Who a caller is, by its connection and by what its call shows.
    ///
    /// # Errors
    ///
    /// It shows something that is not valid. Who shows nothing is nobody, which is no error here.
    pub fn identify(&self, peer: &Peer, headers: &HeaderMap) -> Result<Identity, Refusal> {
        identity::of(peer, headers, self.0.bearer.get(), self.0.clock.now())
    }

    /// What an identity may do.
    ///
    /// # Errors
    ///
    /// What made the identity has been revoked or is over.
    pub fn rights(&self, identity: &Identity) -> Result<Rights, Refusal> {
        identity.check_time(self.0.clock.now())?;
        self.0.policy.get().rights(identity)
    }

    /// Whether an identity may do something, and where.
    ///
    /// # Errors
    ///
    /// As of [`rights`](Self::rights).
    pub fn decide(&self, identity: &Identity, permission: Permission) -> Result<Decision, Refusal> {
        Ok(self.rights(identity)?.decide(permission))
    }

    /// The names of roles, and the permissions of each.
    pub fn roles(&self) -> Vec<(String, BTreeSet<Permission>)> {
        self.0.policy.get().roles()
    }

    /// The bindings of the settings.
    pub fn configured(&self) -> Vec<Binding> {
        let parts = self.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.settings.access.bindings.clone()
    }

    /// The bindings that give an identity of the own authority more than a grant says: those of the settings and those that
    /// were given while the daemon runs.
    pub fn beyond(&self, subject: &str, grant: &Grant) -> Vec<Binding> {
        let said = Binding {
            subject: subject.to_owned(),
            role: grant.role.clone(),
            clusters: grant.clusters.clone(),
        };
        let parts = self.0.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let policy = self.0.policy.get();
        let bindings = parts.settings.access.bindings.iter().chain(&parts.bindings);
        bindings
            // Its certificates have a fingerprint each, which nobody knows before.
            .filter(|binding| binding.concerns(subject) || binding.concerns(ANY_CERTIFICATE))
            .filter(|binding| !policy.is_within(binding, &said))
            .cloned()
            .collect()
    }

    /// Counts the policies: another number is another policy.
    pub fn generation(&self) -> u64 {
        *self.0.generation.borrow()
    }

    /// The number of each policy that follows, beginning with the one now.
    pub fn generations(&self) -> WatchStream<u64> {
        WatchStream::new(self.0.generation.subscribe())
    }

    /// The time by which things expire.
    pub fn now(&self) -> std::time::SystemTime {
        self.0.clock.now()
    }
}

impl Parts {
    fn policy(&self) -> Policy {
        let bindings = [self.settings.access.bindings.as_slice(), &self.bindings].concat();
        Policy::new(&self.settings, &bindings, self.revoked.clone())
    }
}
