//! The verbs that every kind of object has: `get`, `list` and `describe`.

use std::fmt::Debug;
use std::io::Write;

use clap::{Args, Subcommand};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use prost::{Message, Name};
use serde_json::{Value, json};
use wsfc_client::fields::{self, Field};
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{
    self, GetPropertiesRequest, InventoryObject, ListOperationsRequest, ObjectKind, Operation, Property, PropertyClass,
};
use wsfc_client::{Client, Error, object};

use super::live;
use crate::choice::Choice;
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::{many, one, quoted};
use crate::output;
use crate::session::Session;
use crate::tables;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Reads<F: Args + Debug> {
    /// Show it as it stands.
    Get(Get),
    /// List them all, or those that the filters let through; with --watch go on as they change.
    List(List<F>),
    /// Show everything about it: all fields, what the inventory does not keep, its properties and what was done to it.
    Describe(Get),
}

/// Which one.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Its name or its id.
    #[arg(add = complete::names_of_noun())]
    name: String,
    /// Ask the cluster itself, instead of telling what the daemon has observed.
    #[arg(long)]
    fresh: bool,
}

/// Which ones.
#[derive(Debug, Args)]
pub(crate) struct List<F: Args + Debug> {
    /// Only those whose name contains this, compared without case.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name_contains: String,
    #[command(flatten)]
    filter: F,
    /// Ask the cluster itself, instead of telling what the daemon has observed.
    #[arg(long, conflicts_with = "watch")]
    fresh: bool,
    /// Go on and show what changes: the table is drawn anew on a terminal, elsewhere each change is a line.
    #[arg(long, short)]
    watch: bool,
}

/// What a list is narrowed by; each kind knows some of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filters {
    pub(crate) name_contains: String,
    pub(crate) owner_node: String,
    pub(crate) group: String,
    pub(crate) node: String,
    pub(crate) network: String,
    /// The type of resources.
    pub(crate) resource_type: String,
    pub(crate) states: Vec<Choice>,
    /// The types of groups.
    pub(crate) types: Vec<Choice>,
}

impl Filters {
    /// True when an object passes, as the daemon decides it for a list.
    pub(crate) fn let_through(&self, object: &InventoryObject) -> bool {
        let fields = tables::fields(object);
        let text = |name| tables::text(&fields, name);
        let contains = object::name(object)
            .to_lowercase()
            .contains(&self.name_contains.to_lowercase());
        let is = |name, wanted: &str| wanted.is_empty() || text(name).eq_ignore_ascii_case(wanted);
        let group = is("group", &self.group) || is("group_id", &self.group);
        let one_of = |name, choices: &[Choice]| {
            let same = |choice: &Choice| fields::is_same(&choice.word, text(name)) || choice.word == text(name);
            choices.is_empty() || choices.iter().any(same)
        };
        contains
            && is("owner_node", &self.owner_node)
            && is("node", &self.node)
            && is("network", &self.network)
            && is("type", &self.resource_type)
            && group
            && one_of("state", &self.states)
            && one_of("type", &self.types)
    }
}

/// The filters of a kind that has none but the name.
#[derive(Debug, Args)]
pub(crate) struct NoFilter {}

/// Puts what was typed into the filters.
pub(crate) trait Filter {
    /// The filters, without the name.
    fn filters(&self) -> Filters;
}

impl Filter for NoFilter {
    fn filters(&self) -> Filters {
        Filters::default()
    }
}

/// Carries a verb out.
pub(crate) async fn reads<F: Args + Debug + Filter>(
    kind: ObjectKind,
    verb: &Reads<F>,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    match verb {
        Reads::Get(arguments) => get(kind, arguments, session).await,
        Reads::Describe(arguments) => describe(kind, &arguments.name, arguments.fresh, session).await,
        Reads::List(arguments) => {
            let filters = Filters {
                name_contains: arguments.name_contains.clone(),
                ..arguments.filter.filters()
            };
            if arguments.watch {
                live::list(kind, filters, session).await
            } else {
                list(kind, &filters, arguments.fresh, session).await
            }
        }
    }
}

/// An object with what was read beside it.
pub(crate) struct Found {
    pub(crate) object: InventoryObject,
    /// The object alone, for programs.
    value: Value,
    /// What the inventory does not keep; `None` for kinds that have no more.
    details: Option<(Vec<Field>, Value)>,
}

