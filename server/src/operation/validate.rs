//! What a request may ask for: checked once, here, before anything is accepted.
//!
//! These are the rules that need no look at the world; what only the cluster API can know (an address in use, a node
//! that is a member already) is its to refuse.

mod verbs;

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use wsfc_proto::v1;

use super::call::{Call as _, Parameters};
use super::execute::plain_name;

/// Most nodes of a cluster (facts section 7).
const MAX_NODES: usize = 64;
/// Most addresses of a cluster. Guess: no limit is documented; a cluster has one for each of its networks.
const MAX_ADDRESSES: usize = 64;
/// Longest cluster name: a DNS label (facts 1.2, MAX_CLUSTERNAME_LENGTH).
const MAX_CLUSTER_NAME: usize = 63;
/// Longest name that NetBIOS and a computer object hold (facts 1.2).
const MAX_NETBIOS_NAME: usize = 15;
/// Longest DNS name, which bounds node names given as FQDN.
const MAX_HOST_NAME: usize = 255;
/// Longest free text: descriptions, reasons, account names.
const MAX_TEXT: usize = 1_024;
/// How many characters of a value an error repeats.
const EXCERPT: usize = 64;
/// Longest wait that a request can ask for.
pub const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A field that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field in the request, for example `cluster.nodes[1]`.
    pub field: String,
    /// Why it was refused: lower case, no full stop.
    pub description: String,
}

/// The beginning of a value, as much of it as an error may repeat: errors travel in headers, which are small.
pub fn excerpt(value: &str) -> &str {
    value
        .char_indices()
        .nth(EXCERPT)
        .and_then(|(end, _)| value.get(..end))
        .unwrap_or(value)
}

/// The findings of a check.
#[derive(Debug, Default)]
struct Findings {
    prefix: &'static str,
    violations: Vec<FieldViolation>,
    warnings: Vec<String>,
}

impl Findings {
    fn refuse(&mut self, field: impl std::fmt::Display, description: impl Into<String>) {
        self.violations.push(FieldViolation {
            field: format!("{}.{field}", self.prefix),
            description: description.into(),
        });
    }

    fn refuse_request(&mut self, field: &str, description: impl Into<String>) {
        self.violations.push(FieldViolation {
            field: field.into(),
            description: description.into(),
        });
    }
}

/// Checks what was asked for, and gives the warnings about what is allowed but unwise.
///
/// # Errors
///
/// Every field that was refused, in the order of the message.
pub fn validate(
    parameters: &Parameters,
    credentials: Option<&v1::Credentials>,
    request_id: &str,
) -> Result<Vec<String>, Vec<FieldViolation>> {
    let mut findings = Findings {
        prefix: parameters.field(),
        ..Findings::default()
    };
    match parameters {
        Parameters::CreateCluster(p) => create_cluster(&mut findings, p),
        Parameters::AddNode(p) => {
            existing_cluster(&mut findings, &p.cluster);
            host(&mut findings, "node", &p.node);
        }
        Parameters::EvictNode(p) => {
            existing_cluster(&mut findings, &p.cluster);
            host(&mut findings, "node", &p.node);
            wait(&mut findings, "cleanup_timeout", p.cleanup_timeout.as_ref());
            text(&mut findings, "reason", &p.reason);
        }
        Parameters::DestroyCluster(p) => existing_cluster(&mut findings, &p.cluster),
        Parameters::UpgradeFunctionalLevel(p) => existing_cluster(&mut findings, &p.cluster),
        Parameters::CreateNameAccount(p) => create_name_account(&mut findings, p),
        Parameters::RemoveNameAccount(p) => existing_cluster(&mut findings, &p.cluster),
        Parameters::RepairNameAccount(p) => existing_cluster(&mut findings, &p.cluster),
        Parameters::AddStorageNode(p) => {
            existing_cluster(&mut findings, &p.cluster);
            host(&mut findings, "node", &p.node);
            text(&mut findings, "description", &p.description);
            text(&mut findings, "location", &p.location);
        }
        Parameters::RemoveStorageNode(p) => {
            existing_cluster(&mut findings, &p.cluster);
            host(&mut findings, "node", &p.node);
            wait(&mut findings, "timeout", p.timeout.as_ref());
        }
        verb => verbs::check(&mut findings, verb),
    }
    if let Some(credentials) = credentials {
        check_credentials(&mut findings, credentials);
    }
    if !request_id.is_empty() && uuid::Uuid::try_parse(request_id).is_err() {
        findings.refuse_request("options.request_id", "is not a UUID");
    }
    if findings.violations.is_empty() {
        Ok(findings.warnings)
    } else {
        Err(findings.violations)
    }
}

