//! A call: which function of the cluster API an operation stands for, on what, and what it locks.

mod list;

use std::net::IpAddr;

use wsfc_clusapi::Clusapi;
use wsfc_proto::v1;
pub use wsfc_proto::v1::operation_parameters::Parameters;
use wsfc_proto::v1::{ObjectKind, OperationKind};

/// What an operation's parameters say about it, by kind.
pub trait Call {
    /// The kind of operation.
    fn kind(&self) -> OperationKind;
    /// The C function that it calls.
    fn function(&self) -> &'static str;
    /// The request's field that holds the parameters; field errors begin with it.
    fn field(&self) -> &'static str;
    /// The cluster as requested; empty is that of the daemon's host.
    fn cluster(&self) -> &str;
    /// The node, account, group or other object as requested; empty where the kind has none.
    fn target(&self) -> &str;
    /// The kind of the object.
    fn object(&self) -> ObjectKind;
    /// What it keeps to itself while it runs.
    fn holds(&self) -> Holds;
    /// The hosts that it names and configures.
    fn hosts(&self) -> Vec<&str>;
    /// True when the cluster must exist beforehand.
    fn needs_cluster(&self) -> bool {
        self.kind() != OperationKind::CreateCluster
    }
    /// True when the object must be there beforehand: it is not made by the call, nor is its absence what is asked for.
    fn needs_object(&self) -> bool {
        !matches!(
            self.kind(),
            OperationKind::CreateGroup
                | OperationKind::DeleteGroup
                | OperationKind::CreateResource
                | OperationKind::DeleteResource
                | OperationKind::CreateResourceType
                | OperationKind::DeleteResourceType
                | OperationKind::CreateGroupSet
                | OperationKind::DeleteGroupSet
                | OperationKind::CreateAvailabilitySet
                | OperationKind::CreateAffinityRule
                | OperationKind::DeleteAffinityRule
        )
    }
    /// The name that an object of its kind has after a success (true), or that none has any more (false); nothing for calls
    /// that neither make nor rename nor take away one.
    fn leaves(&self) -> Option<(&str, bool)>;
    /// The C function that it cannot do without and that is not to be had.
    fn missing(&self, api: &Clusapi) -> Option<&'static str> {
        // Nodes are started and stopped by service managers, which are no part of the cluster API; a restart has
        // another way.
        let elsewhere = matches!(
            self.kind(),
            OperationKind::StartNode | OperationKind::StopNode | OperationKind::RestartResource
        );
        (!elsewhere && !api.is_supported(self.function())).then(|| self.function())
    }
    /// True for the calls that set up clusters, which report progress by callback and leave traces on hosts.
    fn is_setup(&self) -> bool {
        i32::from(self.kind()) < i32::from(OperationKind::RenameCluster)
    }
}

/// How the lock keys of hosts begin.
const HOST: &str = "host:";

/// The keys that no other operation may hold meanwhile.
///
/// Setup calls configure whole hosts, so they hold the cluster and each host (facts 1.3: one at a time). Every other call
/// holds its object, by the name that the cluster gave, so that calls on different objects run side by side; but for the
/// cancellation of a move and the termination of a resource, which would wait for the end of what they are to end.
pub fn locks(call: &Parameters, cluster: &str, target: &str, hosts: &[String]) -> Vec<String> {
    match call.holds() {
        Holds::Whole => {
            let mut keys = vec![cluster_key(cluster)];
            keys.extend(hosts.iter().map(|host| host_key(host)));
            keys.sort_unstable();
            keys.dedup();
            keys
        }
        Holds::Object => vec![object_key(call.object(), cluster, target)],
        Holds::Nothing => Vec::new(),
        Holds::Part(part) => vec![format!("{part}:{}", cluster.to_lowercase())],
    }
}

/// The lock key of an object. Names compare without case (facts 2.1).
fn object_key(object: ObjectKind, cluster: &str, name: &str) -> String {
    let object = object.as_str_name().trim_start_matches("OBJECT_KIND_");
    format!("{object}:{cluster}/{name}").to_lowercase()
}

/// The lock key of a host: its first label, so that a short name and an FQDN are one host. Two hosts of one name in two
/// domains share a key, and then one waits for the other.
pub fn host_key(host: &str) -> String {
    let host = host.to_lowercase();
    let is_address = host.parse::<IpAddr>().is_ok();
    let label = host.split('.').next().filter(|_| !is_address).unwrap_or(&host);
    format!("{HOST}{label}")
}

/// Whether a lock key is that of a host.
pub fn is_host_key(key: &str) -> bool {
    key.starts_with(HOST)
}

/// The lock key of a cluster. Names compare without case (facts 2.1).
pub fn cluster_key(cluster: &str) -> String {
    format!("cluster:{}", cluster.to_lowercase())
}

/// What an operation keeps to itself while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// The cluster and every host that it configures.
    Whole,
    /// Its object.
    Object,
    /// Nothing, although it is about an object: it is for what another operation is doing with that.
    Nothing,
    /// A part of the cluster that is one thing for all of it.
    Part(&'static str),
}

macro_rules! target {
    ($parameters:ident, none) => {{
        let _ = $parameters;
        ""
    }};
    ($parameters:ident, $field:ident) => {
        &$parameters.$field
    };
}

macro_rules! holds {
    (whole) => {
        Holds::Whole
    };
    (object) => {
        Holds::Object
    };
    (nothing) => {
        Holds::Nothing
    };
    ($part:literal) => {
        Holds::Part($part)
    };
}

