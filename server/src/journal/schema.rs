//! How the tables are laid out: big-endian keys, and values that each carry a crc32c over table, key and content.
//!
//! The checksum makes a flipped bit, a misplaced page and a value under the wrong key all look the same: damaged.

use std::time::SystemTime;

use prost::Message as _;
use prost_types::Timestamp;
use uuid::Uuid;
use wsfc_proto::v1;

use super::objects::Object;
use super::request::RequestKey;
use super::store::{Table, Write};

/// The format of the tables, raised when it changes. A store of format 1 has no events and no objects, and is taken as it
/// is.
pub(super) const FORMAT: u32 = 2;

/// The tag of field 1 of `WatchOperationResponse`, length-delimited: each stored record begins with it.
const RECORD_TAG: u8 = 0x0A;

/// A value that does not match its checksum, or cannot be what the table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value of table {} is damaged", table.name())]
pub(super) struct DamagedValue {
    /// The table.
    pub(super) table: Table,
}

/// A write that puts a content under its checksum, as every value of the journal has one.
pub fn put(table: Table, key: Vec<u8>, content: &[u8]) -> Write {
    let mut value = Vec::with_capacity(4 + content.len());
    value.extend_from_slice(&checksum(table, &key, content).to_be_bytes());
    value.extend_from_slice(content);
    Write {
        table,
        key,
        value: Some(value),
    }
}

/// Deletes a key.
pub(super) fn delete(table: Table, key: Vec<u8>) -> Write {
    Write {
        table,
        key,
        value: None,
    }
}

/// The content of a value whose checksum is right.
pub(super) fn open<'v>(table: Table, key: &[u8], value: &'v [u8]) -> Result<&'v [u8], DamagedValue> {
    let (sum, content) = value.split_first_chunk::<4>().ok_or(DamagedValue { table })?;
    if u32::from_be_bytes(*sum) != checksum(table, key, content) {
        return Err(DamagedValue { table });
    }
    Ok(content)
}

fn checksum(table: Table, key: &[u8], content: &[u8]) -> u32 {
    // The length keeps a byte from moving between key and content unseen.
    let sum = crc32c::crc32c(table.name().as_bytes());
    let sum = crc32c::crc32c_append(sum, &(key.len() as u64).to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(sum, key), content)
}

/// Reads fixed parts off the front of a content.
struct Parts<'v> {
    table: Table,
    rest: &'v [u8],
}

impl<'v> Parts<'v> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DamagedValue> {
        let (part, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DamagedValue { table: self.table })?;
        self.rest = rest;
        Ok(*part)
    }

    fn number(&mut self) -> Result<u64, DamagedValue> {
        self.take().map(u64::from_be_bytes)
    }

    fn id(&mut self) -> Result<Uuid, DamagedValue> {
        self.take().map(Uuid::from_bytes)
    }

    fn time(&mut self) -> Result<SystemTime, DamagedValue> {
        let seconds = i64::from_be_bytes(self.take()?);
        let nanos = i32::from_be_bytes(self.take()?);
        SystemTime::try_from(Timestamp { seconds, nanos }).map_err(|_| DamagedValue { table: self.table })
    }

    fn slice(&mut self, length: u64) -> Result<&'v [u8], DamagedValue> {
        let damaged = DamagedValue { table: self.table };
        let length = usize::try_from(length).map_err(|_| damaged)?;
        let (part, rest) = self.rest.split_at_checked(length).ok_or(damaged)?;
        self.rest = rest;
        Ok(part)
    }

    fn end(self) -> Result<(), DamagedValue> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DamagedValue { table: self.table })
        }
    }
}

/// The names in the table of facts about the store itself.
pub(super) mod meta {
    /// The format of the tables.
    pub(in super::super) const FORMAT: &[u8] = b"format";
    /// The id of the store.
    pub(in super::super) const STORE_ID: &[u8] = b"store_id";
    /// The greatest revision ever given, kept beside the records because compaction may remove the last of them.
    pub(in super::super) const LAST_REVISION: &[u8] = b"last_revision";
    /// The revision of the last event ever recorded, so that a row that is missing at the end is missed.
    pub(in super::super) const LAST_EVENT: &[u8] = b"last_event";
    /// The oldest revision that a watch of events may ask for: one after the greatest that compaction has removed, of
    /// events and of operation records. Since format 2.
    pub(in super::super) const OLDEST_REVISION: &[u8] = b"oldest_revision";
}

/// Puts one of the facts about the store.
pub(super) fn put_meta(name: &[u8], content: &[u8]) -> Write {
    put(Table::Meta, name.to_vec(), content)
}

/// A record as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredRecord<'v> {
    /// The operation.
    pub(super) operation_id: Uuid,
    /// The number in the operation.
    pub(super) sequence: u64,
    /// The record as field 1 of `WatchOperationResponse`.
    pub(super) frame: &'v [u8],
}

/// Encodes a record as field 1 of `WatchOperationResponse`, behind what the buffer holds.
pub(super) fn encode_frame(record: &v1::OperationRecord, buffer: &mut Vec<u8>) {
    let length = record.encoded_len();
    buffer.reserve(1 + prost::length_delimiter_len(length) + length);
    buffer.push(RECORD_TAG);
    // A vector grows as needed, so the encoding cannot run out of room.
    let _never_full = record.encode_length_delimited(buffer);
}

