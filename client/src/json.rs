//! The proto3 JSON mapping of the messages of the contract: enumerators by name, 64-bit numbers as strings, times as
//! RFC 3339, fields at their defaults left out.

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use wsfc_proto::FILE_DESCRIPTOR_SET;

/// A message that cannot be mapped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The contract does not have the message, or its descriptors cannot be read.
    #[error("message {0} is not of the contract")]
    UnknownMessage(String),
    /// The text is not the JSON form of the message.
    #[error("cannot map {message} from or to JSON")]
    Mapping {
        /// The full name of the message.
        message: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The message cannot be read by its descriptor.
    #[error("cannot read {message} by its descriptor")]
    Descriptor {
        /// The full name of the message.
        message: String,
        /// What is wrong.
        #[source]
        source: prost::DecodeError,
    },
}

static POOL: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).ok());

fn descriptor<T: Name>() -> Result<MessageDescriptor, Error> {
    let name = T::full_name();
    let found = POOL.as_ref().and_then(|pool| pool.get_message_by_name(&name));
    found.ok_or(Error::UnknownMessage(name))
}

/// The message with its descriptor.
pub(crate) fn dynamic<T: Message + Name>(message: &T) -> Result<DynamicMessage, Error> {
    let mut dynamic = DynamicMessage::new(descriptor::<T>()?);
    dynamic.transcode_from(message).map_err(|source| Error::Descriptor {
        message: T::full_name(),
        source,
    })?;
    Ok(dynamic)
}

/// Maps a message to JSON.
///
/// # Errors
///
/// [`Error`] for a message that is not of the contract.
pub fn to_value<T: Message + Name>(message: &T) -> Result<serde_json::Value, Error> {
    let dynamic = dynamic(message)?;
    serde_json::to_value(&dynamic).map_err(|source| Error::Mapping {
        message: T::full_name(),
        source,
    })
}

/// Maps a message to JSON on one line.
///
/// # Errors
///
/// [`Error`] for a message that is not of the contract.
pub fn to_line<T: Message + Name>(message: &T) -> Result<String, Error> {
    Ok(to_value(message)?.to_string())
}

/// Reads a message from JSON; unknown fields are errors.
///
/// # Errors
///
/// [`Error`] for text that is not the JSON form of the message.
pub fn from_str<T: Message + Name + Default>(text: &str) -> Result<T, Error> {
    let mapping = |source| Error::Mapping {
        message: T::full_name(),
        source,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    let dynamic = DynamicMessage::deserialize(descriptor::<T>()?, &mut reader).map_err(mapping)?;
    reader.end().map_err(mapping)?;
    dynamic.transcode_to().map_err(|source| Error::Descriptor {
        message: T::full_name(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1;
    use wsfc_proto::v1::operation_record::Payload;

    use super::*;

    #[test]
    fn a_record_has_names_for_what_has_names_and_numbers_for_the_rest() {
        let mut record = v1::OperationRecord {
            revision: 7,
            operation_id: "op".to_owned(),
            sequence: 3,
            time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 500_000_000,
            }),
            folded: 0,
            payload: Some(Payload::SetupProgress(v1::SetupProgress {
                phase: v1::SetupPhase::FormingCluster.into(),
                phase_type: v1::SetupPhaseType::Start.into(),
                severity: v1::SetupSeverity::Informational.into(),
                percent: 40,
                object_name: Some(String::new()),
                status: Some(v1::NativeStatus::default()),
            })),
        };
        assert_eq!(
            to_line(&record).unwrap(),
            r#"{"revision":"7","operationId":"op","sequence":"3","time":"2023-11-14T22:13:20.500Z","setupProgress":{"phase":"SETUP_PHASE_FORMING_CLUSTER","phaseType":"SETUP_PHASE_TYPE_START","severity":"SETUP_SEVERITY_INFORMATIONAL","percent":40,"objectName":"","status":{}}}"#
        );
        assert_eq!(
            from_str::<v1::OperationRecord>(&to_line(&record).unwrap()).unwrap(),
            record
        );
        if let Some(Payload::SetupProgress(progress)) = &mut record.payload {
            progress.phase = 304;
        }
        assert_eq!(to_value(&record).unwrap()["setupProgress"]["phase"], 304);
    }

    #[test]
    fn text_that_is_not_the_message_is_refused() {
        assert!(matches!(
            from_str::<v1::Node>("{\"nome\": 1}"),
            Err(Error::Mapping { .. })
        ));
        assert!(matches!(from_str::<v1::Node>("{} {}"), Err(Error::Mapping { .. })));
        assert!(matches!(from_str::<v1::Node>("{"), Err(Error::Mapping { .. })));
    }
}
