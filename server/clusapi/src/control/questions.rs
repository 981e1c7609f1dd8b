//! Small questions and orders of single kinds of object (facts 3.2).

use super::{Controlled as _, Controls as _, dword};
use crate::error::Error;
use crate::handle::{AffinityRule, Cluster, Group, GroupSet, NetworkInterface, Resource, ResourceType};
use crate::proplist::{self, Value};
use crate::sys::constants::{control, object_flags};
use crate::verb::{Accepted, FromCode as _, Stored};
use crate::wide;
use crate::win32::Win32;

/// What a resource or a resource type is, as `CLUS_RESOURCE_CLASS_INFO` has it (facts 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassInfo {
    /// Storage 1, network 2, a user's own 32768; 0 is unknown.
    pub class: u32,
    /// Bits of the class: shared 0x80000000; of storage: a disk 0x40000000, replication 0x10000000.
    pub subclass: u32,
}

/// Something that the cluster carries from node to node with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// A key below `HKEY_LOCAL_MACHINE`.
    Registry,
    /// A container of the crypto API: type, provider and container.
    Crypto,
}

impl Checkpoint {
    const fn codes(self) -> (u32, u32, u32) {
        match self {
            Self::Registry => (
                control::RESOURCE_GET_REGISTRY_CHECKPOINTS,
                control::RESOURCE_ADD_REGISTRY_CHECKPOINT,
                control::RESOURCE_DELETE_REGISTRY_CHECKPOINT,
            ),
            Self::Crypto => (
                control::RESOURCE_GET_CRYPTO_CHECKPOINTS,
                control::RESOURCE_ADD_CRYPTO_CHECKPOINT,
                control::RESOURCE_DELETE_CRYPTO_CHECKPOINT,
            ),
        }
    }
}

fn class_info(function: &'static str, answer: &[u8]) -> Result<ClassInfo, Error> {
    let word = |at: usize| {
        answer
            .get(at..at + 4)
            .map_or(Ok(None), |word| dword(function, word).map(Some))
    };
    match (word(0)?, word(4)?) {
        (Some(class), Some(subclass)) => Ok(ClassInfo { class, subclass }),
        _ => Err(Error::Answer {
            function,
            problem: "less than eight bytes",
        }),
    }
}

fn value_list(function: &'static str, answer: &[u8]) -> Result<Vec<Value>, Error> {
    proplist::parse_value_list(answer).map_err(|source| Error::Properties { function, source })
}

impl Cluster {
    /// The fully qualified name.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn fqdn(&self) -> Result<String, Error> {
        Ok(wide::text_of_bytes(&self.control(control::CLUSTER_GET_FQDN, &[])?))
    }

    /// The names of the affinity rules.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 1 from a server that has none.
    pub fn affinity_rules(&self) -> Result<Vec<String>, Error> {
        let answer = self.control(control::CLUSTER_ENUM_AFFINITY_RULE_NAMES, &[])?;
        Ok(wide::texts_of_bytes(&answer))
    }

    /// Stops the Cluster service on every node.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn shut_down(&self) -> Result<Accepted, Error> {
        match self.control(control::CLUSTER_SHUTDOWN, &[]) {
            Ok(_) => Ok(Accepted::Done),
            Err(Error::Call { function, code }) => Accepted::from_code(function, code.0),
            Err(error) => Err(error),
        }
    }
}

impl Group {
    /// Whether the group goes with the cluster itself (facts 2.4).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn is_core(&self) -> Result<bool, Error> {
        Ok(self.flags()? & object_flags::CORE != 0)
    }
}

impl Resource {
    /// Whether the resource goes with the cluster itself (facts 2.5).
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn is_core(&self) -> Result<bool, Error> {
        Ok(self.flags()? & object_flags::CORE != 0)
    }