/// The record of a frame.
pub(super) fn decode_frame(frame: &[u8]) -> Result<v1::OperationRecord, DamagedValue> {
    let damaged = DamagedValue { table: Table::Records };
    let (tag, rest) = frame.split_first().ok_or(damaged)?;
    if *tag != RECORD_TAG {
        return Err(damaged);
    }
    v1::OperationRecord::decode_length_delimited(rest).map_err(|_| damaged)
}

pub(super) fn record_key(revision: u64) -> Vec<u8> {
    revision.to_be_bytes().to_vec()
}

pub(super) fn put_record(revision: u64, record: StoredRecord<'_>) -> Write {
    let mut content = Vec::with_capacity(24 + record.frame.len());
    content.extend_from_slice(record.operation_id.as_bytes());
    content.extend_from_slice(&record.sequence.to_be_bytes());
    content.extend_from_slice(record.frame);
    put(Table::Records, record_key(revision), &content)
}

pub(super) fn open_record<'v>(key: &[u8], value: &'v [u8]) -> Result<StoredRecord<'v>, DamagedValue> {
    let mut parts = Parts {
        table: Table::Records,
        rest: open(Table::Records, key, value)?,
    };
    Ok(StoredRecord {
        operation_id: parts.id()?,
        sequence: parts.number()?,
        frame: parts.rest,
    })
}

pub(super) fn index_key(operation_id: Uuid, sequence: u64) -> Vec<u8> {
    let mut key = operation_id.as_bytes().to_vec();
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// The sequence number in the key of an index row.
pub(super) fn index_sequence(key: &[u8]) -> Result<u64, DamagedValue> {
    let mut parts = Parts {
        table: Table::OperationIndex,
        rest: key,
    };
    parts.id()?;
    let sequence = parts.number()?;
    parts.end()?;
    Ok(sequence)
}

pub(super) fn put_index(operation_id: Uuid, sequence: u64, revision: u64) -> Write {
    put(
        Table::OperationIndex,
        index_key(operation_id, sequence),
        &revision.to_be_bytes(),
    )
}

/// The number that a row of the index or of the facts holds.
pub(super) fn open_number(table: Table, key: &[u8], value: &[u8]) -> Result<u64, DamagedValue> {
    let mut parts = Parts {
        table,
        rest: open(table, key, value)?,
    };
    let number = parts.number()?;
    parts.end()?;
    Ok(number)
}

/// The id that a row of locks, of operations by creation, or of the facts holds.
pub(super) fn open_id(table: Table, key: &[u8], value: &[u8]) -> Result<Uuid, DamagedValue> {
    let mut parts = Parts {
        table,
        rest: open(table, key, value)?,
    };
    let id = parts.id()?;
    parts.end()?;
    Ok(id)
}

/// An operation as it is stored: its snapshot, and where the rows are that go with it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredOperation {
    /// The revision of its first record, which is its key among the operations by creation.
    pub(super) created: u64,
    /// Its key among the request ids; empty when it was started without one.
    pub(super) request_key: Vec<u8>,
    /// The snapshot.
    pub(super) operation: v1::Operation,
}

pub(super) fn put_operation(operation_id: Uuid, created: u64, request_key: &[u8], operation: &v1::Operation) -> Write {
    let mut content = Vec::with_capacity(16 + request_key.len() + operation.encoded_len());
    content.extend_from_slice(&created.to_be_bytes());
    content.extend_from_slice(&(request_key.len() as u64).to_be_bytes());
    content.extend_from_slice(request_key);
    content.extend_from_slice(&operation.encode_to_vec());
    put(Table::Operations, operation_id.as_bytes().to_vec(), &content)
}

pub(super) fn open_operation(key: &[u8], value: &[u8]) -> Result<StoredOperation, DamagedValue> {
    let damaged = DamagedValue {
        table: Table::Operations,
    };
    let mut parts = Parts {
        table: Table::Operations,
        rest: open(Table::Operations, key, value)?,
    };
    let created = parts.number()?;
    let length = parts.number()?;
    let request_key = parts.slice(length)?.to_vec();
    let operation = v1::Operation::decode(parts.rest).map_err(|_| damaged)?;
    let id = Uuid::try_parse(&operation.operation_id).map_err(|_| damaged)?;
    if id.as_bytes() != key {
        return Err(damaged);
    }
    Ok(StoredOperation {
        created,
        request_key,
        operation,
    })
}

pub(super) fn creation_key(created: u64) -> Vec<u8> {
    created.to_be_bytes().to_vec()
}

/// The creation revision in the key of a row of operations by creation.
pub(super) fn creation_revision(key: &[u8]) -> Result<u64, DamagedValue> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| DamagedValue {
        table: Table::OperationsByCreation,
    })
}

