//! Reads that are answered from the inventory: one object by name or id, and pages of objects.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use tonic::Status;
use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::serve::Service;
use super::{reads, status};
use crate::access::policy::Reach;
use crate::inventory::Resolved;
use crate::inventory::read::Reader;
use crate::inventory::reread::Source as _;
use crate::journal::{Inventory, Object, caseless};
use crate::operation::validate::{self, FieldViolation};

/// The page size when none is asked for.
const PAGE: usize = 100;
/// The largest page.
const LARGEST_PAGE: usize = 1_000;
/// How many bytes of objects a page holds before it takes no more. Clients read messages of 4 MiB.
const PAGE_BYTES: usize = 1 << 20;

/// A kind of objects that can be read.
trait Kind: Message + Clone + Default {
    /// The kind.
    const KIND: v1::ObjectKind;
    /// What it is called in errors.
    const NOUN: &'static str;

    /// The object, if it is of this kind.
    fn of(value: &Value) -> Option<&Self>;
}

macro_rules! kinds {
    ($($variant:ident($message:ident) $noun:literal;)*) => {
        $(impl Kind for v1::$message {
            const KIND: v1::ObjectKind = v1::ObjectKind::$variant;
            const NOUN: &'static str = $noun;

            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$variant(object) => Some(object),
                    _ => None,
                }
            }
        })*
    };
}

kinds! {
    Cluster(ClusterState) "state";
    Node(Node) "node";
    Group(Group) "group";
    Resource(Resource) "resource";
    ResourceType(ResourceType) "resource type";
    Network(Network) "network";
    NetworkInterface(NetworkInterface) "network interface";
    GroupSet(GroupSet) "group set";
    AffinityRule(AffinityRule) "affinity rule";
    SharedVolume(SharedVolume) "shared volume";
    Quorum(Quorum) "quorum";
}

/// A cluster and its inventory at one revision.
struct View {
    cluster: Resolved,
    inventory: Inventory,
    store_id: String,
}

impl View {
    fn not_found<K: Kind>(&self, name: &str) -> Status {
        status::object_not_found(K::NOUN, name, &self.cluster.name)
    }

    /// The object of this name or id.
    fn find<K: Kind>(&self, name: &str) -> Result<K, Status> {
        let object = self.inventory.find(&self.cluster.id, K::KIND, name);
        object
            .and_then(|object| K::of(object.object.as_ref()?))
            .cloned()
            .ok_or_else(|| self.not_found::<K>(name))
    }

    /// The only object of a kind that there is once.
    fn only<K: Kind>(&self) -> Result<K, Status> {
        let object = self.inventory.iter(&self.cluster.id, K::KIND).next();
        object
            .and_then(|object| K::of(object.object.as_ref()?))
            .cloned()
            .ok_or_else(|| self.not_found::<K>(""))
    }
}

impl Service {
    /// The cluster of a name, if the caller may act there. It is observed from now on if it was not.
    pub(super) async fn resolve(&self, name: &str) -> Result<Resolved, Status> {
        validate::name_to_open("cluster", name).map_err(|fault| status::invalid(&[fault]))?;
        let resolved = self.clusters.resolve_for(self.principal(), name).await;
        let resolved = resolved.map_err(|error| status::resolve(&error))?;
        let Reach { permission, scope } = self.reach();
        if scope.holds(&resolved.name) {
            Ok(resolved)
        } else {
            Err(status::permission_missing(permission, Some(name)))
        }
    }

    /// A cluster and its inventory. `fresh` reads the cluster first; one that is not observed is read for this answer.
    async fn view(&self, name: &str, fresh: bool) -> Result<View, Status> {
        let cluster = self.resolve(name).await?;
        let journal = self.engine.journal();
        let inventory = if cluster.observed {
            if fresh {
                let refreshed = self.clusters.refresh(&cluster.id).await;
                refreshed.map_err(|error| status::resolve(&error))?;
            }
            journal.inventory()
        } else {
            let id = cluster.id.to_string();
            let read = self.read_cluster(name, move |cluster| Reader::new(cluster, id).whole());
            let read = read.await?;
            let objects = read.objects().values().cloned();
            journal.inventory().with_cluster(&cluster.id, objects)
        };
        Ok(View {
            inventory,
            store_id: journal.store_id().to_string(),
            cluster,
        })
    }

    /// A cluster and its inventory, for a read of the object that the field `field` names.
    async fn view_of(&self, cluster: &str, fresh: bool, field: &str, name: &str) -> Result<View, Status> {
        if name.is_empty() {
            return Err(refuse(field, "is required"));
        }
        self.view(cluster, fresh).await
    }
}