macro_rules! implement {
    ($($variant:ident($field:ident) calls $function:literal on $object:ident $target:ident holds $holds:tt;)*) => {
        impl Call for Parameters {
            fn kind(&self) -> OperationKind {
                match self {
                    $(Self::$variant(_) => OperationKind::$variant,)*
                }
            }

            fn function(&self) -> &'static str {
                if let Self::SetProperties(p) = self {
                    return control_function(p.kind());
                }
                match self {
                    $(Self::$variant(_) => $function,)*
                }
            }

            fn field(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($field),)*
                }
            }

            fn cluster(&self) -> &str {
                match self {
                    $(Self::$variant(p) => &p.cluster,)*
                }
            }

            fn target(&self) -> &str {
                match self {
                    $(Self::$variant(p) => target!(p, $target),)*
                }
            }

            fn object(&self) -> ObjectKind {
                if let Self::SetProperties(p) = self {
                    return p.kind();
                }
                match self {
                    $(Self::$variant(_) => ObjectKind::$object,)*
                }
            }

            fn holds(&self) -> Holds {
                if matches!(self, Self::OfflineResource(p) if p.force_with_termination) {
                    return Holds::Nothing;
                }
                match self {
                    $(Self::$variant(_) => holds!($holds),)*
                }
            }

            fn leaves(&self) -> Option<(&str, bool)> {
                Some(match self {
                    Self::CreateGroup(_)
                    | Self::CreateResource(_)
                    | Self::CreateResourceType(_)
                    | Self::CreateGroupSet(_)
                    | Self::CreateAvailabilitySet(_)
                    | Self::CreateAffinityRule(_)
                    | Self::AddNode(_) => (self.target(), true),
                    Self::DeleteGroup(_)
                    | Self::DeleteResource(_)
                    | Self::DeleteResourceType(_)
                    | Self::DeleteGroupSet(_)
                    | Self::DeleteAffinityRule(_)
                    | Self::EvictNode(_) => (self.target(), false),
                    Self::RenameGroup(p) => (&p.new_name, true),
                    Self::RenameResource(p) => (&p.new_name, true),
                    Self::RenameNetwork(p) => (&p.new_name, true),
                    _others => return None,
                })
            }

            fn hosts(&self) -> Vec<&str> {
                match self {
                    Self::CreateCluster(p) => p.nodes.iter().map(String::as_str).collect(),
                    Self::AddNode(p) => vec![&p.node],
                    Self::EvictNode(p) => vec![&p.node],
                    _others => Vec::new(),
                }
            }
        }
    };
}

list::for_each_call!(implement);

/// The C function behind the properties of a kind of object.
fn control_function(object: ObjectKind) -> &'static str {
    match object {
        ObjectKind::Node => "ClusterNodeControl",
        ObjectKind::Group => "ClusterGroupControl",
        ObjectKind::Resource | ObjectKind::SharedVolume => "ClusterResourceControl",
        ObjectKind::ResourceType => "ClusterResourceTypeControl",
        ObjectKind::Network => "ClusterNetworkControl",
        ObjectKind::NetworkInterface => "ClusterNetInterfaceControl",
        ObjectKind::GroupSet => "ClusterGroupSetControl",
        ObjectKind::AffinityRule => "ClusterAffinityRuleControl",
        ObjectKind::Cluster | ObjectKind::Quorum | ObjectKind::Unspecified => "ClusterControl",
    }
}

/// The accepted parameters of an operation, which every operation has.
pub fn of(operation: &v1::Operation) -> Option<&Parameters> {
    operation.parameters.as_ref()?.parameters.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_hold_the_cluster_and_each_host_once_and_without_case() {
        let hosts = ["N2", "n1", "n2.example.org", "10.0.0.1"].map(String::from);
        let destroy = Parameters::DestroyCluster(v1::DestroyClusterParameters::default());
        assert_eq!(
            locks(&destroy, "CL1", "", &hosts),
            ["cluster:cl1", "host:10.0.0.1", "host:n1", "host:n2"]
        );
    }

    #[test]
    fn a_verb_holds_its_object_or_a_part_of_the_cluster() {
        let online = Parameters::OnlineGroup(v1::OnlineGroupParameters::default());
        assert_eq!(locks(&online, "CL1", "Web \"1\"/a", &[]), ["group:cl1/web \"1\"/a"]);
        let quorum = Parameters::SetQuorum(v1::SetQuorumParameters::default());
        assert_eq!(locks(&quorum, "CL1", "", &[]), ["quorum:cl1"]);
        let terminate = Parameters::OfflineResource(v1::OfflineResourceParameters {
            force_with_termination: true,
            ..v1::OfflineResourceParameters::default()
        });
        assert!(locks(&terminate, "CL1", "r", &[]).is_empty());
        let shutdown = Parameters::ShutdownCluster(v1::ShutdownClusterParameters::default());
        assert_eq!(locks(&shutdown, "CL1", "", &[]), ["cluster:cl1"]);
    }

    #[test]
    fn properties_are_those_of_the_kind_that_the_request_names() {
        let properties = Parameters::SetProperties(v1::SetPropertiesParameters {
            kind: ObjectKind::Group.into(),
            ..Default::default()
        });
        assert_eq!(properties.function(), "ClusterGroupControl");
        assert_eq!(properties.object(), ObjectKind::Group);
    }
}
