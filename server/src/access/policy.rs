//! Roles, and who has them where.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wsfc_proto::v1::Permission;

use super::identity::{Identity, Method, Refusal, Subject};
use crate::journal::caseless;
use crate::settings::Settings;

/// The role with every permission.
pub const ADMINISTRATOR: &str = "administrator";
/// The role that runs clusters as they are.
pub const OPERATOR: &str = "operator";
/// The role that only reads.
pub const VIEWER: &str = "viewer";

/// What `viewer` may.
const VIEWS: &[Permission] = &[Permission::View];
/// What `operator` may.
const OPERATES: &[Permission] = &[
    Permission::View,
    Permission::RegistryView,
    Permission::OperationCancel,
    Permission::NodeOperate,
    Permission::GroupOperate,
    Permission::ResourceOperate,
    Permission::StorageOperate,
    Permission::WorkloadRun,
];

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Permissions(u64);

impl Permissions {
    fn of(permissions: &[Permission]) -> Self {
        Self(permissions.iter().fold(0, |bits, permission| bits | bit(*permission)))
    }

    const fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    fn list(self) -> BTreeSet<Permission> {
        every().filter(|permission| self.has(*permission)).collect()
    }
}

/// The numbers of permissions are few.
const fn bit(permission: Permission) -> u64 {
    1 << (permission as u32 % u64::BITS)
}

/// Every permission that a role can give.
fn every() -> impl Iterator<Item = Permission> {
    (1..)
        .map_while(|number| Permission::try_from(number).ok())
        .filter(|permission| !matches!(permission, Permission::Public | Permission::Authenticated))
}

/// A role given to a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// Who: a subject as it is written, such as `uri:spiffe://example.org/ops`; with `*` at its end every subject that
    /// begins so.
    pub subject: String,
    /// What: `viewer`, `operator`, `administrator` or a role of the settings.
    pub role: String,
    /// Where: names of clusters, in any case. Absent: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
}

impl Binding {
    /// Whether it is about a subject.
    pub fn concerns(&self, subject: &str) -> bool {
        match self.subject.strip_suffix('*') {
            Some(beginning) => subject.starts_with(beginning),
            None => self.subject == subject,
        }
    }
}

/// Certificates that are no longer good, whatever they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    /// By the SHA-256 of the certificate.
    pub fingerprints: BTreeSet<[u8; 32]>,
    /// By their serial number, for those of the daemon's own authority.
    pub serials: BTreeSet<Vec<u8>>,
}

/// What a binding gives.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    permissions: Permissions,
    /// Names of clusters as they are compared; all when absent.
    clusters: Option<Arc<BTreeSet<String>>>,
}

impl Grant {
    fn new(permissions: Permissions, binding: &Binding) -> Self {
        let clusters = binding.clusters.as_ref();
        let clusters = clusters.map(|names| Arc::new(names.iter().map(|name| caseless(name)).collect()));
        Self { permissions, clusters }
    }
}

/// Where something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everywhere.
    All,
    /// On these clusters, by their names as they are compared.
    Clusters(Arc<BTreeSet<String>>),
}

/// Nowhere.
impl Default for Scope {
    fn default() -> Self {
        Self::Clusters(Arc::default())
    }
}

impl Scope {
    /// Whether a cluster is in it, by the name that it has itself.
    pub fn holds(&self, cluster: &str) -> bool {
        match self {
            Self::All => true,
            Self::Clusters(names) => names.contains(&caseless(cluster)),
        }
    }

    /// Whether everything in another scope is in this one.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Clusters(_), Self::All) => false,
            (Self::Clusters(names), Self::Clusters(others)) => others.is_subset(names),
        }
    }
}

/// Where a call may act, and by which permission; by default nowhere.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    /// The permission that the call needs.
    pub permission: Permission,
    /// Where the caller has it.
    pub scope: Scope,
}

#[cfg(test)]
impl Reach {
    /// As callers of all clusters have it.
    pub(crate) fn everywhere() -> Self {
        Self {
            scope: Scope::All,
            ..Self::default()
        }
    }
}

/// Whether something is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is, there.
    Granted(Scope),
    /// It is not, anywhere.
    Denied,
}

/// What an identity may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    grants: Vec<Grant>,
    known: bool,
}