impl Found {
    fn new<T: Message + Name>(found: Option<T>, wrap: impl FnOnce(T) -> Object) -> Result<Self, Error> {
        let found = found.ok_or(Error::Malformed {
            method: "Get",
            problem: "the object is missing",
        })?;
        Ok(Self {
            value: value_of(&found)?,
            object: InventoryObject {
                cluster_id: String::new(),
                object: Some(wrap(found)),
            },
            details: None,
        })
    }
}

fn value_of<T: Message + Name>(message: &T) -> Result<Value, Error> {
    wsfc_client::json::to_value(message).map_err(|_| Error::Malformed {
        method: "Get",
        problem: "the answer cannot be mapped",
    })
}

/// Reads an object; with `details` also what the inventory does not keep. The cluster and the quorum have no name.
pub(crate) async fn find(
    client: &Client,
    kind: ObjectKind,
    cluster: String,
    name: String,
    fresh: bool,
    details: bool,
) -> Result<Found, Error> {
    macro_rules! found {
        ($call:ident, $request:ident { $($by:ident)? }, $field:ident => $variant:ident) => {{
            let request = v1::$request { cluster, $($by: name,)? fresh };
            Found::new(client.$call(request).await?.$field, Object::$variant)
        }};
        ($call:ident, $request:ident { $by:ident }, $field:ident => $variant:ident with details) => {{
            let answer = client.$call(v1::$request { cluster, $by: name, fresh, details }).await?;
            let mut found = Found::new(answer.$field, Object::$variant)?;
            if let Some(details) = &answer.details {
                found.details = Some((fields_of(details)?, value_of(details)?));
            }
            Ok(found)
        }};
    }
    match kind {
        ObjectKind::Cluster => found!(get_cluster_state, GetClusterStateRequest {}, cluster => Cluster),
        ObjectKind::Node => found!(get_node, GetNodeRequest { node }, node => Node),
        ObjectKind::Group => found!(get_group, GetGroupRequest { group }, group => Group with details),
        ObjectKind::Resource => {
            found!(get_resource, GetResourceRequest { resource }, resource => Resource with details)
        }
        ObjectKind::ResourceType => {
            found!(get_resource_type, GetResourceTypeRequest { resource_type }, resource_type => ResourceType with details)
        }
        ObjectKind::Network => found!(get_network, GetNetworkRequest { network }, network => Network),
        ObjectKind::NetworkInterface => {
            found!(get_network_interface, GetNetworkInterfaceRequest { network_interface }, network_interface => NetworkInterface)
        }
        ObjectKind::GroupSet => found!(get_group_set, GetGroupSetRequest { group_set }, group_set => GroupSet),
        ObjectKind::AffinityRule => found!(get_affinity_rule, GetAffinityRuleRequest { rule }, rule => AffinityRule),
        ObjectKind::SharedVolume => {
            found!(get_shared_volume, GetSharedVolumeRequest { volume }, volume => SharedVolume)
        }
        ObjectKind::Quorum => found!(get_quorum, GetQuorumRequest {}, quorum => Quorum),
        ObjectKind::Unspecified => Err(Error::Invalid {
            field: "kind",
            problem: "there is no such kind of object".to_owned(),
        }),
    }
}

fn fields_of<T: Message + Name>(message: &T) -> Result<Vec<Field>, Error> {
    fields::of(message).map_err(|_| Error::Malformed {
        method: "Get",
        problem: "the answer has no descriptor",
    })
}

