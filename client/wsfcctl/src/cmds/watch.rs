//! `wsfcctl watch`.

use std::io::Write;
use std::str::FromStr;

use clap::Args;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{
    ChangeType, ClusterEvent, Event, Group, InventoryObject, Network, NetworkInterface, Node, ObjectKind,
    OperationRecord, Resource, WatchFilter, WatchMark, WatchRequest, WatchResponse, event,
};
use wsfc_client::{Watch, WatchItem, object};

use crate::choice::{self, Choice};
use crate::cli::Format;
use crate::complete;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::ctrl_c;
use crate::names;
use crate::output;
use crate::phrases;
use crate::report;
use crate::session::Session;
use crate::statuses;
use crate::tables;

/// What to watch.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only objects of this kind; may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = names::kind)]
    kinds: Vec<ObjectKind>,
    /// Only objects with this name or id; may be repeated.
    #[arg(long = "name", value_name = "NAME")]
    names: Vec<String>,
    /// Only this group and the resources in it; may be repeated.
    #[arg(long = "group", value_name = "GROUP", add = complete::names(ObjectKind::Group))]
    groups: Vec<String>,
    /// Only this node and what it owns; may be repeated.
    #[arg(long = "node", value_name = "NODE", add = complete::names(ObjectKind::Node))]
    nodes: Vec<String>,
    /// Only events with this change; may be repeated.
    #[arg(long = "change", value_name = "CHANGE", value_parser = choice::change())]
    changes: Vec<Choice>,
    /// Begin with the objects as they are.
    #[arg(long, conflicts_with_all = ["after", "resume"])]
    snapshot: bool,
    /// The records of operations, too.
    #[arg(long)]
    operations: bool,
    /// Begin after this revision of the daemon's journal.
    #[arg(long, value_name = "REVISION", conflicts_with = "resume")]
    after: Option<u64>,
    /// Go on from a token that an earlier run has told. When the journal no longer reaches that far, or is another one,
    /// the program ends with 8.
    #[arg(long, value_name = "TOKEN")]
    resume: Option<Token>,
    /// Tell a token to resume from after each message with events, and on an idle stream.
    #[arg(long)]
    tokens: bool,
    /// End after this many events.
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

/// A place in a journal: `REVISION@STORE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) revision: u64,
    pub(crate) store_id: String,
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('@');
        parts
            .and_then(|(revision, store_id)| {
                Some(Self {
                    revision: revision.parse().ok()?,
                    store_id: Some(store_id).filter(|id| !id.is_empty())?.to_owned(),
                })
            })
            .ok_or_else(|| "it is no token of `wsfcctl watch`".to_owned())
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.revision, self.store_id)
    }
}

impl Arguments {
    fn request(&self, cluster: String) -> WatchRequest {
        WatchRequest {
            cluster,
            filter: Some(WatchFilter {
                kinds: self.kinds.iter().map(|kind| (*kind).into()).collect(),
                names: self.names.clone(),
                groups: self.groups.clone(),
                nodes: self.nodes.clone(),
                changes: self.changes.iter().map(|choice| choice.number).collect(),
            }),
            snapshot: self.snapshot,
            snapshot_only: false,
            after_revision: self.resume.as_ref().map(|token| token.revision).or(self.after),
            store_id: self
                .resume
                .as_ref()
                .map(|token| token.store_id.clone())
                .unwrap_or_default(),
            operations: self.operations,
        }
    }
}

pub(crate) async fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "watch events".to_owned();
    // Without a cluster it is every one that the daemon observes.
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let following = Following {
        from: arguments.resume.clone(),
        tokens: arguments.tokens,
        count: arguments.count,
    };
    let watch = client.watch(arguments.request(cluster));
    follow_events(session, &action, watch, following, |_| true).await
}

/// How events are followed.
pub(crate) struct Following {
    /// Where to go on from.
    pub(crate) from: Option<Token>,
    /// Tell a token after each message.
    pub(crate) tokens: bool,
    /// End after this many events.
    pub(crate) count: Option<u64>,
}