impl Rights {
    /// Whether it may do something, and where.
    pub fn decide(&self, permission: Permission) -> Decision {
        match permission {
            Permission::Public => return Decision::Granted(Scope::All),
            Permission::Authenticated if self.known || !self.grants.is_empty() => return Decision::Granted(Scope::All),
            Permission::Unspecified | Permission::Authenticated => return Decision::Denied,
            _ => {}
        }
        let mut names: Option<Arc<BTreeSet<String>>> = None;
        for grant in self.grants.iter().filter(|grant| grant.permissions.has(permission)) {
            match (&grant.clusters, &mut names) {
                (None, _) => return Decision::Granted(Scope::All),
                (Some(clusters), None) => names = Some(Arc::clone(clusters)),
                (Some(clusters), Some(names)) => Arc::make_mut(names).extend(clusters.iter().cloned()),
            }
        }
        names.map_or(Decision::Denied, |names| Decision::Granted(Scope::Clusters(names)))
    }

    /// Every permission that it has, and where.
    pub fn list(&self) -> Vec<(Permission, Scope)> {
        let granted = |permission| match self.decide(permission) {
            Decision::Granted(scope) => Some((permission, scope)),
            Decision::Denied => None,
        };
        every().filter_map(granted).collect()
    }
}

/// All roles and bindings of a moment.
#[derive(Debug)]
pub struct Policy {
    roles: BTreeMap<String, Permissions>,
    exact: HashMap<String, Vec<Grant>>,
    beginnings: Vec<(String, Grant)>,
    loopback: Option<Permissions>,
    unauthenticated: Option<Permissions>,
    revoked: Revoked,
}

impl Policy {
    /// The policy of settings, with all bindings. A binding of a role that there is not gives nothing.
    pub fn new(settings: &Settings, bindings: &[Binding], revoked: Revoked) -> Self {
        let mut roles = BTreeMap::from([
            (VIEWER.to_owned(), Permissions::of(VIEWS)),
            (OPERATOR.to_owned(), Permissions::of(OPERATES)),
            (ADMINISTRATOR.to_owned(), Permissions::of(&every().collect::<Vec<_>>())),
        ]);
        for (name, role) in &settings.access.roles {
            let permissions: Vec<_> = role
                .permissions
                .iter()
                .filter_map(|name| Permission::of_name(name))
                .collect();
            roles.entry(name.clone()).or_insert(Permissions::of(&permissions));
        }
        let role = |name: &str| roles.get(name).copied();
        let mut exact: HashMap<String, Vec<Grant>> = HashMap::new();
        let mut beginnings = Vec::new();
        for binding in bindings {
            let Some(permissions) = role(&binding.role) else {
                tracing::warn!(
                    subject = binding.subject,
                    role = binding.role,
                    "A role is bound that there is not; it gives nothing"
                );
                continue;
            };
            let grant = Grant::new(permissions, binding);
            match binding.subject.strip_suffix('*') {
                Some(beginning) => beginnings.push((beginning.to_owned(), grant)),
                None => exact.entry(binding.subject.clone()).or_default().push(grant),
            }
        }
        Self {
            loopback: settings.loopback_role().and_then(role),
            unauthenticated: settings.access.unauthenticated_role.as_deref().and_then(role),
            roles,
            exact,
            beginnings,
            revoked,
        }
    }

    /// What an identity may do.
    ///
    /// # Errors
    ///
    /// Its certificate was revoked.
    pub fn rights(&self, identity: &Identity) -> Result<Rights, Refusal> {
        if let Method::Certificate { fingerprint, serial } = &identity.method
            && (self.revoked.fingerprints.contains(fingerprint) || self.revoked.serials.contains(serial))
        {
            return Err(Refusal::CertificateRevoked);
        }
        let mut grants: Vec<_> = identity
            .subjects
            .iter()
            .flat_map(|subject| self.bound(subject))
            .cloned()
            .collect();
        let everywhere = |permissions| Grant {
            permissions,
            clusters: None,
        };
        match identity.method {
            // Who administers the host administers what runs on it.
            Method::Account { administrator: true } => {
                grants.extend(self.roles.get(ADMINISTRATOR).copied().map(everywhere));
            }
            Method::Loopback => grants.extend(self.loopback.or(self.unauthenticated).map(everywhere)),
            Method::Nothing => grants.extend(self.unauthenticated.map(everywhere)),
            Method::Account { .. } | Method::Certificate { .. } | Method::Bearer => {}
        }
        Ok(Rights {
            grants,
            known: identity.is_known(),
        })
    }

    fn bound(&self, subject: &Subject) -> impl Iterator<Item = &Grant> {
        let exact = self.exact.get(subject.as_str()).into_iter().flatten();
        let beginnings = self.beginnings.iter();
        exact.chain(
            beginnings.filter_map(move |(beginning, grant)| {
                subject.as_str().starts_with(beginning.as_str()).then_some(grant)
            }),
        )
    }