fn refuse(field: &str, description: &str) -> Status {
    status::invalid(&[FieldViolation {
        field: field.into(),
        description: description.into(),
    }])
}

/// Reads of one object by name or id.
macro_rules! gets {
    ($($method:ident($request:ident) -> $response:ident: $field:ident;)*) => {
        $(
            #[doc = concat!("Answers `", stringify!($method), "`.")]
            pub async fn $method(service: &Service, request: v1::$request) -> Result<v1::$response, Status> {
                let view = service
                    .view_of(&request.cluster, request.fresh, stringify!($field), &request.$field)
                    .await?;
                Ok(v1::$response {
                    $field: Some(view.find(&request.$field)?),
                    revision: view.inventory.revision(),
                    store_id: view.store_id,
                })
            }
        )*
    };
}

gets! {
    get_node(GetNodeRequest) -> GetNodeResponse: node;
    get_network(GetNetworkRequest) -> GetNetworkResponse: network;
    get_network_interface(GetNetworkInterfaceRequest) -> GetNetworkInterfaceResponse: network_interface;
    get_group_set(GetGroupSetRequest) -> GetGroupSetResponse: group_set;
    get_affinity_rule(GetAffinityRuleRequest) -> GetAffinityRuleResponse: rule;
    get_shared_volume(GetSharedVolumeRequest) -> GetSharedVolumeResponse: volume;
}

/// Reads of one object that may ask for what the inventory does not keep: `$details` reads it from the cluster.
macro_rules! gets_with_details {
    ($($method:ident($request:ident) -> $response:ident: $field:ident, $details:ident;)*) => {
        $(
            #[doc = concat!("Answers `", stringify!($method), "`.")]
            pub async fn $method(service: &Service, request: v1::$request) -> Result<v1::$response, Status> {
                let view = service
                    .view_of(&request.cluster, request.fresh, stringify!($field), &request.$field)
                    .await?;
                let found = view.find(&request.$field)?;
                let details = match request.details {
                    true => Some(reads::$details(service, &view.cluster.name, &found).await?),
                    false => None,
                };
                Ok(v1::$response {
                    $field: Some(found),
                    revision: view.inventory.revision(),
                    store_id: view.store_id,
                    details,
                })
            }
        )*
    };
}

gets_with_details! {
    get_group(GetGroupRequest) -> GetGroupResponse: group, group_details;
    get_resource(GetResourceRequest) -> GetResourceResponse: resource, resource_details;
    get_resource_type(GetResourceTypeRequest) -> GetResourceTypeResponse: resource_type, resource_type_details;
}

/// Reads of what there is once in a cluster.
macro_rules! only {
    ($($method:ident($request:ident) -> $response:ident: $field:ident;)*) => {
        $(
            #[doc = concat!("Answers `", stringify!($method), "`.")]
            pub async fn $method(service: &Service, request: v1::$request) -> Result<v1::$response, Status> {
                let view = service.view(&request.cluster, request.fresh).await?;
                Ok(v1::$response {
                    $field: Some(view.only()?),
                    revision: view.inventory.revision(),
                    store_id: view.store_id,
                })
            }
        )*
    };
}

only! {
    get_cluster_state(GetClusterStateRequest) -> GetClusterStateResponse: cluster;
    get_quorum(GetQuorumRequest) -> GetQuorumResponse: quorum;
}

/// Where a page goes on, and which list it is of.
struct Place {
    name: String,
    key: String,
}

/// What a page is asked for.
struct Paging<'r> {
    size: i32,
    token: &'r str,
    name_contains: &'r str,
    /// What is listed, and the request without what may differ from page to page.
    filters: Vec<u8>,
}