/// Checks the secret of a witness.
///
/// # Errors
///
/// The field, when it is missing, malformed, or of no use.
pub fn secret(call: &Parameters, secret: Option<&v1::WitnessSecret>) -> Result<(), Vec<FieldViolation>> {
    let Parameters::SetQuorum(p) = call else {
        return Ok(());
    };
    let cloud = p.r#type() == v1::QuorumType::CloudWitness;
    let (field, description) = match secret {
        Some(_) if !cloud => ("witness_secret", "is for a cloud witness only"),
        None if cloud => ("witness_secret", "is required for a cloud witness"),
        Some(secret) if secret.access_key.is_empty() => ("witness_secret.access_key", "is required"),
        Some(secret) if secret.access_key.len() > MAX_TEXT || secret.access_key.contains('\0') => {
            ("witness_secret.access_key", "is too long or holds a NUL character")
        }
        Some(_) | None => return Ok(()),
    };
    Err(vec![FieldViolation {
        field: field.into(),
        description: description.into(),
    }])
}

/// Checks the name of a cluster or a host to read from; empty is the daemon's own.
///
/// # Errors
///
/// The field, when it cannot be a name.
pub fn name_to_open(field: &str, name: &str) -> Result<(), FieldViolation> {
    open_name_fault(name).map_or(Ok(()), |description| {
        Err(FieldViolation {
            field: field.into(),
            description,
        })
    })
}

/// A length of time of a request; nothing when it is negative, or none that a `google.protobuf.Duration` can be. The
/// library's own conversion overflows for some that are not.
pub fn from_wire(duration: &prost_types::Duration) -> Option<Duration> {
    // About ten thousand years, the most that the type's documentation allows.
    const MOST_SECONDS: u64 = 315_576_000_000;
    const SECOND: u32 = 1_000_000_000;
    let seconds = u64::try_from(duration.seconds)
        .ok()
        .filter(|seconds| *seconds <= MOST_SECONDS)?;
    let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < SECOND)?;
    Some(Duration::new(seconds, nanos))
}

/// Reads a protobuf duration as a time to wait.
///
/// # Errors
///
/// Why it is none: negative, malformed, or over `most`.
pub fn duration(duration: &prost_types::Duration, most: Duration) -> Result<Duration, String> {
    let duration = from_wire(duration).ok_or_else(|| String::from("must not be negative and must be well formed"))?;
    if duration > most {
        return Err(format!("is longer than {}", humantime::format_duration(most)));
    }
    Ok(duration)
}

fn create_cluster(findings: &mut Findings, p: &v1::CreateClusterParameters) {
    new_cluster_name(findings, "cluster", &p.cluster);
    if p.nodes.is_empty() {
        findings.refuse("nodes", "names no node");
    }
    if p.nodes.len() > MAX_NODES {
        findings.refuse(
            "nodes",
            format!("names {} nodes; a cluster holds at most {MAX_NODES}", p.nodes.len()),
        );
    } else {
        let mut seen = HashSet::new();
        for (index, name) in p.nodes.iter().enumerate() {
            node(findings, index, name, &mut seen);
        }
    }
    if p.empty_cluster && !p.ip_addresses.is_empty() {
        findings.refuse("ip_addresses", "must be empty for an empty cluster");
    }
    if p.ip_addresses.len() > MAX_ADDRESSES {
        findings.refuse(
            "ip_addresses",
            format!(
                "holds {} addresses; at most {MAX_ADDRESSES} are allowed",
                p.ip_addresses.len()
            ),
        );
    } else {
        let mut seen = HashSet::new();
        for (index, entry) in p.ip_addresses.iter().enumerate() {
            ip_address(findings, index, entry, &mut seen);
        }
    }
    let point = management_point(findings, p.management_point_type, p.management_point_resource_type);
    let has_point = !matches!(
        point,
        v1::ManagementPointType::Unspecified | v1::ManagementPointType::None
    );
    if p.empty_cluster && has_point {
        findings.refuse("management_point_type", "must be NONE or absent for an empty cluster");
    }
}

