//! What the register holds, and how it changes. Pure: the time is given.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wsfc_proto::join_token::JoinSecret;

use crate::access::authority::{IssuedCertificate, SERIAL_BYTES};
use crate::access::tokens::{Grant, TokenRefusal, TokenUnfit, Tokens, whole_seconds};
use crate::access::{hex, name};

/// How long certificates are listed after their end.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often an identity may have its certificates renewed within [`RENEWALS_WITHIN`]. Each stays in the register for
/// months.
const RENEWALS: usize = 10;
const RENEWALS_WITHIN: Duration = Duration::from_secs(60 * 60);
/// How many bindings, and how many revocations of certificates that are not ours, are kept at most.
const MOST: usize = 10_000;

/// A certificate that the own authority has issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// Its number.
    #[serde(with = "hex")]
    pub serial: [u8; SERIAL_BYTES],
    /// Its SHA-256.
    #[serde(with = "hex")]
    pub fingerprint: [u8; 32],
    /// Whose it is.
    pub name: String,
    /// When it was issued.
    #[serde(with = "humantime_serde")]
    pub issued: SystemTime,
    /// When it is no longer good.
    #[serde(with = "humantime_serde")]
    pub expires: SystemTime,
    /// The serial of the certificate in whose place it was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// A certificate that is not accepted any more, ours or of an authority of the organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Its SHA-256.
    #[serde(with = "hex")]
    pub fingerprint: [u8; 32],
    /// When it was revoked.
    #[serde(with = "humantime_serde")]
    pub revoked: SystemTime,
    /// Who revoked it.
    pub revoked_by: String,
}

/// A role that a subject was given while the daemon ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// Who.
    pub subject: String,
    /// The role.
    pub role: String,
    /// The clusters that it is for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    #[serde(with = "humantime_serde")]
    pub granted: SystemTime,
}

/// All that the register holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entries {
    /// Stands in the subjects of own certificates, so that those of two installations are never one.
    pub installation: Uuid,
    /// What the daemon's certificate carries beside the names and addresses that the host has at the time.
    pub server_names: BTreeSet<String>,
    /// The join tokens.
    pub tokens: Tokens,
    /// The certificates.
    pub certificates: Vec<Issued>,
    /// Those that are not accepted any more.
    pub revoked: Vec<Revocation>,
    /// The roles.
    pub bindings: Vec<Bound>,
}

/// Why nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token gives nothing.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// No token is made.
    #[error(transparent)]
    TokenUnfit(#[from] TokenUnfit),
    /// The identity has other rights than the token would give: its holder would get those, too.
    #[error(
        "{name} is known already, with other rights: {holds}. A token for a name gives all that the name has; take another name, or the same role and clusters"
    )]
    NameInUse {
        /// The identity.
        name: String,
        /// What it may do.
        holds: String,
    },
    /// The identity has other rights by now than the token says, which are not told to whoever has the token.
    #[error(
        "what {name} may do was changed after this token was made, so it would give something else than it says; ask for a new one"
    )]
    Outgrown {
        /// The identity.
        name: String,
    },
    /// The certificate is not one of the own authority.
    #[error("only certificates that this daemon has issued are renewed by it")]
    NotOurs,
    /// The certificate was revoked.
    #[error("the certificate was revoked")]
    Revoked,
    /// The certificate is no longer good.
    #[error("the certificate has expired")]
    Expired,
    /// The identity has had enough certificates for now.
    #[error("the certificates of {name} have been renewed {RENEWALS} times within an hour")]
    RenewedTooOften {
        /// The identity.
        name: String,
        /// When the next one may be.
        wait: Duration,
    },
    /// There is no room.
    #[error("the register holds {MOST} of these already; take away those that nobody needs")]
    Full,
}

/// What a revocation took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RevokedCount {
    /// Certificates that are not accepted any more.
    pub certificates: usize,
    /// Roles.
    pub bindings: usize,
    /// Tokens that were not used yet.
    pub tokens: usize,
}