impl Paging<'_> {
    fn size(&self) -> Result<usize, Status> {
        match usize::try_from(self.size) {
            Ok(0) => Ok(PAGE),
            Ok(size) => Ok(size.min(LARGEST_PAGE)),
            Err(_negative) => Err(refuse("page_size", "must not be negative")),
        }
    }

    /// A token is a place and a checksum of the filters, so that it is of use only where it was given.
    fn make_token(&self, after: &Object) -> String {
        let mut place = (after.name().len() as u64).to_be_bytes().to_vec();
        place.extend_from_slice(after.name().as_bytes());
        place.extend_from_slice(after.key().as_bytes());
        let mut token = self.checksum(&place).to_be_bytes().to_vec();
        token.extend(place);
        URL_SAFE_NO_PAD.encode(token)
    }

    fn read_token(&self) -> Option<Place> {
        let token = URL_SAFE_NO_PAD.decode(self.token).ok()?;
        let (sum, place) = token.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*sum) != self.checksum(place) {
            return None;
        }
        let (length, rest) = place.split_first_chunk::<8>()?;
        let (name, key) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Place {
            name: text(name)?,
            key: text(key)?,
        })
    }

    fn checksum(&self, place: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(place), &self.filters)
    }

    /// A page of objects, and the token of the next one.
    fn page<K: Kind>(&self, view: &View, admits: impl Fn(&K) -> bool) -> Result<(Vec<K>, String), Status> {
        let size = self.size()?;
        let place = match self.token {
            "" => None,
            _ => Some(self.read_token().ok_or_else(status::page_token_invalid)?),
        };
        let wanted = caseless(self.name_contains);
        let (inventory, id) = (&view.inventory, &view.cluster.id);
        let objects: Box<dyn Iterator<Item = _>> = match &place {
            None => Box::new(inventory.iter(id, K::KIND)),
            Some(place) => Box::new(inventory.after(id, K::KIND, &place.name, &place.key)),
        };
        let mut page = Vec::new();
        let mut bytes = 0_usize;
        let mut last: Option<&Object> = None;
        for object in objects {
            let Some(value) = object.object.as_ref().and_then(K::of) else {
                continue;
            };
            if !object.name().contains(&wanted) || !admits(value) {
                continue;
            }
            if let Some(last) = last.filter(|_| page.len() == size || bytes >= PAGE_BYTES) {
                return Ok((page, self.make_token(last)));
            }
            bytes = bytes.saturating_add(value.encoded_len());
            page.push(value.clone());
            last = Some(object);
        }
        Ok((page, String::new()))
    }
}

/// Whether a number is among those that are wanted.
fn among(wanted: &[i32], number: i32) -> bool {
    wanted.is_empty() || wanted.contains(&number)
}

/// Whether one of these names is that which is wanted, compared without case.
fn named(wanted: &str, names: &[&str]) -> bool {
    wanted.is_empty() || names.iter().any(|name| caseless(name) == caseless(wanted))
}

/// Refuses states that are not known.
fn check_states<S: TryFrom<i32>>(states: &[i32]) -> Result<(), Status> {
    if states.iter().any(|state| S::try_from(*state).is_err()) {
        return Err(refuse("states", "holds a state that is not known"));
    }
    Ok(())
}

/// Reads of pages: the field of the answer, what is refused of the request, and what an object must be to be listed.
macro_rules! lists {
    ($($method:ident($request:ident) -> $response:ident: $kind:ident, $field:ident $(, check $check:expr)?
        $(, |$asked:ident, $object:ident| $admits:expr)?;)*) => {
        $(
            #[doc = concat!("Answers `", stringify!($method), "`.")]
            pub async fn $method(service: &Service, request: v1::$request) -> Result<v1::$response, Status> {
                $(
                    let check: fn(&v1::$request) -> Result<(), Status> = $check;
                    check(&request)?;
                )?
                let filters = v1::$request {
                    fresh: false,
                    page_size: 0,
                    page_token: String::new(),
                    ..request.clone()
                };
                let paging = Paging {
                    size: request.page_size,
                    token: &request.page_token,
                    name_contains: &request.name_contains,
                    // Requests for different kinds are the same bytes when they have no filters.
                    filters: [stringify!($kind).as_bytes(), &filters.encode_to_vec()].concat(),
                };
                paging.size()?;
                let view = service.view(&request.cluster, request.fresh).await?;
                let admits = |object: &v1::$kind| {
                    let _unfiltered = object;
                    $(
                        let ($asked, $object) = (&request, object);
                        if !($admits) {
                            return false;
                        }
                    )?
                    true
                };
                let ($field, next_page_token) = paging.page(&view, admits)?;
                Ok(v1::$response {
                    $field,
                    next_page_token,
                    revision: view.inventory.revision(),
                    store_id: view.store_id,
                })
            }
        )*
    };
}