fn node(findings: &mut Findings, index: usize, name: &str, seen: &mut HashSet<String>) {
    let field = format!("nodes[{index}]");
    if host(findings, &field, name) && !seen.insert(name.to_lowercase()) {
        let again = format!("names {:?} again; names compare without case", excerpt(name));
        findings.refuse(&field, again);
    }
}

fn ip_address(findings: &mut Findings, index: usize, entry: &v1::IpAddress, seen: &mut HashSet<IpAddr>) {
    let field = format!("ip_addresses[{index}]");
    let address = match entry.address.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_malformed) => {
            findings.refuse(
                format!("{field}.address"),
                format!("{:?} is no IPv4 or IPv6 address", excerpt(&entry.address)),
            );
            return;
        }
    };
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
        findings.refuse(
            format!("{field}.address"),
            format!("{address} cannot be the address of a cluster"),
        );
    }
    let bits = if address.is_ipv4() { 32 } else { 128 };
    if !(1..=bits).contains(&entry.prefix_length) {
        findings.refuse(
            format!("{field}.prefix_length"),
            format!("{} is not 1 to {bits}", entry.prefix_length),
        );
    }
    if !seen.insert(address) {
        findings.refuse(format!("{field}.address"), format!("names {address} again"));
    }
}

fn create_name_account(findings: &mut Findings, p: &v1::CreateNameAccountParameters) {
    existing_cluster(findings, &p.cluster);
    if !p.account.is_empty() {
        new_cluster_name(findings, "account", &p.account);
    }
    let point = management_point(findings, p.management_point_type, p.management_point_resource_type);
    let wants_accounts = matches!(
        point,
        v1::ManagementPointType::Unspecified | v1::ManagementPointType::ActiveDirectoryAndDns
    );
    if p.upgrade_virtual_computer_objects && !wants_accounts {
        findings.refuse(
            "upgrade_virtual_computer_objects",
            "needs management point type ACTIVE_DIRECTORY_AND_DNS",
        );
    }
}

/// A number without a name is refused inward, though outward unknown numbers pass: the daemon does not guess what a
/// call would do with it.
fn management_point(findings: &mut Findings, point: i32, resource: i32) -> v1::ManagementPointType {
    if v1::ManagementPointResourceType::try_from(resource).is_err() {
        findings.refuse("management_point_resource_type", format!("{resource} is not known"));
    }
    v1::ManagementPointType::try_from(point).unwrap_or_else(|_unknown| {
        findings.refuse("management_point_type", format!("{point} is not known"));
        v1::ManagementPointType::Unspecified
    })
}

fn check_credentials(findings: &mut Findings, credentials: &v1::Credentials) {
    for (field, value) in [
        ("credentials.user_name", &credentials.user_name),
        ("credentials.password", &credentials.password),
        ("credentials.domain", &credentials.domain),
    ] {
        if value.is_empty() {
            findings.refuse_request(field, "is required");
        } else if value.len() > MAX_TEXT || value.contains('\0') {
            findings.refuse_request(field, "is too long or holds a NUL character");
        }
    }
}

/// A name to be made: a DNS label.
fn new_cluster_name(findings: &mut Findings, field: &str, name: &str) {
    let length = name.chars().count();
    if name.is_empty() {
        findings.refuse(field, "is required");
    } else if length > MAX_CLUSTER_NAME {
        findings.refuse(
            field,
            format!("has {length} characters; at most {MAX_CLUSTER_NAME} are allowed"),
        );
    } else if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        findings.refuse(field, format!("holds {bad:?}; letters, digits and hyphens are allowed"));
    } else if name.starts_with('-') || name.ends_with('-') {
        findings.refuse(field, "begins or ends with a hyphen");
    } else if name.chars().all(|c| c.is_ascii_digit()) {
        findings.refuse(field, "is all digits");
    } else if length > MAX_NETBIOS_NAME {
        findings.warnings.push(format!(
            "{name:?} has {length} characters; NetBIOS and computer objects hold {MAX_NETBIOS_NAME}, and the rest is cut off there"
        ));
    }
}