/// Tells the events that are wanted, until Ctrl-C, and then where to go on from.
pub(crate) async fn follow_events(
    session: &mut Session<'_>,
    action: &str,
    mut watch: Watch,
    following: Following,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Exit, Failure> {
    let mut interrupt = std::pin::pin!(ctrl_c());
    let mut last = following.from;
    let mut left = following.count.unwrap_or(u64::MAX);
    let exit = loop {
        if left == 0 {
            break Exit::Ok;
        }
        let item = tokio::select! {
            biased;
            () = &mut interrupt => break Exit::CtrlC,
            item = watch.next() => item,
        };
        let Some(item) = item else {
            break Exit::Ok;
        };
        let item = item.map_err(|source| Failure::Call {
            action: action.to_owned(),
            source,
        })?;
        if !matches!(&item, WatchItem::Event(event) if !wanted(event)) {
            left = left.saturating_sub(u64::from(matches!(item, WatchItem::Event(_))));
            tell(session, &item)?;
        }
        if let Some(token) = token(&watch, &item) {
            let moved = matches!(item, WatchItem::Mark { .. } | WatchItem::SnapshotComplete { .. });
            if following.tokens && moved {
                tell_token(session, &token)?;
            }
            last = Some(token);
        }
    };
    if let Some(token) = last {
        writeln!(session.terminal.err, "Go on from here with: --resume {token}")?;
    }
    Ok(exit)
}

/// The place after an item. It comes from the item and not from the watch, which may have received more than was told.
fn token(watch: &Watch, item: &WatchItem) -> Option<Token> {
    let revision = match item {
        WatchItem::SnapshotComplete { revision } | WatchItem::Mark { revision } => *revision,
        WatchItem::Event(event) => match &event.event {
            Some(event::Event::Cluster(change)) => change.revision,
            Some(event::Event::Operation(record)) => record.revision,
            None => return None,
        },
        _ => return None,
    };
    Some(Token {
        revision,
        store_id: watch.store_id().to_owned(),
    })
}

/// Tells a place: for programs as a message of the contract, for people beside the data.
fn tell_token(session: &mut Session<'_>, token: &Token) -> Result<(), Failure> {
    let format = session.globals.output;
    if !format.is_machine() {
        return Ok(writeln!(session.terminal.err, "token {token}")?);
    }
    let mark = WatchResponse {
        mark: Some(WatchMark {
            store_id: token.store_id.clone(),
            revision: token.revision,
            snapshot_complete: false,
        }),
        ..Default::default()
    };
    output::item(&mut session.terminal.out, format, &mark)
}

/// Tells an item: data on stdout, the state of the connection on stderr.
fn tell(session: &mut Session<'_>, item: &WatchItem) -> Result<(), Failure> {
    let format = session.globals.output;
    let terminal = &mut *session.terminal;
    match item {
        WatchItem::Snapshot(object) => match format {
            Format::Json | Format::Yaml => output::item(&mut terminal.out, format, &**object),
            Format::Table | Format::Wide => {
                writeln!(terminal.out, "{}", present(object))?;
                Ok(terminal.out.flush()?)
            }
        },
        WatchItem::Event(event) => match format {
            Format::Json | Format::Yaml => output::item(&mut terminal.out, format, &**event),
            Format::Table | Format::Wide => {
                match &event.event {
                    Some(event::Event::Cluster(change)) => writeln!(terminal.out, "{}", sentence(change))?,
                    Some(event::Event::Operation(record)) => writeln!(terminal.out, "{}", of_record(record))?,
                    None => writeln!(terminal.out, "an event of a kind that this program does not know")?,
                }
                Ok(terminal.out.flush()?)
            }
        },
        WatchItem::SnapshotComplete { revision } => Ok(writeln!(
            terminal.err,
            "That is how things stood at revision {revision}; what follows are changes."
        )?),
        WatchItem::Reconnecting { attempt, delay, error } => {
            let why = crate::failure::chain(error);
            Ok(writeln!(
                terminal.err,
                "{why}; attempt {attempt} in {:.1} s",
                delay.as_secs_f64()
            )?)
        }
        WatchItem::Resumed { after_revision } => Ok(writeln!(
            terminal.err,
            "connected again; going on after revision {after_revision}"
        )?),
        WatchItem::Resync { error } => Ok(writeln!(
            terminal.err,
            "{}; beginning anew",
            crate::failure::chain(error)
        )?),
        WatchItem::Mark { .. } => Ok(()),
    }
}

/// An object of a snapshot: `group SQL: online on n1`.
fn present(object: &InventoryObject) -> String {
    let fields = tables::fields(object);
    let text = |name| tables::text(&fields, name);
    let mut parts: Vec<_> = [text("state"), text("connection")]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(ToOwned::to_owned)
        .collect();
    if !text("owner_node").is_empty() {
        parts.push(format!("on {}", names::quoted(text("owner_node"))));
    }
    let mut called = called(object);
    if !parts.is_empty() {
        called.push_str(&format!(": {}", parts.join(" ")));
    }
    phrases::plain(&called)
}

/// The kind and the name of an object.
fn called(object: &InventoryObject) -> String {
    let kind = names::one(object::kind(object));
    match object::name(object) {
        "" => kind.to_owned(),
        name => format!("{kind} {}", names::quoted(name)),
    }
}

/// A change on one line: `2026-... CL1 group SQL: state offline -> online, owner n1 -> n2`.
pub(crate) fn sentence(change: &ClusterEvent) -> String {
    let time = phrases::time(change.time.as_ref());
    let mut parts: Vec<_> = change.changes.iter().map(|number| of_change(*number, change)).collect();
    if parts.is_empty() {
        parts.push("changed".to_owned());
    }
    let subject = change.object.as_ref().map(|object| format!(" {}", called(object)));
    let subject = subject.unwrap_or_default();
    let cluster = names::quoted(&change.cluster);
    phrases::plain(&format!("{time} {cluster}{subject}: {}", parts.join(", ")))
}

fn of_change(number: i32, change: &ClusterEvent) -> String {
    let fields = change.object.as_ref().map(tables::fields).unwrap_or_default();
    let text = |name| tables::text(&fields, name);
    let from_to = |what: &str, before: &str, after: &str| {
        let dash = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                names::quoted(text)
            }
        };
        format!("{what} {} -> {}", dash(before), dash(after))
    };
    match ChangeType::try_from(number) {
        Ok(ChangeType::State) => {
            let before = change.object.as_ref().zip(change.native_state_before);
            let before = before
                .map(|(object, native)| state_word(object, native))
                .unwrap_or_default();
            format!("state {before} -> {}", text("state")).replace("state  -> ", "state ")
        }
        Ok(ChangeType::Owner) => from_to("owner", &change.owner_before, text("owner_node")),
        Ok(ChangeType::Name) => {
            let after = change.object.as_ref().map(object::name).unwrap_or_default();
            from_to("name", &change.name_before, after)
        }
        Ok(ChangeType::Group) => from_to("group", &change.group_before, text("group")),
        Ok(ChangeType::Connection) => format!("connection {}", text("connection")),
        Ok(ChangeType::Gap) => {
            let reason = change.gap.as_ref().map(|gap| gap.reason.as_str()).unwrap_or_default();
            format!("changes may have been missed ({reason}); what differs follows")
        }
        Ok(ChangeType::ResourceStatus) => {
            let status = change.resource_status.as_ref();
            status.map_or_else(|| phrases::change_type(number), statuses::line)
        }
        Ok(ChangeType::Properties) => {
            let told = change.properties.iter().map(|property| property.name.clone());
            let names: Vec<_> = change.changed_fields.iter().cloned().chain(told).collect();
            if names.is_empty() {
                "properties".to_owned()
            } else {
                format!("properties {}", names.join(" "))
            }
        }
        _ => phrases::change_type(number),
    }
}

