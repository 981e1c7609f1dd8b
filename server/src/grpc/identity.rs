//! `IdentityService`: certificates, join tokens, and roles that are given while the daemon runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::{Request, Response, Status};
use wsfc_proto::join_token::{JoinSecret, is_token_id};
use wsfc_proto::v1;

use super::generated::identity_service_server::IdentityService;
use super::status;
use crate::access::Access;
use crate::access::enrolment::{Enrolled, Enrolment, EnrolmentError};
use crate::access::identity::{Identity, Method, Subject};
use crate::access::layer::Caller;
use crate::access::policy::{Binding, Scope};
use crate::access::register::{Bound, Entries, Refusal};
use crate::access::tokens::{Grant, Token};
use crate::access::{hex, name};
use crate::audit::{self, Deferred, Made};
use crate::listen::connection::Peer;
use crate::listen::tls::Certificates;
use crate::operation::validate::{self, FieldViolation, excerpt};
use crate::settings::current::Current;

/// How long a token can be used where nobody says.
const TOKEN_LIFE: Duration = Duration::from_secs(60 * 60);
/// How many clusters a role can be bound to.
const CLUSTERS: usize = 100;
/// The longest subject and the longest name of a cluster, in bytes.
const LONGEST: usize = 512;
/// How many identities a page has where nobody says, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;

/// The service.
#[derive(Clone)]
pub struct Identities {
    /// The register and the authority.
    pub enrolment: Enrolment,
    /// The roles that there are.
    pub access: Access,
    /// Until when the daemon's certificate is good.
    pub certificates: Current<Certificates>,
}