impl RevokedCount {
    /// Whether nothing was there.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

impl Entries {
    /// Nothing yet.
    pub fn new(installation: Uuid) -> Self {
        Self {
            installation,
            server_names: BTreeSet::new(),
            tokens: Tokens::default(),
            certificates: Vec::new(),
            revoked: Vec::new(),
            bindings: Vec::new(),
        }
    }

    /// The subject of an identity of the own authority.
    pub fn subject(&self, identity: &str) -> String {
        name::subject(self.installation, identity)
    }

    /// Whether a token may be made that gives this. A token for an identity that is there gives whoever uses it all that the
    /// identity has, so it must say just that.
    ///
    /// # Errors
    ///
    /// [`Refusal::NameInUse`].
    pub fn check_grant(&self, grant: &Grant, now: SystemTime) -> Result<(), Refusal> {
        let waiting = self
            .tokens
            .iter()
            .filter(|token| token.is_alive(now) && token.grant.name == grant.name)
            .map(|token| (&token.grant.role, &token.grant.clusters));
        let held: Vec<_> = self.bound(&grant.name).into_iter().chain(waiting).collect();
        if self.says_all(grant, &held, now) {
            return Ok(());
        }
        let mut holds: Vec<_> = held
            .into_iter()
            .map(|(role, clusters)| describe(role, clusters.as_deref()))
            .collect();
        holds.dedup();
        Err(Refusal::NameInUse {
            name: grant.name.clone(),
            holds: if holds.is_empty() {
                String::from("a certificate and no role")
            } else {
                holds.join(", ")
            },
        })
    }

    /// The roles that an identity was given, with the clusters of each.
    fn bound(&self, name: &str) -> Vec<(&String, &Option<Vec<String>>)> {
        let subject = self.subject(name);
        let of_name = self.bindings.iter().filter(|bound| bound.subject == subject);
        of_name.map(|bound| (&bound.role, &bound.clusters)).collect()
    }

    /// Whether a grant says all that is held in its name. A certificate from which every role was taken must not come to one
    /// by somebody's token.
    fn says_all(&self, grant: &Grant, held: &[(&String, &Option<Vec<String>>)], now: SystemTime) -> bool {
        let has_certificate = self
            .certificates
            .iter()
            .any(|issued| issued.name == grant.name && self.is_good(issued, now));
        let fits = held
            .iter()
            .all(|(role, clusters)| **role == grant.role && **clusters == grant.clusters);
        fits && !(held.is_empty() && has_certificate)
    }

    /// Uses a token up: a certificate is issued, and the identity has the token's role. What the identity has may have changed
    /// since the token was made, so it is looked at again.
    ///
    /// # Errors
    ///
    /// The token gives nothing, or more than it says; or `issue` fails.
    pub fn enrol<E: From<Refusal>>(
        &mut self,
        token: &str,
        secret: &JoinSecret,
        now: SystemTime,
        issue: impl FnOnce(Uuid, &str) -> Result<IssuedCertificate, E>,
    ) -> Result<(Grant, IssuedCertificate), E> {
        let grant = self.tokens.redeem(token, secret, now).map_err(Refusal::from)?;
        if !self.says_all(&grant, &self.bound(&grant.name), now) {
            return Err(Refusal::Outgrown { name: grant.name }.into());
        }
        let certificate = issue(self.installation, &grant.name)?;
        self.add(&certificate, &grant.name, None, now);
        let bound = Bound {
            subject: self.subject(&grant.name),
            role: grant.role.clone(),
            clusters: grant.clusters.clone(),
            granted_by: format!("token:{token}"),
            granted: whole_seconds(now),
        };
        self.bind(bound)?;
        Ok((grant, certificate))
    }