/// A cluster to be opened: a name, FQDN or address; empty is that of the daemon's host.
fn existing_cluster(findings: &mut Findings, name: &str) {
    if let Some(fault) = open_name_fault(name) {
        findings.refuse("cluster", fault);
    }
}

fn open_name_fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let plain = plain_name(name);
    if plain.is_empty() {
        return Some(String::from("names no cluster"));
    }
    if name.chars().count() > MAX_TEXT {
        return Some(format!("has more than {MAX_TEXT} characters"));
    }
    host_fault(plain)
}

fn host(findings: &mut Findings, field: &str, name: &str) -> bool {
    let fault = if name.is_empty() {
        Some(String::from("is required"))
    } else {
        host_fault(name)
    };
    let sound = fault.is_none();
    if let Some(fault) = fault {
        findings.refuse(field, fault);
    }
    sound
}

/// Names reach C calls, directory queries and file shares, so a name holds only what a host name, FQDN or address can:
/// no separators, no control characters, no UNC prefix.
fn host_fault(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length > MAX_HOST_NAME {
        return Some(format!("has {length} characters; at most {MAX_HOST_NAME} are allowed"));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
        return Some(format!("holds {bad:?}, which no host name has"));
    }
    if name.starts_with(['-', '.']) || name.contains("..") {
        return Some(String::from("is no host name"));
    }
    None
}

fn text(findings: &mut Findings, field: &str, value: &str) {
    if value.len() > MAX_TEXT {
        findings.refuse(
            field,
            format!("has {} bytes; at most {MAX_TEXT} are allowed", value.len()),
        );
    } else if value.chars().any(char::is_control) {
        findings.refuse(field, "holds a control character");
    }
}