    /// The name of the resource's type.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn type_name(&self) -> Result<String, Error> {
        let answer = self.control(control::RESOURCE_GET_RESOURCE_TYPE, &[])?;
        Ok(wide::text_of_bytes(&answer))
    }

    /// What the resource is.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn class_info(&self) -> Result<ClassInfo, Error> {
        let answer = self.control(control::RESOURCE_GET_CLASS_INFO, &[])?;
        class_info(Self::FUNCTION, &answer)
    }

    /// What the resource cannot do without: classes and names of resource types.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn required_dependencies(&self) -> Result<Vec<Value>, Error> {
        let answer = self.control(control::RESOURCE_GET_REQUIRED_DEPENDENCIES, &[])?;
        value_list(Self::FUNCTION, &answer)
    }

    /// Whether the resource is in maintenance, where its monitor does not look at it.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn is_in_maintenance(&self) -> Result<bool, Error> {
        let answer = self.control(control::RESOURCE_QUERY_MAINTENANCE_MODE, &[])?;
        // A newer form has more behind the first number.
        Ok(dword(Self::FUNCTION, answer.get(..4).unwrap_or(&answer))? != 0)
    }

    /// Puts the resource into maintenance, or takes it out.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn set_maintenance(&self, on: bool) -> Result<(), Error> {
        self.control(control::RESOURCE_SET_MAINTENANCE_MODE, &u32::from(on).to_le_bytes())?;
        Ok(())
    }

    /// Asks the DHCP server for more time with an address.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 1 from a resource that is no IP address.
    pub fn renew_lease(&self) -> Result<Accepted, Error> {
        self.order(control::RESOURCE_IPADDRESS_RENEW_LEASE)
    }

    /// Gives an address back to the DHCP server.
    ///
    /// # Errors
    ///
    /// As [`Resource::renew_lease`].
    pub fn release_lease(&self) -> Result<Accepted, Error> {
        self.order(control::RESOURCE_IPADDRESS_RELEASE_LEASE)
    }

    /// Registers a network name in DNS again.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 1 from a resource that is no network name.
    pub fn register_dns(&self) -> Result<Accepted, Error> {
        self.order(control::RESOURCE_NETNAME_REGISTER_DNS_RECORDS)
    }

    /// Repairs the computer account of a network name.
    ///
    /// # Errors
    ///
    /// As [`Resource::register_dns`].
    pub fn repair_computer_account(&self) -> Result<Accepted, Error> {
        self.order(control::RESOURCE_NETNAME_REPAIR_VCO)
    }

    /// Sends a code without input that may go on by itself.
    fn order(&self, code: u32) -> Result<Accepted, Error> {
        match self.control(code, &[]) {
            Ok(_) => Ok(Accepted::Done),
            Err(Error::Call { function, code }) => Accepted::from_code(function, code.0),
            Err(error) => Err(error),
        }
    }

    /// What the cluster carries from node to node with the resource.
    ///
    /// # Errors
    ///
    /// [`Error::Call`]. A resource without checkpoints has none.
    pub fn checkpoints(&self, kind: Checkpoint) -> Result<Vec<String>, Error> {
        let (get, ..) = kind.codes();
        match self.control(get, &[]) {
            Ok(answer) => Ok(wide::texts_of_bytes(&answer)),
            // Guess: the cluster looks for the key of the checkpoints, which comes with the first one.
            Err(Error::Call {
                code: Win32::ERROR_FILE_NOT_FOUND,
                ..
            }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Lets the cluster carry a registry key, or a container of the crypto API, along.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 183 if it does already; [`Error::Text`].
    pub fn add_checkpoint(&self, kind: Checkpoint, name: &str) -> Result<Stored, Error> {
        let (_, add, _) = kind.codes();
        self.with_text(add, name)
    }

    /// Lets the cluster carry it no longer.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 2 if it does not; [`Error::Text`].
    pub fn remove_checkpoint(&self, kind: Checkpoint, name: &str) -> Result<Stored, Error> {
        let (_, _, remove) = kind.codes();
        self.with_text(remove, name)
    }

    fn with_text(&self, code: u32, text: &str) -> Result<Stored, Error> {
        match self.control(code, &wide::bytes_of_text("checkpoint", text)?) {
            Ok(_) => Ok(Stored::Now),
            Err(Error::Call { function, code }) => Stored::from_code(function, code.0),
            Err(error) => Err(error),
        }
    }
}

impl ResourceType {
    /// What resources of the type are.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Answer`].
    pub fn class_info(&self) -> Result<ClassInfo, Error> {
        let answer = self.control(control::RESOURCE_TYPE_GET_CLASS_INFO, &[])?;
        class_info(Self::FUNCTION, &answer)
    }

    /// What resources of the type cannot do without: classes and names of resource types.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn required_dependencies(&self) -> Result<Vec<Value>, Error> {
        let answer = self.control(control::RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES, &[])?;
        value_list(Self::FUNCTION, &answer)
    }

    /// The disks that resources of the type could be made for, as a value list of the SDK's `CLUSPROP_` structs.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn available_disks(&self) -> Result<Vec<Value>, Error> {
        let answer = self.control(control::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS, &[])?;
        value_list(Self::FUNCTION, &answer)
    }

    /// The names and formats of the common properties that resources of the type have.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn resource_common_formats(&self) -> Result<Vec<super::PropertyFormat>, Error> {
        self.formats(control::RESOURCE_TYPE_GET_COMMON_RESOURCE_PROPERTY_FMTS & 0x00FF_FFFF)
    }

    /// The names and formats of the private properties that resources of the type have.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn resource_private_formats(&self) -> Result<Vec<super::PropertyFormat>, Error> {
        self.formats(control::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS & 0x00FF_FFFF)
    }
}

impl NetworkInterface {
    /// The name of the interface's node.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn node_name(&self) -> Result<String, Error> {
        let answer = self.control(control::NETINTERFACE_GET_NODE, &[])?;
        Ok(wide::text_of_bytes(&answer))
    }

    /// The name of the interface's network.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn network_name(&self) -> Result<String, Error> {
        let answer = self.control(control::NETINTERFACE_GET_NETWORK, &[])?;
        Ok(wide::text_of_bytes(&answer))
    }
}

/// Writes the questions that are answered with names.
macro_rules! names {
    ($($(#[$doc:meta])* $type:ident::$method:ident: $code:ident;)+) => {
        $(
            impl $type {
                $(#[$doc])*
                ///
                /// # Errors
                ///
                /// [`Error::Call`].
                pub fn $method(&self) -> Result<Vec<String>, Error> {
                    Ok(wide::texts_of_bytes(&self.control(control::$code, &[])?))
                }
            }
        )+
    };
}

names! {
    /// The groups of the set. Guess: the code answers their ids as a MULTI_SZ, as the codes of a group's providers do.
    GroupSet::groups: GROUPSET_GET_GROUPS;
    /// The groups that the set depends on.
    GroupSet::provider_groups: GROUPSET_GET_PROVIDER_GROUPS;
    /// The group sets that the set depends on.
    GroupSet::provider_sets: GROUPSET_GET_PROVIDER_GROUPSETS;
    /// The groups that the group depends on.
    Group::provider_groups: GROUP_GET_PROVIDER_GROUPS;
    /// The group sets that the group depends on.
    Group::provider_sets: GROUP_GET_PROVIDER_GROUPSETS;
    /// The groups that the rule is about.
    AffinityRule::groups: AFFINITYRULE_GET_GROUPNAMES;
}