    /// Issues another certificate in place of one. The former stays good for the rest of its time, since the answer may not
    /// arrive; what was issued in its place before is revoked, and so is what it was issued in place of, which is certainly
    /// of no use any more.
    ///
    /// # Errors
    ///
    /// The certificate is not one that can be renewed, or `issue` fails.
    pub fn renew<E: From<Refusal>>(
        &mut self,
        fingerprint: &[u8; 32],
        now: SystemTime,
        issue: impl FnOnce(Uuid, &str) -> Result<IssuedCertificate, E>,
    ) -> Result<(String, IssuedCertificate), E> {
        let former = self
            .certificates
            .iter()
            .find(|issued| issued.fingerprint == *fingerprint)
            .ok_or(Refusal::NotOurs)?
            .clone();
        if self.is_revoked(fingerprint) {
            return Err(Refusal::Revoked.into());
        }
        if former.expires <= now {
            return Err(Refusal::Expired.into());
        }
        self.check_renewals(&former.name, now)?;
        let certificate = issue(self.installation, &former.name)?;
        let serial = hex::text(&former.serial);
        let of_no_use: Vec<_> = self
            .certificates
            .iter()
            .filter(|issued| {
                issued.replaces.as_ref() == Some(&serial)
                    || former.replaces.as_deref() == Some(hex::text(&issued.serial).as_str())
            })
            .map(|issued| issued.fingerprint)
            .collect();
        for fingerprint in of_no_use {
            // One by one: the certificate at hand and the new one are successors, too.
            self.revoke_one(fingerprint, "renewal", now)?;
        }
        self.add(&certificate, &former.name, Some(serial), now);
        Ok((former.name, certificate))
    }

    fn check_renewals(&self, name: &str, now: SystemTime) -> Result<(), Refusal> {
        let renewals: Vec<_> = self
            .certificates
            .iter()
            .filter(|issued| issued.name == name && issued.replaces.is_some())
            .map(|issued| issued.issued + RENEWALS_WITHIN)
            // A clock that was set back does not keep anybody from renewing.
            .filter(|over| *over > now && *over <= now + RENEWALS_WITHIN)
            .collect();
        if renewals.len() < RENEWALS {
            return Ok(());
        }
        let first = renewals.into_iter().min().unwrap_or(now);
        Err(Refusal::RenewedTooOften {
            name: name.to_owned(),
            wait: first.duration_since(now).unwrap_or_default(),
        })
    }

    fn add(&mut self, certificate: &IssuedCertificate, name: &str, replaces: Option<String>, now: SystemTime) {
        self.forget(now);
        self.certificates.push(Issued {
            serial: certificate.serial,
            fingerprint: certificate.fingerprint,
            name: name.to_owned(),
            issued: whole_seconds(now),
            expires: certificate.expires,
            replaces,
        });
    }

    /// Revokes a certificate, which need not be one of the own authority, and all that was issued in its place: whoever had
    /// it could have had it renewed. Gives how many were good until now; that which is named counts unless it was revoked.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`].
    pub fn revoke_certificate(&mut self, fingerprint: [u8; 32], by: &str, now: SystemTime) -> Result<usize, Refusal> {
        let mut count = usize::from(self.revoke_one(fingerprint, by, now)?);
        for (successor, is_good) in self.successors(fingerprint, now) {
            // What has expired goes uncounted, as with an identity.
            count += usize::from(self.revoke_one(successor, by, now)? && is_good);
        }
        Ok(count)
    }

    /// What was issued in place of a certificate, in place of that, and so on, with whether it is good.
    fn successors(&self, fingerprint: [u8; 32], now: SystemTime) -> Vec<([u8; 32], bool)> {
        let named = self
            .certificates
            .iter()
            .find(|issued| issued.fingerprint == fingerprint);
        let mut predecessors: Vec<_> = named.map(|issued| hex::text(&issued.serial)).into_iter().collect();
        let mut found: Vec<([u8; 32], bool)> = Vec::new();
        while let Some(serial) = predecessors.pop() {
            let direct = self
                .certificates
                .iter()
                .filter(|issued| issued.replaces.as_ref() == Some(&serial) && issued.fingerprint != fingerprint);
            for issued in direct {
                if found.iter().all(|(known, _)| *known != issued.fingerprint) {
                    found.push((issued.fingerprint, self.is_good(issued, now)));
                    predecessors.push(hex::text(&issued.serial));
                }
            }
        }
        found
    }