/// The word for a native state of an object's kind: that of the same object in that state. The contract's numbers are
/// one more than the native ones, but for the pending states of resources.
fn state_word(object: &InventoryObject, native: i32) -> String {
    let next = native.checked_add(1).unwrap_or_default();
    let pending = match native {
        128..=130 => native - 122,
        other => other.checked_add(1).unwrap_or_default(),
    };
    let in_state = match &object.object {
        Some(Object::Node(_)) => Object::Node(Node {
            state: next,
            ..Default::default()
        }),
        Some(Object::Group(_)) => Object::Group(Group {
            state: next,
            ..Default::default()
        }),
        Some(Object::Resource(_) | Object::SharedVolume(_)) => Object::Resource(Resource {
            state: pending,
            ..Default::default()
        }),
        Some(Object::Network(_)) => Object::Network(Network {
            state: next,
            ..Default::default()
        }),
        Some(Object::NetworkInterface(_)) => Object::NetworkInterface(NetworkInterface {
            state: next,
            ..Default::default()
        }),
        _ => return native.to_string(),
    };
    let object = InventoryObject {
        object: Some(in_state),
        ..Default::default()
    };
    tables::text(&tables::fields(&object), "state").to_owned()
}

/// A record of an operation on one line.
fn of_record(record: &OperationRecord) -> String {
    let time = phrases::time(record.time.as_ref());
    let id = phrases::plain(&record.operation_id);
    format!("{time} operation {id}: {}", report::text_of(record))
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{Gap, Property};

    use super::*;
    use crate::tables::samples::{group, object};

    fn change(changes: &[ChangeType]) -> ClusterEvent {
        ClusterEvent {
            revision: 9,
            time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            cluster: "CL1".to_owned(),
            changes: changes.iter().map(|change| (*change).into()).collect(),
            object: Some(group("SQL Server", 1, "n2")),
            ..Default::default()
        }
    }

    #[test]
    fn a_change_is_one_line_with_before_and_after() {
        let moved = ClusterEvent {
            native_state_before: Some(4),
            owner_before: "n1".to_owned(),
            ..change(&[ChangeType::State, ChangeType::Owner])
        };
        assert_eq!(
            sentence(&moved),
            "2023-11-14T22:13:20Z CL1 group \"SQL Server\": state pending -> online, owner n1 -> n2"
        );
        let renamed = ClusterEvent {
            name_before: "SQL".to_owned(),
            ..change(&[ChangeType::Name])
        };
        assert!(sentence(&renamed).ends_with(": name SQL -> \"SQL Server\""));
        let gap = ClusterEvent {
            object: None,
            gap: Some(Gap {
                reason: "RECONNECTED".to_owned(),
                status: None,
            }),
            ..change(&[ChangeType::Gap])
        };
        let expected = "2023-11-14T22:13:20Z CL1: changes may have been missed (RECONNECTED); what differs follows";
        assert_eq!(sentence(&gap), expected);
        let set = ClusterEvent {
            changed_fields: vec!["priority".to_owned()],
            properties: vec![Property {
                name: "Description".to_owned(),
                ..Default::default()
            }],
            ..change(&[ChangeType::Properties])
        };
        assert!(sentence(&set).ends_with(": properties priority Description"));
        assert!(sentence(&change(&[])).ends_with(": changed"));
    }

    #[test]
    fn native_states_have_words() {
        let resource = object(Object::Resource(Resource::default()));
        for (native, word) in [(2, "online"), (4, "failed"), (129, "online pending"), (77, "78")] {
            assert_eq!(state_word(&resource, native), word);
        }
        assert_eq!(state_word(&group("g", 1, ""), 3), "partial online");
        assert_eq!(state_word(&group("g", 1, ""), -1), "unknown");
    }

    #[test]
    fn a_token_is_read_back() {
        let token = Token {
            revision: 42,
            store_id: "3f2c".to_owned(),
        };
        assert_eq!(token.to_string().parse(), Ok(token));
        for wrong in ["42", "x@3f2c", "42@", "@"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_present_object_says_where_it_stands() {
        assert_eq!(present(&group("SQL", 1, "n1")), "group SQL: online on n1");
        assert_eq!(present(&group("SQL", 2, "")), "group SQL: offline");
    }
}