lists! {
    list_nodes(ListNodesRequest) -> ListNodesResponse: Node, nodes,
        check |asked| check_states::<v1::NodeState>(&asked.states),
        |asked, node| among(&asked.states, node.state);
    list_groups(ListGroupsRequest) -> ListGroupsResponse: Group, groups,
        check |asked| check_states::<v1::GroupState>(&asked.states),
        |asked, group| among(&asked.states, group.state)
            && among(&asked.types, group.r#type)
            && named(&asked.owner_node, &[&group.owner_node]);
    list_resources(ListResourcesRequest) -> ListResourcesResponse: Resource, resources,
        check |asked| check_states::<v1::ResourceState>(&asked.states),
        |asked, resource| among(&asked.states, resource.state)
            && named(&asked.owner_node, &[&resource.owner_node])
            && named(&asked.group, &[&resource.group, &resource.group_id])
            && named(&asked.r#type, &[&resource.r#type]);
    list_resource_types(ListResourceTypesRequest) -> ListResourceTypesResponse: ResourceType, resource_types;
    list_networks(ListNetworksRequest) -> ListNetworksResponse: Network, networks;
    list_network_interfaces(ListNetworkInterfacesRequest) -> ListNetworkInterfacesResponse:
        NetworkInterface, network_interfaces,
        |asked, it| named(&asked.node, &[&it.node]) && named(&asked.network, &[&it.network]);
    list_group_sets(ListGroupSetsRequest) -> ListGroupSetsResponse: GroupSet, group_sets;
    list_affinity_rules(ListAffinityRulesRequest) -> ListAffinityRulesResponse: AffinityRule, rules;
    list_shared_volumes(ListSharedVolumesRequest) -> ListSharedVolumesResponse: SharedVolume, volumes;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::journal::{ClusterId, Journal, MemoryStore, Options, Step, appends};
    use crate::platform::Platform;

    fn view(groups: &[(String, i32)]) -> View {
        let opened = Journal::open(Box::new(MemoryStore::new()), Options::default(), Platform::system()).unwrap();
        let (journal, mut writer) = (opened.journal, opened.writer);
        let events = groups.iter().enumerate().map(|(id, (name, state))| v1::ClusterEvent {
            object: Some(v1::InventoryObject {
                cluster_id: "cl1".into(),
                object: Some(Value::Group(v1::Group {
                    name: name.clone(),
                    id: format!("{id:04}"),
                    state: *state,
                    ..v1::Group::default()
                })),
            }),
            ..v1::ClusterEvent::default()
        });
        for append in appends(events) {
            drop(journal.observe(append));
        }
        while writer.step() == Step::Worked {}
        View {
            cluster: Resolved {
                id: ClusterId::from("cl1"),
                name: "CL1".into(),
                observed: true,
            },
            inventory: journal.inventory(),
            store_id: String::new(),
        }
    }

    fn paging<'r>(size: i32, token: &'r str, name_contains: &'r str) -> Paging<'r> {
        Paging {
            size,
            token,
            name_contains,
            filters: name_contains.as_bytes().to_vec(),
        }
    }

    proptest! {
        #[test]
        fn pages_are_the_list_cut_into_pieces(
            groups in proptest::collection::vec(("[abAB]{0,3}", 0..3_i32), 0..40),
            size in 1..9_i32,
            contains in "[aB]{0,1}",
        ) {
            let view = view(&groups);
            let admits = |group: &v1::Group| group.state != 1;
            let mut expected: Vec<_> = groups
                .iter()
                .enumerate()
                .filter(|(_, (name, state))| *state != 1 && caseless(name).contains(&caseless(&contains)))
                .map(|(id, (name, _))| (caseless(name), format!("{id:04}")))
                .collect();
            expected.sort();
            let (mut found, mut token) = (Vec::new(), String::new());
            loop {
                let (page, next) = paging(size, &token, &contains).page(&view, admits).unwrap();
                prop_assert!(page.len() <= usize::try_from(size).unwrap());
                found.extend(page.into_iter().map(|group: v1::Group| (caseless(&group.name), group.id)));
                if next.is_empty() {
                    break;
                }
                prop_assert!(paging(size, &next, "other").page::<v1::Group>(&view, |_| true).is_err());
                token = next;
            }
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn garbage_is_no_token(token: String) {
            prop_assert!(paging(0, &token, "").read_token().is_none());
        }
    }

    #[test]
    fn a_page_is_bounded_by_bytes_too() {
        let groups: Vec<_> = (0..300).map(|_| ("x".repeat(10_000), 0)).collect();
        let view = view(&groups);
        let (page, token) = paging(1_000, "", "").page::<v1::Group>(&view, |_| true).unwrap();
        assert!((50..150).contains(&page.len()) && !token.is_empty(), "{}", page.len());
    }

    #[test]
    fn an_object_is_found_by_name_or_id_and_what_is_not_there_is_not_found() {
        let view = view(&[("SQL".into(), 0), ("0000".into(), 0)]);
        let find = |name| view.find::<v1::Group>(name).map(|group| group.id);
        assert_eq!(find("sql").unwrap(), "0000");
        assert_eq!(find("0001").unwrap(), "0001");
        assert_eq!(find("0000").unwrap(), "0001", "a name comes before an id");
        assert_eq!(find("web").unwrap_err().code(), tonic::Code::NotFound);
        assert_eq!(view.only::<v1::Quorum>().unwrap_err().code(), tonic::Code::NotFound);
    }
}
