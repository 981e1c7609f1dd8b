//! A cluster event in the making: its bytes, which every watcher is sent, and its facts, which filters ask about.
//!
//! Both are made once, by the writer, and stored side by side, so that a filter passes over what nobody wants without
//! decoding it.

use bytes::BufMut as _;
use prost::Message as _;
use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object as Value;

use super::objects::{Identity, caseless};

/// The tag of field 1, length-delimited: `events` of `WatchResponse`, and `operation` of `Event`.
const FIRST_FIELD: u8 = 0x0A;
/// The tag of field 2, length-delimited: `cluster` of `Event`.
const CLUSTER_FIELD: u8 = 0x12;

/// How many texts the facts of an event hold.
const TEXTS: usize = 10;

/// Encodes an event as field 1 of `WatchResponse`, behind what the buffer holds.
pub(super) fn encode_frame(event: &v1::ClusterEvent, buffer: &mut Vec<u8>) {
    let length = event.encoded_len();
    let wrapped = 1 + prost::length_delimiter_len(length) + length;
    buffer.reserve(1 + prost::length_delimiter_len(wrapped) + wrapped);
    buffer.push(FIRST_FIELD);
    prost::encoding::encode_varint(wrapped as u64, buffer);
    buffer.push(CLUSTER_FIELD);
    // A vector grows as needed, so the encoding cannot run out of room.
    let _never_full = event.encode_length_delimited(buffer);
}

/// Encodes the record of an operation as field 1 of `WatchResponse`: an `Event` that holds a record is the record's own
/// frame.
pub(super) fn wrap_record(frame: &[u8], buffer: &mut bytes::BytesMut) {
    buffer.reserve(1 + prost::length_delimiter_len(frame.len()) + frame.len());
    buffer.put_u8(FIRST_FIELD);
    prost::encoding::encode_varint(frame.len() as u64, buffer);
    buffer.put_slice(frame);
}

/// What filters ask about an event. Every text is in lower case, and empty where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts<'f> {
    /// The kind of the object, by its number; 0 without one.
    pub(super) kind: u8,
    /// The changes, each as the bit of its number.
    pub(super) changes: u32,
    /// The id of the cluster, as it is.
    pub(super) cluster_id: &'f [u8],
    /// The name of the cluster.
    pub(super) cluster: &'f [u8],
    /// Its name, its id, and the name before.
    pub(super) names: [&'f [u8]; 3],
    /// Its group by name and id, and the group before; of a group itself its names.
    pub(super) groups: [&'f [u8]; 3],
    /// Its node, and the node before; of a node itself its names.
    pub(super) nodes: [&'f [u8]; 2],
}

/// The bit of a change or a kind in a set of them; none for numbers that are too large to have one.
pub(super) fn bit(number: i32) -> u32 {
    u32::try_from(number)
        .ok()
        .and_then(|number| 1_u32.checked_shl(number))
        .unwrap_or(0)
}

/// What the inventory knows of the subject of an event that holds no object; empty where it knows nothing.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'k> {
    /// The id of the cluster.
    pub(super) cluster_id: &'k str,
    /// The id of the group of a resource.
    pub(super) group_id: &'k str,
}

/// Encodes the facts of an event behind what the buffer holds. What a resource has reported is about that resource.
pub(super) fn encode_facts(event: &v1::ClusterEvent, known: Known<'_>, buffer: &mut Vec<u8>) {
    let changes = event.changes.iter().fold(0, |bits, change| bits | bit(*change));
    let subject = match (&event.object, &event.resource_status) {
        (Some(object), _) => Subject::of(object),
        (None, Some(status)) => Subject::reporting(status, known.group_id),
        (None, None) => Subject::default(),
    };
    let cluster_id = event
        .object
        .as_ref()
        .map_or(known.cluster_id, |object| &object.cluster_id);
    let before = Before {
        name: &event.name_before,
        owner: &event.owner_before,
        group: &event.group_before,
    };
    subject.encode(changes, cluster_id, &event.cluster, before, buffer);
}

/// Encodes what a filter of a snapshot asks about an object, behind what the buffer holds.
pub(super) fn encode_object_facts(object: &v1::InventoryObject, buffer: &mut Vec<u8>) {
    Subject::of(object).encode(0, &object.cluster_id, "", Before::default(), buffer);
}

/// What an object was.
#[derive(Default)]
struct Before<'e> {
    name: &'e str,
    owner: &'e str,
    group: &'e str,
}

/// What an object says of itself.
#[derive(Default)]
struct Subject<'o> {
    kind: v1::ObjectKind,
    name: &'o str,
    id: &'o str,
    group: &'o str,
    group_id: &'o str,
    node: &'o str,
}

impl<'o> Subject<'o> {
    fn of(object: &'o v1::InventoryObject) -> Self {
        let Some(Identity { kind, name, id }) = Identity::of(object) else {
            return Self::default();
        };
        let (group, group_id, node) = match &object.object {
            Some(Value::Group(it)) => (name, id, it.owner_node.as_str()),
            Some(Value::Resource(it)) => (it.group.as_str(), it.group_id.as_str(), it.owner_node.as_str()),
            Some(Value::SharedVolume(it)) => ("", "", it.owner_node.as_str()),
            Some(Value::NetworkInterface(it)) => ("", "", it.node.as_str()),
            Some(Value::Node(_)) => ("", "", name),
            _ => ("", "", ""),
        };
        Self {
            kind,
            name,
            id,
            group,
            group_id,
            node,
        }
    }

    /// The resource that has reported something.
    fn reporting(status: &'o v1::ResourceStatus, group_id: &'o str) -> Self {
        Self {
            kind: v1::ObjectKind::Resource,
            name: &status.resource,
            id: &status.resource_id,
            group: &status.group,
            group_id,
            node: &status.node,
        }
    }

    fn encode(&self, changes: u32, cluster_id: &str, cluster: &str, before: Before<'_>, buffer: &mut Vec<u8>) {
        let group_before = match self.kind {
            v1::ObjectKind::Group => before.name,
            _ => before.group,
        };
        let node_before = match self.kind {
            v1::ObjectKind::Node => before.name,
            _ => before.owner,
        };
        buffer.push(u8::try_from(i32::from(self.kind)).unwrap_or(0));
        buffer.extend_from_slice(&changes.to_be_bytes());
        put_text(cluster_id, buffer);
        for text in [
            cluster,
            self.name,
            self.id,
            before.name,
            self.group,
            self.group_id,
            group_before,
            self.node,
            node_before,
        ] {
            put_text(&caseless(text), buffer);
        }
    }
}

fn put_text(text: &str, buffer: &mut Vec<u8>) {
    prost::encoding::encode_varint(text.len() as u64, buffer);
    buffer.extend_from_slice(text.as_bytes());
}

impl<'f> Facts<'f> {
    /// Reads facts where they lie; `None` when these are none.
    pub(super) fn read(bytes: &'f [u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (changes, mut rest) = rest.split_first_chunk::<4>()?;
        let mut texts = [&[][..]; TEXTS];
        for text in &mut texts {
            let length = prost::encoding::decode_varint(&mut rest).ok()?;
            (*text, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        }
        let [
            cluster_id,
            cluster,
            name,
            id,
            name_before,
            group,
            group_id,
            group_before,
            node,
            node_before,
        ] = texts;
        Some(Self {
            kind: *kind,
            changes: u32::from_be_bytes(*changes),
            cluster_id,
            cluster,
            names: [name, id, name_before],
            groups: [group, group_id, group_before],
            nodes: [node, node_before],
        })
    }
}