    /// Whether a binding gives nothing that another one does not give, whomever they are about.
    pub fn is_within(&self, binding: &Binding, other: &Binding) -> bool {
        let rights = |binding: &Binding| Rights {
            grants: self
                .roles
                .get(&binding.role)
                .map(|permissions| Grant::new(*permissions, binding))
                .into_iter()
                .collect(),
            known: true,
        };
        let other = rights(other);
        let given = rights(binding).list();
        given.into_iter().all(|(permission, scope)| {
            matches!(other.decide(permission), Decision::Granted(within) if within.covers(&scope))
        })
    }

    /// The names of roles, and the permissions of each.
    pub fn roles(&self) -> Vec<(String, BTreeSet<Permission>)> {
        self.roles
            .iter()
            .map(|(name, permissions)| (name.clone(), permissions.list()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::access::Role;

    fn binding(subject: &str, role: &str, clusters: Option<&[&str]>) -> Binding {
        Binding {
            subject: subject.into(),
            role: role.into(),
            clusters: clusters.map(|names| names.iter().map(ToString::to_string).collect()),
        }
    }

    fn identity(subjects: &[&str], method: Method) -> Identity {
        Identity {
            principal: "x".into(),
            subjects: subjects.iter().map(|text| Subject::new(text).unwrap()).collect(),
            expires: None,
            method,
        }
    }

    fn decide(bindings: &[Binding], subjects: &[&str], permission: Permission) -> Decision {
        let policy = Policy::new(&Settings::default(), bindings, Revoked::default());
        policy
            .rights(&identity(subjects, Method::Bearer))
            .unwrap()
            .decide(permission)
    }

    fn scope(names: &[&str]) -> Decision {
        Decision::Granted(Scope::Clusters(Arc::new(
            names.iter().map(ToString::to_string).collect(),
        )))
    }

    #[test]
    fn nothing_is_allowed_that_no_binding_gives() {
        let bindings = [binding("uri:a", VIEWER, None)];
        assert_eq!(
            decide(&bindings, &["uri:a"], Permission::View),
            Decision::Granted(Scope::All)
        );
        assert_eq!(
            decide(&bindings, &["uri:a"], Permission::GroupOperate),
            Decision::Denied
        );
        assert_eq!(decide(&bindings, &["uri:A"], Permission::View), Decision::Denied);
        assert_eq!(decide(&bindings, &["uri:ab"], Permission::View), Decision::Denied);
        assert_eq!(decide(&bindings, &["email:a"], Permission::View), Decision::Denied);
        assert_eq!(decide(&bindings, &["uri:a"], Permission::Unspecified), Decision::Denied);
        assert_eq!(
            decide(&[binding("uri:a", "nothing", None)], &["uri:a"], Permission::View),
            Decision::Denied
        );
    }

    #[test]
    fn bindings_of_all_names_add_up() {
        let bindings = [
            binding("group:idp#ops", OPERATOR, Some(&["CL1"])),
            binding("user:idp#*", VIEWER, Some(&["cl2", "Cl3"])),
            binding("user:idp#root", ADMINISTRATOR, None),
        ];
        let alice = ["user:idp#alice", "group:idp#ops"];
        assert_eq!(
            decide(&bindings, &alice, Permission::View),
            scope(&["cl1", "cl2", "cl3"])
        );
        assert_eq!(decide(&bindings, &alice, Permission::GroupOperate), scope(&["cl1"]));
        assert_eq!(decide(&bindings, &alice, Permission::ClusterDestroy), Decision::Denied);
        assert_eq!(
            decide(&bindings, &["user:idp#root"], Permission::View),
            Decision::Granted(Scope::All)
        );
    }

    #[test]
    fn built_in_roles_are_steps() {
        let of = |role: &str| {
            let policy = Policy::new(&Settings::default(), &[], Revoked::default());
            policy.roles().into_iter().find(|(name, _)| name == role).unwrap().1
        };
        assert!(of(VIEWER).is_subset(&of(OPERATOR)) && of(OPERATOR).is_subset(&of(ADMINISTRATOR)));
        assert_eq!(of(ADMINISTRATOR), every().collect());
        for never in [
            Permission::ClusterDestroy,
            Permission::AccessAdminister,
            Permission::ClusterSetup,
        ] {
            assert!(!of(OPERATOR).contains(&never));
        }
    }

    #[test]
    fn roles_of_ones_own_hold_what_they_list_and_shadow_nothing() {
        let mut settings = Settings::default();
        let role = |permissions: &[&str]| Role {
            permissions: permissions.iter().map(ToString::to_string).collect(),
        };
        settings.access.roles = BTreeMap::from([
            ("night".into(), role(&["view", "group_operate"])),
            (VIEWER.into(), role(&["cluster_destroy"])),
        ]);
        let bindings = [binding("uri:a", "night", None), binding("uri:b", VIEWER, None)];
        let policy = Policy::new(&settings, &bindings, Revoked::default());
        let decide = |subject: &str, permission| {
            policy
                .rights(&identity(&[subject], Method::Bearer))
                .unwrap()
                .decide(permission)
        };
        assert_eq!(decide("uri:a", Permission::GroupOperate), Decision::Granted(Scope::All));
        assert_eq!(decide("uri:a", Permission::NodeOperate), Decision::Denied);
        assert_eq!(decide("uri:b", Permission::ClusterDestroy), Decision::Denied);
    }

    #[test]
    fn a_binding_is_within_another_by_what_it_gives() {
        let mut settings = Settings::default();
        let night = Role {
            permissions: vec!["view".into(), "cluster_destroy".into()],
        };
        settings.access.roles = BTreeMap::from([("night".into(), night)]);
        let policy = Policy::new(&settings, &[], Revoked::default());
        let within = |role: (&str, Option<&[&str]>), other: (&str, Option<&[&str]>)| {
            policy.is_within(&binding("uri:a", role.0, role.1), &binding("uri:b*", other.0, other.1))
        };
        assert!(within((VIEWER, None), (OPERATOR, None)));
        assert!(!within((OPERATOR, None), (VIEWER, None)));
        assert!(within((VIEWER, Some(&["CL1"])), (VIEWER, Some(&["cl2", "cl1"]))));
        assert!(!within((VIEWER, None), (OPERATOR, Some(&["CL1"]))));
        assert!(!within(("night", None), (OPERATOR, None)));
        assert!(within(("night", None), (ADMINISTRATOR, None)));
        assert!(within(("nothing", None), (VIEWER, Some(&["CL1"]))), "it gives nothing");
        assert!(!within((VIEWER, None), ("nothing", None)));
    }

    #[test]
    fn who_shows_nothing_has_what_the_settings_give() {
        let rights = |change: fn(&mut Settings), method: Method| {
            let mut settings = Settings::default();
            change(&mut settings);
            Policy::new(&settings, &[], Revoked::default())
                .rights(&identity(&[], method))
                .unwrap()
        };
        let none = |_: &mut Settings| {};
        assert_eq!(rights(none, Method::Nothing).decide(Permission::View), Decision::Denied);
        assert_eq!(
            rights(none, Method::Loopback).decide(Permission::View),
            Decision::Denied
        );
        assert_eq!(
            rights(none, Method::Nothing).decide(Permission::Public),
            Decision::Granted(Scope::All)
        );
        assert_eq!(
            rights(none, Method::Nothing).decide(Permission::Authenticated),
            Decision::Denied
        );
        let simulated = |settings: &mut Settings| settings.cluster_api.simulate = Some("demo".into());
        assert_eq!(
            rights(simulated, Method::Loopback).decide(Permission::ClusterDestroy),
            Decision::Granted(Scope::All)
        );
        assert_eq!(
            rights(simulated, Method::Nothing).decide(Permission::View),
            Decision::Denied
        );
        let open = |settings: &mut Settings| settings.access.unauthenticated_role = Some(VIEWER.into());
        assert_eq!(
            rights(open, Method::Nothing).decide(Permission::View),
            Decision::Granted(Scope::All)
        );
        assert_eq!(
            rights(open, Method::Nothing).decide(Permission::Authenticated),
            Decision::Granted(Scope::All)
        );
        assert_eq!(
            rights(none, Method::Account { administrator: true }).decide(Permission::AccessAdminister),
            Decision::Granted(Scope::All)
        );
    }

    #[test]
    fn revoked_certificates_are_nobodys() {
        let by_serial = Revoked {
            serials: [vec![1]].into(),
            ..Revoked::default()
        };
        let by_fingerprint = Revoked {
            fingerprints: [[7; 32]].into(),
            ..Revoked::default()
        };
        let holder = identity(
            &["uri:a"],
            Method::Certificate {
                fingerprint: [7; 32],
                serial: vec![1],
            },
        );
        let rights =
            |revoked| Policy::new(&Settings::default(), &[binding("uri:a", VIEWER, None)], revoked).rights(&holder);
        assert!(rights(Revoked::default()).is_ok());
        assert_eq!(rights(by_serial), Err(Refusal::CertificateRevoked));
        assert_eq!(rights(by_fingerprint), Err(Refusal::CertificateRevoked));
    }

    #[test]
    fn every_permission_has_a_bit_of_its_own() {
        let bits: BTreeSet<_> = every().map(bit).collect();
        assert_eq!(bits.len(), every().count());
    }
}