/// Lists objects of a kind, page by page. The cluster and the quorum are no lists, and give nothing.
pub(crate) fn list_of(
    client: &Client,
    kind: ObjectKind,
    cluster: &str,
    filters: &Filters,
    fresh: bool,
) -> BoxStream<'static, Result<InventoryObject, Error>> {
    let (cluster, name_contains) = (cluster.to_owned(), filters.name_contains.clone());
    let numbers = |choices: &[Choice]| choices.iter().map(|choice| choice.number).collect();
    let page_size = 500;
    macro_rules! listed {
        ($request:ident => $variant:ident { $($field:ident: $value:expr),* }) => {{
            let request = v1::$request {
                cluster,
                fresh,
                page_size,
                name_contains,
                $($field: $value,)*
                page_token: String::new(),
            };
            let wrapped = |object| InventoryObject {
                cluster_id: String::new(),
                object: Some(Object::$variant(object)),
            };
            client.list_all(request).map_ok(wrapped).boxed()
        }};
    }
    let owner_node = filters.owner_node.clone();
    match kind {
        ObjectKind::Node => listed!(ListNodesRequest => Node { states: numbers(&filters.states) }),
        ObjectKind::Group => listed!(ListGroupsRequest => Group {
            owner_node: owner_node, states: numbers(&filters.states), types: numbers(&filters.types)
        }),
        ObjectKind::Resource => listed!(ListResourcesRequest => Resource {
            owner_node: owner_node,
            states: numbers(&filters.states),
            group: filters.group.clone(),
            r#type: filters.resource_type.clone()
        }),
        ObjectKind::ResourceType => listed!(ListResourceTypesRequest => ResourceType {}),
        ObjectKind::Network => listed!(ListNetworksRequest => Network {}),
        ObjectKind::NetworkInterface => listed!(ListNetworkInterfacesRequest => NetworkInterface {
            node: filters.node.clone(), network: filters.network.clone()
        }),
        ObjectKind::GroupSet => listed!(ListGroupSetsRequest => GroupSet {}),
        ObjectKind::AffinityRule => listed!(ListAffinityRulesRequest => AffinityRule {}),
        ObjectKind::SharedVolume => listed!(ListSharedVolumesRequest => SharedVolume {}),
        ObjectKind::Cluster | ObjectKind::Quorum | ObjectKind::Unspecified => futures_util::stream::empty().boxed(),
    }
}

async fn get(kind: ObjectKind, arguments: &Get, session: &mut Session<'_>) -> Result<Exit, Failure> {
    show(kind, &arguments.name, arguments.fresh, session).await
}

/// Shows an object as a row of its table.
pub(crate) async fn show(
    kind: ObjectKind,
    name: &str,
    fresh: bool,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let action = format!("read {} {}", one(kind), quoted(name));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let found = find(&client, kind, cluster, name.to_owned(), fresh, false).await;
    let found = found.map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, wide| tables::objects(out, kind, [&found.object], wide);
    output::value_answer(&mut session.terminal.out, session.globals.output, &found.value, write)?;
    Ok(Exit::Ok)
}

async fn list(kind: ObjectKind, filters: &Filters, fresh: bool, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("list {}", many(kind));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let objects: Result<Vec<_>, _> = list_of(&client, kind, &cluster, filters, fresh).try_collect().await;
    let objects = objects.map_err(|source| Failure::Call { action, source })?;
    let values: Result<Vec<_>, _> = objects.iter().map(output::alone).collect();
    let write = |out: &mut dyn Write, wide| tables::objects(out, kind, &objects, wide);
    output::value_answer(
        &mut session.terminal.out,
        session.globals.output,
        &Value::Array(values?),
        write,
    )?;
    Ok(Exit::Ok)
}

/// How many of the operations on a cluster are searched for those on an object, and how many of them are shown.
const SEARCHED: usize = 200;
const SHOWN: usize = 5;

