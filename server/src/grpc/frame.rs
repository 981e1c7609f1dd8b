//! The ready-made answer of a record stream.

use bytes::{BufMut, Bytes, BytesMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, skip_field};
use wsfc_proto::v1;

/// An encoded message of a record stream: `WatchOperationResponse`, or an answer of a call that starts an operation, which
/// share its shape (field 1 `records`, field 2 `mark`, field 3 `validation`).
///
/// The journal encodes each record once, as field 1; a frame is those bytes, and every watcher is sent the same ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Frame(Bytes);

impl Frame {
    /// A frame of records, as the journal encoded them.
    pub fn records(encoded: Bytes) -> Self {
        Self(encoded)
    }

    /// A frame with a mark and no records.
    pub fn mark(mark: &v1::StreamMark) -> Self {
        Self(field(2, mark))
    }

    /// The only frame of a `validate_only` call.
    pub fn validation(report: &v1::ValidationReport) -> Self {
        Self(field(3, report))
    }
}

impl prost::Message for Frame {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    // Frames are only ever sent.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl bytes::Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0 = Bytes::new();
    }
}

/// An encoded message of a stream of events, `WatchResponse` or `WatchStatusResponse`, in parts that are sent one behind the
/// other.
///
/// The events are bytes that the journal encoded, once for whoever watches; the mark is the watcher's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFrame(Vec<Bytes>);

impl EventFrame {
    /// A frame of events, as the journal encoded them, and the mark behind them.
    pub fn events(parts: Vec<Bytes>, mark: &v1::WatchMark) -> Self {
        let mut frame = Self(parts);
        frame.0.push(field(2, mark));
        frame
    }

    /// A frame with a mark alone.
    pub fn mark(mark: &v1::WatchMark) -> Self {
        Self::events(Vec::new(), mark)
    }

    /// A frame of objects, each of which [`EventFrame::put_object`] has encoded.
    pub fn objects(encoded: Bytes) -> Self {
        Self(vec![encoded])
    }

    /// Encodes an object of a snapshot, behind what the buffer holds.
    pub fn put_object(object: &v1::InventoryObject, buffer: &mut BytesMut) {
        prost::encoding::message::encode(3, object, buffer);
    }
}

impl prost::Message for EventFrame {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        for part in &self.0 {
            buf.put_slice(part);
        }
    }

    // Frames are only ever sent.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl bytes::Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, buf, ctx)
    }

    fn encoded_len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// A message as a field.
fn field(tag: u32, message: &impl prost::Message) -> Bytes {
    let mut bytes = BytesMut::new();
    prost::encoding::message::encode(tag, message, &mut bytes);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost::Message as _;

    use super::*;

    /// The answers must share their field numbers, or a frame would be read as something else.
    #[test]
    fn every_stream_of_records_has_the_shape_of_a_frame() {
        let set = prost_types::FileDescriptorSet::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut shapes = BTreeMap::new();
        for message in set.file.iter().flat_map(|file| &file.message_type) {
            let fields: BTreeMap<_, _> = message
                .field
                .iter()
                .map(|field| (field.number(), field.type_name()))
                .collect();
            if fields.get(&1) == Some(&".wsfc.v1.OperationRecord") {
                shapes.insert(message.name(), fields);
            }
        }
        let mut shape = BTreeMap::from([(1, ".wsfc.v1.OperationRecord"), (2, ".wsfc.v1.StreamMark")]);
        // An event is never sent alone.
        shapes.remove("Event");
        assert_eq!(shapes.remove("WatchOperationResponse").as_ref(), Some(&shape));
        shape.insert(3, ".wsfc.v1.ValidationReport");
        assert!(shapes.len() >= 80, "{shapes:?}");
        for (name, found) in shapes {
            assert_eq!(found, shape, "{name}");
        }
    }

    #[test]
    fn every_stream_of_events_has_the_shape_of_a_watch() {
        let set = prost_types::FileDescriptorSet::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut shapes = BTreeMap::new();
        for message in set.file.iter().flat_map(|file| &file.message_type) {
            let fields: BTreeMap<_, _> = message
                .field
                .iter()
                .map(|field| (field.number(), (field.type_name(), field.label())))
                .collect();
            if fields.get(&1).is_some_and(|(name, _)| *name == ".wsfc.v1.Event") {
                shapes.insert(message.name(), fields);
            }
        }
        let mut watch = shapes.remove("WatchResponse").unwrap();
        // Statuses have no snapshot.
        watch.remove(&3).unwrap();
        assert_eq!(shapes, BTreeMap::from([("WatchStatusResponse", watch)]));
    }

    #[test]
    fn a_frame_of_events_reads_as_the_answer_of_a_watch() {
        let mark = v1::WatchMark {
            store_id: "s".into(),
            revision: 9,
            snapshot_complete: true,
        };
        let object = v1::InventoryObject {
            cluster_id: "c".into(),
            object: None,
        };
        let mut encoded = BytesMut::new();
        EventFrame::put_object(&object, &mut encoded);
        EventFrame::put_object(&object, &mut encoded);
        let read = |frame: EventFrame| v1::WatchResponse::decode(frame.encode_to_vec().as_slice()).unwrap();
        assert_eq!(
            read(EventFrame::objects(encoded.freeze())).snapshot,
            [object.clone(), object]
        );
        let event = v1::Event {
            event: Some(v1::event::Event::Cluster(v1::ClusterEvent::default())),
        };
        let events = v1::WatchResponse {
            events: vec![event],
            ..v1::WatchResponse::default()
        };
        let parts = vec![Bytes::from(events.encode_to_vec()); 2];
        let frame = read(EventFrame::events(parts, &mark));
        assert_eq!((frame.events.len(), frame.mark), (2, Some(mark)));
    }

    #[test]
    fn a_validation_frame_reads_as_a_start_answer() {
        let report = v1::ValidationReport {
            warnings: vec!["long name".into()],
            native_check: None,
        };
        let bytes = Frame::validation(&report).encode_to_vec();
        assert_eq!(
            v1::AddNodeResponse::decode(&bytes[..]).unwrap().validation,
            Some(report)
        );
    }
}