/// Principal, method and request id as one key; their lengths keep two triples from running into one another.
pub(super) fn request_key(request: &RequestKey) -> Vec<u8> {
    let mut key = Vec::new();
    for part in [&request.principal, &request.method, &request.request_id] {
        key.extend_from_slice(&(part.len() as u64).to_be_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    key
}

/// What is known about a request that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredRequest {
    /// The operation that it started.
    pub(super) operation_id: Uuid,
    /// The SHA-256 of what was asked for.
    pub(super) payload_hash: [u8; 32],
}

pub(super) fn put_request(key: Vec<u8>, request: &StoredRequest) -> Write {
    let mut content = request.operation_id.as_bytes().to_vec();
    content.extend_from_slice(&request.payload_hash);
    put(Table::RequestIds, key, &content)
}

pub(super) fn open_request(key: &[u8], value: &[u8]) -> Result<StoredRequest, DamagedValue> {
    let mut parts = Parts {
        table: Table::RequestIds,
        rest: open(Table::RequestIds, key, value)?,
    };
    let request = StoredRequest {
        operation_id: parts.id()?,
        payload_hash: parts.take()?,
    };
    parts.end()?;
    Ok(request)
}

pub(super) fn put_settle(cluster: &str, until: SystemTime) -> Write {
    let Timestamp { seconds, nanos } = until.into();
    let mut content = seconds.to_be_bytes().to_vec();
    content.extend_from_slice(&nanos.to_be_bytes());
    put(Table::Settles, cluster.as_bytes().to_vec(), &content)
}

pub(super) fn open_settle(key: &[u8], value: &[u8]) -> Result<(String, SystemTime), DamagedValue> {
    let mut parts = Parts {
        table: Table::Settles,
        rest: open(Table::Settles, key, value)?,
    };
    let until = parts.time()?;
    parts.end()?;
    Ok((open_name(Table::Settles, key)?, until))
}

/// The text of a key.
pub(super) fn open_name(table: Table, key: &[u8]) -> Result<String, DamagedValue> {
    String::from_utf8(key.to_vec()).map_err(|_| DamagedValue { table })
}

/// An event as it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StoredEvent<'v> {
    /// The revision of the last event of its append.
    pub(super) append_last: u64,
    /// The revision of the event before it, whether or not that is still kept; 0 for the first.
    pub(super) previous: u64,
    /// When the daemon heard of it.
    pub(super) time: Timestamp,
    /// What filters ask about it.
    pub(super) facts: &'v [u8],
    /// The event as field 1 of `WatchResponse`.
    pub(super) frame: &'v [u8],
}

pub(super) fn put_event(revision: u64, event: &StoredEvent<'_>) -> Write {
    let mut content = Vec::with_capacity(36 + event.facts.len() + event.frame.len());
    content.extend_from_slice(&event.append_last.to_be_bytes());
    content.extend_from_slice(&event.previous.to_be_bytes());
    content.extend_from_slice(&event.time.seconds.to_be_bytes());
    content.extend_from_slice(&event.time.nanos.to_be_bytes());
    content.extend_from_slice(&(event.facts.len() as u64).to_be_bytes());
    content.extend_from_slice(event.facts);
    content.extend_from_slice(event.frame);
    put(Table::Events, record_key(revision), &content)
}

pub(super) fn open_event<'v>(key: &[u8], value: &'v [u8]) -> Result<StoredEvent<'v>, DamagedValue> {
    let mut parts = Parts {
        table: Table::Events,
        rest: open(Table::Events, key, value)?,
    };
    let (append_last, previous) = (parts.number()?, parts.number()?);
    let time = Timestamp {
        seconds: i64::from_be_bytes(parts.take()?),
        nanos: i32::from_be_bytes(parts.take()?),
    };
    let length = parts.number()?;
    Ok(StoredEvent {
        append_last,
        previous,
        time,
        facts: parts.slice(length)?,
        frame: parts.rest,
    })
}

/// The revision in the key of a row of events or records.
pub(super) fn revision_of(table: Table, key: &[u8]) -> Result<u64, DamagedValue> {
    key.try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| DamagedValue { table })
}

/// Cluster, kind and key as one; the length keeps two of them from running into one another.
pub(super) fn object_key(cluster_id: &str, kind: v1::ObjectKind, key: &str) -> Vec<u8> {
    let mut bytes = (cluster_id.len() as u64).to_be_bytes().to_vec();
    bytes.extend_from_slice(cluster_id.as_bytes());
    bytes.extend_from_slice(&i32::from(kind).to_be_bytes());
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

pub(super) fn put_object(object: &Object) -> Write {
    let key = object_key(&object.cluster_id, object.kind(), object.key());
    put(Table::Objects, key, &v1::InventoryObject::encode_to_vec(object))
}

pub(super) fn open_object(key: &[u8], value: &[u8]) -> Result<Object, DamagedValue> {
    let damaged = DamagedValue { table: Table::Objects };
    let content = open(Table::Objects, key, value)?;
    let object = v1::InventoryObject::decode(content).map_err(|_| damaged)?;
    let object = Object::new(object).ok_or(damaged)?;
    if object_key(&object.cluster_id, object.kind(), object.key()) != key {
        return Err(damaged);
    }
    Ok(object)
}