/// Shows everything about an object.
pub(crate) async fn describe(
    kind: ObjectKind,
    name: &str,
    fresh: bool,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let action = format!("describe {} {}", one(kind), quoted(name));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let found = find(&client, kind, cluster.clone(), name.to_owned(), fresh, true).await;
    let failed = |source| Failure::Call {
        action: action.clone(),
        source,
    };
    let found = found.map_err(failed)?;
    let contents = match kind {
        ObjectKind::Group | ObjectKind::Resource => contents(&client, &cluster, &found.object).await,
        _ => Ok(Vec::new()),
    };
    let contents = contents.map_err(failed)?;
    let common = properties(&client, &cluster, kind, name, PropertyClass::Common).await;
    let private = properties(&client, &cluster, kind, name, PropertyClass::Private).await;
    let operations = operations(&client, &cluster, kind, object::name(&found.object)).await;
    let format = session.globals.output;
    let out = &mut session.terminal.out;
    if format.is_machine() {
        let mut whole = json!({ "object": found.value });
        if let Some((_, details)) = &found.details {
            whole["details"] = details.clone();
        }
        for (key, properties) in [("commonProperties", &common), ("privateProperties", &private)] {
            // What cannot be read is left out; a program asks for it by itself when it needs to know why.
            if let Ok(properties) = properties {
                let values: Result<Vec<_>, _> = properties.iter().map(output::value).collect();
                whole[key] = Value::Array(values?);
            }
        }
        if let Ok(operations) = &operations {
            let values: Result<Vec<_>, _> = operations.iter().map(output::value).collect();
            whole["operations"] = Value::Array(values?);
        }
        output::value_answer(out, format, &whole, |_, _| Ok(()))?;
        return Ok(Exit::Ok);
    }
    tables::described(out, &tables::fields(&found.object))?;
    if let Some((details, _)) = &found.details {
        writeln!(out, "\nDetails")?;
        tables::described(out, &for_people(details, &contents))?;
    }
    if kind == ObjectKind::Group {
        writeln!(out, "\nResources")?;
        tables::objects(out, ObjectKind::Resource, &contents, false)?;
    }
    for (heading, properties) in [("Common properties", common), ("Private properties", private)] {
        writeln!(out, "\n{heading}")?;
        match properties {
            Ok(properties) => tables::properties(out, &properties)?,
            Err(error) => writeln!(out, "They cannot be read: {}", crate::failure::chain(&error))?,
        }
    }
    writeln!(out, "\nRecent operations")?;
    match operations {
        Ok(operations) if operations.is_empty() => writeln!(out, "There are none.")?,
        Ok(operations) => tables::operations(out, &operations, false)?,
        Err(error) => writeln!(out, "They cannot be read: {}", crate::failure::chain(&error))?,
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// The resources of a group, or of the group that a resource is in.
async fn contents(client: &Client, cluster: &str, object: &InventoryObject) -> Result<Vec<InventoryObject>, Error> {
    let group = match &object.object {
        Some(Object::Group(group)) => &group.name,
        Some(Object::Resource(resource)) => &resource.group,
        _ => return Ok(Vec::new()),
    };
    let request = v1::ListResourcesRequest {
        cluster: cluster.to_owned(),
        group: group.clone(),
        ..Default::default()
    };
    let resources = client.list_all(request).map_ok(|resource| InventoryObject {
        cluster_id: String::new(),
        object: Some(Object::Resource(resource)),
    });
    resources.try_collect().await
}

/// Details as people read them: resources of a group stand in a table of their own, and dependencies are told by names
/// instead of ids.
fn for_people(details: &[Field], resources: &[InventoryObject]) -> Vec<Field> {
    let shown = details.iter().filter(|field| field.name != "resources");
    shown
        .map(|field| {
            let mut text = field.text.clone();
            if field.name == "dependency_expression" {
                for resource in resources {
                    let (id, name) = (object::id(resource), object::name(resource));
                    text = text.replace(&format!("[{id}]"), &format!("[{name}]"));
                }
            }
            Field {
                name: field.name.clone(),
                text,
            }
        })
        .collect()
}

async fn properties(
    client: &Client,
    cluster: &str,
    kind: ObjectKind,
    name: &str,
    class: PropertyClass,
) -> Result<Vec<Property>, Error> {
    let request = GetPropertiesRequest {
        cluster: cluster.to_owned(),
        kind: kind.into(),
        name: name.to_owned(),
        class: class.into(),
        names: Vec::new(),
    };
    Ok(client.get_properties(request).await?.properties)
}

/// The newest operations on an object; of the cluster, all that is done in it.
async fn operations(client: &Client, cluster: &str, kind: ObjectKind, name: &str) -> Result<Vec<Operation>, Error> {
    let request = ListOperationsRequest {
        // A list without a cluster is one of the operations on every cluster.
        cluster: client.cluster_name(cluster).await?,
        page_size: i32::try_from(SEARCHED).unwrap_or(i32::MAX),
        ..Default::default()
    };
    let searched = client.all_operations(request).take(SEARCHED);
    let on_it = searched.try_filter(|operation| {
        let same = kind == ObjectKind::Cluster || operation.target.eq_ignore_ascii_case(name);
        std::future::ready(same)
    });
    on_it.take(SHOWN).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::samples::group;

    #[test]
    fn what_is_let_through_while_watching_is_what_a_list_shows() {
        let sql = group("SQL Server", 4, "n1");
        let choice = |word: &str| Choice {
            word: word.to_owned(),
            number: 0,
        };
        let passes = |filters: Filters| filters.let_through(&sql);
        assert!(passes(Filters::default()));
        assert!(passes(Filters {
            name_contains: "sERV".to_owned(),
            owner_node: "N1".to_owned(),
            states: vec![choice("offline"), choice("partial-online")],
            types: vec![choice("file-server")],
            ..Default::default()
        }));
        assert!(!passes(Filters {
            owner_node: "n2".to_owned(),
            ..Default::default()
        }));
        assert!(!passes(Filters {
            states: vec![choice("online")],
            ..Default::default()
        }));
    }
}