    /// Revokes one certificate; says whether it was not revoked yet.
    fn revoke_one(&mut self, fingerprint: [u8; 32], by: &str, now: SystemTime) -> Result<bool, Refusal> {
        if self.is_revoked(&fingerprint) {
            return Ok(false);
        }
        let ours = self.certificates.iter().any(|issued| issued.fingerprint == fingerprint);
        // Own certificates are forgotten in time; their revocation must never fail.
        if !ours && self.revoked.len() >= MOST {
            return Err(Refusal::Full);
        }
        self.revoked.push(Revocation {
            fingerprint,
            revoked: whole_seconds(now),
            revoked_by: by.to_owned(),
        });
        Ok(true)
    }

    /// Takes everything from an identity: its certificates, its roles, and tokens for it. What has expired goes, too,
    /// uncounted: a clock that is set back would make it good again.
    ///
    /// # Errors
    ///
    /// None in practice: own certificates can always be revoked.
    pub fn revoke_identity(&mut self, identity: &str, by: &str, now: SystemTime) -> Result<RevokedCount, Refusal> {
        let of_name = |issued: &&Issued| issued.name == identity && !self.is_revoked(&issued.fingerprint);
        let own: Vec<_> = self.certificates.iter().filter(of_name).collect();
        let good = own.iter().filter(|issued| self.is_good(issued, now)).count();
        let own: Vec<_> = own.iter().map(|issued| issued.fingerprint).collect();
        for fingerprint in own {
            self.revoke_one(fingerprint, by, now)?;
        }
        let subject = self.subject(identity);
        let before = self.bindings.len();
        self.bindings.retain(|bound| bound.subject != subject);
        Ok(RevokedCount {
            certificates: good,
            bindings: before - self.bindings.len(),
            tokens: self.tokens.revoke_of(identity, now),
        })
    }

    /// Gives a role; says whether the subject did not have it yet.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`].
    pub fn bind(&mut self, bound: Bound) -> Result<bool, Refusal> {
        let same = |other: &Bound| {
            (&other.subject, &other.role, &other.clusters) == (&bound.subject, &bound.role, &bound.clusters)
        };
        if self.bindings.iter().any(same) {
            return Ok(false);
        }
        if self.bindings.len() >= MOST {
            return Err(Refusal::Full);
        }
        self.bindings.push(bound);
        Ok(true)
    }

    /// Takes a role away as it was given; says whether it was there.
    pub fn unbind(&mut self, subject: &str, role: &str, clusters: Option<&[String]>) -> bool {
        let before = self.bindings.len();
        self.bindings.retain(|bound| {
            (bound.subject.as_str(), bound.role.as_str(), bound.clusters.as_deref()) != (subject, role, clusters)
        });
        self.bindings.len() < before
    }

    /// Whether a certificate is one that was revoked.
    pub fn is_revoked(&self, fingerprint: &[u8; 32]) -> bool {
        self.revoked
            .iter()
            .any(|revocation| revocation.fingerprint == *fingerprint)
    }

    /// Whether a certificate is accepted.
    pub fn is_good(&self, issued: &Issued, now: SystemTime) -> bool {
        now < issued.expires && !self.is_revoked(&issued.fingerprint)
    }

    /// Forgets what has been over for long: a certificate that has expired is refused by its date.
    pub fn forget(&mut self, now: SystemTime) {
        self.tokens.forget(now);
        let (kept, over): (Vec<_>, Vec<_>) = std::mem::take(&mut self.certificates)
            .into_iter()
            .partition(|issued| issued.expires + REMEMBERED > now);
        self.certificates = kept;
        self.revoked
            .retain(|revocation| over.iter().all(|issued| issued.fingerprint != revocation.fingerprint));
    }
}

/// A role on clusters, in words.
pub(in crate::access) fn describe(role: &str, clusters: Option<&[String]>) -> String {
    match clusters {
        None => role.to_owned(),
        Some(clusters) => format!("{role} on {}", clusters.join(" and ")),
    }
}