fn wait(findings: &mut Findings, field: &str, value: Option<&prost_types::Duration>) {
    if let Some(Err(fault)) = value.map(|value| duration(value, MAX_WAIT)) {
        findings.refuse(field, fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(change: impl FnOnce(&mut v1::CreateClusterParameters)) -> Result<Vec<String>, Vec<FieldViolation>> {
        let mut p = v1::CreateClusterParameters {
            cluster: "CL1".into(),
            nodes: vec!["n1".into(), "n2.example.org".into()],
            ip_addresses: vec![v1::IpAddress {
                address: "10.0.0.10".into(),
                prefix_length: 24,
            }],
            ..Default::default()
        };
        change(&mut p);
        validate(&Parameters::CreateCluster(p), None, "")
    }

    #[track_caller]
    fn refused(field: &str, change: impl FnOnce(&mut v1::CreateClusterParameters)) {
        let violations = create(change).unwrap_err();
        assert!(
            violations.iter().any(|v| v.field == field),
            "{field} is not among {violations:?}"
        );
    }

    #[test]
    fn a_sound_request_passes_without_warning() {
        assert_eq!(create(|_| {}), Ok(Vec::new()));
    }

    #[test]
    fn cluster_names_are_dns_labels() {
        for name in ["", "a b", "a_b", "-a", "a-", "123", "a.b", "ä", "a\0"] {
            refused("cluster.cluster", |p| p.cluster = name.into());
        }
        refused("cluster.cluster", |p| p.cluster = "a".repeat(64));
        assert_eq!(create(|p| p.cluster = "a".repeat(63)).unwrap().len(), 1);
        assert_eq!(create(|p| p.cluster = "a".repeat(16)).unwrap().len(), 1);
        assert_eq!(create(|p| p.cluster = "a".repeat(15)).unwrap().len(), 0);
    }

    #[test]
    fn nodes_are_one_to_sixty_four_each_once() {
        refused("cluster.nodes", |p| p.nodes.clear());
        refused("cluster.nodes", |p| {
            p.nodes = (0..65).map(|n| format!("n{n}")).collect();
        });
        refused("cluster.nodes[1]", |p| p.nodes = vec!["N1".into(), "n1".into()]);
        refused("cluster.nodes[1]", |p| p.nodes = vec!["n1".into(), String::new()]);
        for name in [r"\\host\pipe", "a/b", "a\r\nb", "..", ".a", "a b"] {
            refused("cluster.nodes[0]", |p| p.nodes = vec![name.into()]);
        }
        assert!(create(|p| p.nodes = (0..64).map(|n| format!("n{n}")).collect()).is_ok());
    }

    #[test]
    fn too_many_entries_are_one_finding() {
        let empty = vec![String::new(); 130_000];
        let violations = create(|p| p.nodes = empty).unwrap_err();
        assert_eq!(violations.len(), 1, "{violations:?}");
        let violations = create(|p| p.ip_addresses = vec![v1::IpAddress::default(); 65]).unwrap_err();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, "cluster.ip_addresses");
    }

    #[test]
    fn an_excerpt_ends_at_a_character() {
        assert_eq!(excerpt("n1"), "n1");
        assert_eq!(excerpt(&"ä".repeat(64)), "ä".repeat(64));
        assert_eq!(excerpt(&"ä".repeat(200_000)), "ä".repeat(64));
    }

    #[test]
    fn addresses_are_well_formed() {
        let with = |address: &'static str, prefix_length| {
            move |p: &mut v1::CreateClusterParameters| {
                p.ip_addresses = vec![v1::IpAddress {
                    address: address.into(),
                    prefix_length,
                }];
            }
        };
        for address in [
            "",
            "10.0.0",
            "10.0.0.256",
            "host",
            "0.0.0.0",
            "127.0.0.1",
            "224.0.0.1",
            "::",
        ] {
            let field = "cluster.ip_addresses[0].address";
            refused(field, |p| {
                p.ip_addresses = vec![v1::IpAddress {
                    address: address.into(),
                    prefix_length: 24,
                }];
            });
        }
        refused("cluster.ip_addresses[0].prefix_length", with("10.0.0.1", 33));
        refused("cluster.ip_addresses[0].prefix_length", with("10.0.0.1", 0));
        refused("cluster.ip_addresses[0].prefix_length", with("fd00::1", 129));
        assert!(create(with("fd00::1", 128)).is_ok());
        refused("cluster.ip_addresses[1].address", |p| {
            p.ip_addresses.push(p.ip_addresses[0].clone());
        });
    }

    #[test]
    fn an_empty_cluster_has_neither_address_nor_management_point() {
        refused("cluster.ip_addresses", |p| p.empty_cluster = true);
        refused("cluster.management_point_type", |p| {
            p.empty_cluster = true;
            p.ip_addresses.clear();
            p.management_point_type = v1::ManagementPointType::Dns.into();
        });
    }

    #[test]
    fn numbers_without_a_name_are_refused_inward() {
        refused("cluster.management_point_type", |p| p.management_point_type = 99);
        refused("cluster.management_point_resource_type", |p| {
            p.management_point_resource_type = -1;
        });
    }

    #[test]
    fn waits_are_bounded() {
        let evict = |seconds| {
            let p = v1::EvictNodeParameters {
                node: "n1".into(),
                cleanup_timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
                ..Default::default()
            };
            validate(&Parameters::EvictNode(p), None, "")
        };
        assert!(evict(300).is_ok());
        assert_eq!(evict(-1).unwrap_err()[0].field, "node.cleanup_timeout");
        assert_eq!(evict(86_401).unwrap_err()[0].field, "node.cleanup_timeout");
    }

    #[test]
    fn credentials_are_whole_and_request_ids_are_uuids() {
        let p = Parameters::RepairNameAccount(v1::RepairNameAccountParameters::default());
        let credentials = v1::Credentials {
            user_name: "u".into(),
            password: String::new(),
            domain: String::new(),
        };
        let fields: Vec<_> = validate(&p, Some(&credentials), "7")
            .unwrap_err()
            .into_iter()
            .map(|v| v.field)
            .collect();
        assert_eq!(
            fields,
            ["credentials.password", "credentials.domain", "options.request_id"]
        );
    }

    #[test]
    fn lengths_of_time_that_cannot_be_are_none() {
        let read = |seconds, nanos| from_wire(&prost_types::Duration { seconds, nanos });
        assert_eq!(read(1, 500_000_000), Some(Duration::from_millis(1_500)));
        assert_eq!(read(0, 0), Some(Duration::ZERO));
        for (seconds, nanos) in [
            (i64::MIN, 0),
            (i64::MIN, i32::MIN),
            (i64::MAX, i32::MAX),
            (-1, 0),
            (0, -1),
            (0, i32::MIN),
            (1, 1_000_000_000),
            (315_576_000_001, 0),
        ] {
            assert_eq!(read(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
