//! The ready-made answer of a record stream.

use bytes::{BufMut, Bytes, BytesMut};
use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, skip_field};
use wsfc_proto::v1;

/// An encoded message of a record stream: `WatchOperationResponse`, or an answer of a call that starts an operation, which share its
/// shape (field 1 `records`, field 2 `mark`, field 3 `validation`).
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
        Self::field(2, mark)
    }

    /// The only frame of a `validate_only` call.
    pub fn validation(report: &v1::ValidationReport) -> Self {
        Self::field(3, report)
    }

    fn field(tag: u32, message: &impl prost::Message) -> Self {
        let mut bytes = BytesMut::new();
        prost::encoding::message::encode(tag, message, &mut bytes);
        Self(bytes.freeze())
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
        assert_eq!(shapes.remove("WatchOperationResponse").as_ref(), Some(&shape));
        shape.insert(3, ".wsfc.v1.ValidationReport");
        assert!(shapes.len() >= 80, "{shapes:?}");
        for (name, found) in shapes {
            assert_eq!(found, shape, "{name}");
        }
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