#[tonic::async_trait]
impl IdentityService for Identities {
    async fn enrol(&self, request: Request<v1::EnrolRequest>) -> Result<Response<v1::EnrolResponse>, Status> {
        let address = request.extensions().get::<Peer>().and_then(|peer| peer.address);
        let address = address.map(|address| address.ip());
        let deferred = request.extensions().get::<Deferred>().cloned();
        let request = request.into_inner();
        let secret = JoinSecret::try_from(request.token_secret.as_slice());
        let (true, Ok(secret)) = (is_token_id(&request.token_id), secret) else {
            return Err(invalid("token_id", "and `token_secret` are not those of a join token"));
        };
        // Only who has a good token gets into the log of changes; a bad one is a refusal.
        let checked = self.enrolment.check_token(address, &request.token_id, &secret);
        checked.map_err(|error| status::enrolment(&error))?;
        let ticket = match deferred {
            Some(deferred) => Some(deferred.intent().await.map_err(|error| status::audit(&error))?),
            None => None,
        };
        let enrolled = self
            .enrolment
            .enrol(address, request.token_id.clone(), secret, &request.certificate_request)
            .await
            .map_err(|error| status::enrolment(&error));
        if let Some(ticket) = ticket {
            let made = enrolled.as_ref().ok().map(|(enrolled, _grant)| issued(enrolled));
            ticket.outcome(audit::call::outcome_of_result(&enrolled), None, made);
        }
        let (enrolled, grant) = enrolled?;
        tracing::info!(name = enrolled.name, role = grant.role, "A client has enrolled");
        Ok(Response::new(v1::EnrolResponse {
            certificate: Some(certificate(enrolled)),
            role: grant.role,
            clusters: grant.clusters.unwrap_or_default(),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        let caller = caller(&request)?;
        let Method::Certificate { fingerprint, .. } = caller.identity.method else {
            return Err(status::enrolment(&Refusal::NotOurs.into()));
        };
        let request = request.into_inner();
        let renewed = self.enrolment.renew(fingerprint, &request.certificate_request).await;
        let enrolled = renewed.map_err(|error| status::enrolment(&error))?;
        tracing::info!(name = enrolled.name, "A certificate was renewed");
        let made = Made(issued(&enrolled));
        let mut response = Response::new(v1::RenewCertificateResponse {
            certificate: Some(certificate(enrolled)),
        });
        response.extensions_mut().insert(made);
        Ok(response)
    }

    async fn who_am_i(&self, request: Request<v1::WhoAmIRequest>) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let Caller { identity, rights, .. } = caller(&request)?;
        let permissions = rights
            .list()
            .into_iter()
            .map(|(permission, scope)| v1::GrantedPermission {
                permission: permission.name(),
                clusters: match scope {
                    Scope::All => Vec::new(),
                    Scope::Clusters(names) => names.iter().cloned().collect(),
                },
            });
        Ok(Response::new(v1::WhoAmIResponse {
            principal: identity.principal.clone(),
            subjects: identity.subjects.iter().map(ToString::to_string).collect(),
            permissions: permissions.collect(),
            expire_time: identity.expires.map(Into::into),
            server_certificate_expire_time: self.certificates.get().server_not_after.map(Into::into),
            roles: self.roles_of(&identity),
        }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        name::check(&request.name).map_err(|unfit| invalid("name", &unfit.to_string()))?;
        self.check_role("role", &request.role)?;
        let life = match request.ttl {
            None => TOKEN_LIFE,
            Some(ttl) => validate::from_wire(&ttl).ok_or_else(|| invalid("ttl", "is no time to come"))?,
        };
        let grant = Grant {
            name: request.name,
            role: request.role,
            clusters: clusters("clusters", request.clusters)?,
        };
        let made = self.enrolment.create_token(caller.identity, grant, life).await;
        let (join, token) = made.map_err(|error| status::enrolment(&error))?;
        tracing::info!(
            id = token.id,
            name = token.grant.name,
            role = token.grant.role,
            by = token.created_by,
            "A join token was made"
        );
        let mut response = Response::new(v1::CreateTokenResponse {
            token: join.expose(),
            details: Some(shown(&token)),
        });
        response.extensions_mut().insert(Made(format!("token {}", token.id)));
        Ok(response)
    }

    async fn list_tokens(
        &self,
        _request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let tokens = self.enrolment.entries().tokens.iter().map(shown).collect();
        Ok(Response::new(v1::ListTokensResponse { tokens }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let who = caller(&request)?.identity;
        let by = who.principal.clone();
        let id = request.into_inner().id;
        if !is_token_id(&id) {
            return Err(invalid("id", "is not the id of a join token"));
        }
        let revoked = id.clone();
        let was_there = self
            .change(who, move |entries, _now| Ok(entries.tokens.revoke(&revoked)))
            .await?;
        if !was_there {
            return Err(status::token_not_found());
        }
        tracing::info!(id, by, "A join token was revoked");
        Ok(Response::new(v1::RevokeTokenResponse {}))
    }

    async fn list_identities(
        &self,
        request: Request<v1::ListIdentitiesRequest>,
    ) -> Result<Response<v1::ListIdentitiesResponse>, Status> {
        let request = request.into_inner();
        let size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE,
            Ok(size) => size.min(LONGEST_PAGE),
            Err(_negative) => return Err(invalid("page_size", "must not be negative")),
        };
        let after = URL_SAFE_NO_PAD
            .decode(&request.page_token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(status::page_token_invalid)?;
        let mut known = known(&self.enrolment.entries(), &self.access.configured());
        // An empty subject is nobody's, so the first page begins after it.
        let mut page = known.split_off(&after);
        page.remove(&after);
        let mut identities: Vec<_> = page.into_values().take(size + 1).collect();
        let mut next_page_token = String::new();
        if identities.len() > size {
            identities.truncate(size);
            next_page_token = identities
                .last()
                .map(|identity| URL_SAFE_NO_PAD.encode(&identity.subject))
                .unwrap_or_default();
        }
        Ok(Response::new(v1::ListIdentitiesResponse {
            identities,
            next_page_token,
        }))
    }

    async fn revoke_identity(
        &self,
        request: Request<v1::RevokeIdentityRequest>,
    ) -> Result<Response<v1::RevokeIdentityResponse>, Status> {
        use v1::revoke_identity_request::Target;
        let who = caller(&request)?.identity;
        let by = who.principal.clone();
        let target = request.into_inner().target;
        let what = match target.ok_or_else(|| invalid("target", "is required"))? {
            Target::Name(identity) => {
                name::check(&identity).map_err(|unfit| invalid("name", &unfit.to_string()))?;
                Revoked::Identity(identity)
            }
            Target::Fingerprint(text) => {
                let bytes = hex::bytes(&text).and_then(|bytes| bytes.try_into().ok());
                Revoked::Certificate(
                    bytes.ok_or_else(|| invalid("fingerprint", "is not 64 hexadecimal digits in lower case"))?,
                )
            }
        };
        let described = what.describe();
        let revoked_by = by.clone();
        let count = self
            .change(who, move |entries, now| what.revoke(entries, &revoked_by, now))
            .await?;
        if count == v1::RevokeIdentityResponse::default() {
            return Err(status::identity_not_found(&described));
        }
        tracing::info!(
            what = described,
            certificates = count.certificates,
            roles = count.roles,
            tokens = count.tokens,
            by,
            "Access was revoked"
        );
        Ok(Response::new(count))
    }

    async fn bind_role(&self, request: Request<v1::BindRoleRequest>) -> Result<Response<v1::BindRoleResponse>, Status> {
        let who = caller(&request)?.identity;
        let by = who.principal.clone();
        let binding = self.read_binding(request.into_inner().binding)?;
        let (subject, role) = (binding.subject.clone(), binding.role.clone());
        let granted_by = by.clone();
        let bound = self.change(who, move |entries, now| {
            let bound = Bound {
                subject: binding.subject,
                role: binding.role,
                clusters: binding.clusters,
                granted_by,
                granted: crate::access::tokens::whole_seconds(now),
            };
            Ok(entries.bind(bound)?)
        });
        let is_new = bound.await?;
        tracing::info!(subject, role, by, is_new, "A role was bound");
        Ok(Response::new(v1::BindRoleResponse { unchanged: !is_new }))
    }

    async fn unbind_role(
        &self,
        request: Request<v1::UnbindRoleRequest>,
    ) -> Result<Response<v1::UnbindRoleResponse>, Status> {
        let who = caller(&request)?.identity;
        let by = who.principal.clone();
        let binding = request.into_inner().binding.unwrap_or_default();
        let (subject, role) = (binding.subject, binding.role);
        let clusters = clusters("binding.clusters", binding.clusters)?;
        let (of, what) = (subject.clone(), role.clone());
        let was_there = self
            .change(who, move |entries, _now| {
                Ok(entries.unbind(&of, &what, clusters.as_deref()))
            })
            .await?;
        if !was_there {
            return Err(status::binding_not_found(excerpt(&subject), excerpt(&role)));
        }
        tracing::info!(subject, role, by, "A role was taken away");
        Ok(Response::new(v1::UnbindRoleResponse {}))
    }

    async fn list_roles(
        &self,
        _request: Request<v1::ListRolesRequest>,
    ) -> Result<Response<v1::ListRolesResponse>, Status> {
        let roles = self.access.roles().into_iter().map(|(name, permissions)| v1::Role {
            name,
            permissions: permissions.into_iter().map(v1::Permission::name).collect(),
        });
        Ok(Response::new(v1::ListRolesResponse { roles: roles.collect() }))
    }
}

impl Identities {
    async fn change<T: Send + 'static>(
        &self,
        who: Arc<Identity>,
        change: impl FnOnce(&mut Entries, SystemTime) -> Result<T, EnrolmentError> + Send + 'static,
    ) -> Result<T, Status> {
        let changed = self.enrolment.change_for(who, change).await;
        changed.map_err(|error| status::enrolment(&error))
    }

    fn check_role(&self, field: &str, role: &str) -> Result<(), Status> {
        let roles = self.access.roles();
        if roles.iter().any(|(name, _)| name == role) {
            return Ok(());
        }
        let there: Vec<_> = roles.into_iter().map(|(name, _)| name).collect();
        Err(invalid(field, &format!("is none of the roles {}", there.join(", "))))
    }

    fn read_binding(&self, binding: Option<v1::RoleBinding>) -> Result<Binding, Status> {
        let binding = binding.ok_or_else(|| invalid("binding", "is required"))?;
        let has_form = Subject::new(&binding.subject).is_some();
        let is_plain = binding.subject.trim() == binding.subject && !binding.subject.contains(char::is_control);
        if !has_form || !is_plain || binding.subject.len() > LONGEST {
            let fault = "is a kind, a colon and a name, such as `uri:spiffe://example.org/ops`";
            return Err(invalid("binding.subject", fault));
        }
        self.check_role("binding.role", &binding.role)?;
        Ok(Binding {
            subject: binding.subject,
            role: binding.role,
            clusters: clusters("binding.clusters", binding.clusters)?,
        })
    }

    /// The roles that an identity is bound to by any of its names.
    fn roles_of(&self, identity: &Identity) -> Vec<v1::RoleBinding> {
        let entries = self.enrolment.entries();
        let granted = entries.bindings.iter().map(|bound| Binding {
            subject: bound.subject.clone(),
            role: bound.role.clone(),
            clusters: bound.clusters.clone(),
        });
        let concerns = |binding: &Binding| {
            let mut subjects = identity.subjects.iter();
            subjects.any(|subject| binding.concerns(subject.as_str()))
        };
        self.access
            .configured()
            .into_iter()
            .chain(granted)
            .filter(concerns)
            .map(|binding| v1::RoleBinding {
                subject: binding.subject,
                role: binding.role,
                clusters: binding.clusters.unwrap_or_default(),
            })
            .collect()
    }
}

/// What is to be revoked.
enum Revoked {
    Identity(String),
    Certificate([u8; 32]),
}

impl Revoked {
    fn describe(&self) -> String {
        match self {
            Self::Identity(name) => name.clone(),
            Self::Certificate(fingerprint) => format!("cert:{}", hex::text(fingerprint)),
        }
    }

    fn revoke(
        self,
        entries: &mut Entries,
        by: &str,
        now: SystemTime,
    ) -> Result<v1::RevokeIdentityResponse, EnrolmentError> {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(match self {
            Self::Identity(name) => {
                let revoked = entries.revoke_identity(&name, by, now)?;
                v1::RevokeIdentityResponse {
                    certificates: count(revoked.certificates),
                    roles: count(revoked.bindings),
                    tokens: count(revoked.tokens),
                }
            }
            Self::Certificate(fingerprint) => v1::RevokeIdentityResponse {
                certificates: count(entries.revoke_certificate(fingerprint, by, now)?),
                ..v1::RevokeIdentityResponse::default()
            },
        })
    }
}

/// The layer in front of the services says who calls; without it there is nobody.
fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| status::refused(&crate::access::identity::Refusal::CredentialsRequired))
}

fn invalid(field: &str, description: &str) -> Status {
    status::invalid(&[FieldViolation {
        field: field.into(),
        description: description.into(),
    }])
}

/// Names of clusters, each once and in order; none is all.
fn clusters(field: &str, names: Vec<String>) -> Result<Option<Vec<String>>, Status> {
    if names.is_empty() {
        return Ok(None);
    }
    if names.len() > CLUSTERS {
        return Err(invalid(field, &format!("has more than {CLUSTERS} names")));
    }
    let fits = |name: &String| !name.is_empty() && name.len() <= LONGEST && !name.contains(char::is_control);
    if let Some(index) = names.iter().position(|name| !fits(name)) {
        return Err(invalid(&format!("{field}[{index}]"), "is no name of a cluster"));
    }
    let mut names = names;
    names.sort();
    names.dedup();
    Ok(Some(names))
}

fn certificate(enrolled: Enrolled) -> v1::IssuedCertificate {
    v1::IssuedCertificate {
        certificate: enrolled.certificate.der.to_vec(),
        authority: enrolled.authority,
        name: enrolled.name,
        principal: enrolled.subject,
        expire_time: Some(enrolled.certificate.expires.into()),
    }
}

/// What the audit log says of a certificate that was issued. The name is bounded by itself, so that a long one does not
/// cut off the number and the hash, by which certificates are found and revoked.
fn issued(enrolled: &Enrolled) -> String {
    format!(
        "{}, serial {}, sha256 {}",
        wsfc_audit::excerpt(&enrolled.name),
        hex::text(&enrolled.certificate.serial),
        hex::text(&enrolled.certificate.fingerprint)
    )
}

fn shown(token: &Token) -> v1::Token {
    v1::Token {
        id: token.id.clone(),
        name: token.grant.name.clone(),
        role: token.grant.role.clone(),
        clusters: token.grant.clusters.clone().unwrap_or_default(),
        created_by: token.created_by.clone(),
        create_time: Some(token.created.into()),
        expire_time: Some(token.expires.into()),
        use_time: token.used.map(Into::into),
    }
}

/// Everybody who has a certificate or a role, by subject.
fn known(entries: &Arc<Entries>, configured: &[Binding]) -> BTreeMap<String, v1::KnownIdentity> {
    let mut known: BTreeMap<String, v1::KnownIdentity> = BTreeMap::new();
    let mut of = |subject: &str, change: &dyn Fn(&mut v1::KnownIdentity)| {
        let identity = known.entry(subject.to_owned()).or_insert_with(|| v1::KnownIdentity {
            subject: subject.to_owned(),
            ..v1::KnownIdentity::default()
        });
        change(identity);
    };
    for issued in &entries.certificates {
        let revocation = entries
            .revoked
            .iter()
            .find(|revocation| revocation.fingerprint == issued.fingerprint);
        of(&entries.subject(&issued.name), &|identity| {
            identity.name.clone_from(&issued.name);
            identity.certificates.push(v1::IdentityCertificate {
                fingerprint: hex::text(&issued.fingerprint),
                serial: hex::text(&issued.serial),
                issue_time: Some(issued.issued.into()),
                expire_time: Some(issued.expires.into()),
                revoke_time: revocation.map(|revocation| revocation.revoked.into()),
                revoked_by: revocation
                    .map(|revocation| revocation.revoked_by.clone())
                    .unwrap_or_default(),
            });
        });
    }
    for bound in &entries.bindings {
        of(&bound.subject, &|identity| {
            identity.roles.push(v1::KnownRole {
                role: bound.role.clone(),
                clusters: bound.clusters.clone().unwrap_or_default(),
                granted_by: bound.granted_by.clone(),
                grant_time: Some(bound.granted.into()),
            });
        });
    }
    for binding in configured {
        of(&binding.subject, &|identity| {
            identity.roles.push(v1::KnownRole {
                role: binding.role.clone(),
                clusters: binding.clusters.clone().unwrap_or_default(),
                granted_by: "settings".into(),
                grant_time: None,
            });
        });
    }
    known
}
