//! What a request is about, read from its bytes before a handler decodes them.

use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::body::Body;
use tonic::{Code, Status};
use wsfc_proto::methods::Method;

use crate::audit;

/// The bytes of a message's frame before the message: whether it is compressed, and its length.
const FRAME: usize = 5;

/// The contract; absent only when it cannot be read, which is a defect of the build that tests find.
pub(crate) static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).ok());

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is larger than allowed.
    #[error("the request is larger than the daemon allows")]
    TooLarge,
    /// It did not arrive in time (`limits.request_body`).
    #[error("the request did not arrive in time")]
    Late,
    /// It is no message of its kind.
    #[error("the request cannot be decoded")]
    Malformed,
}

/// Takes a whole request of one message off the network.
pub(super) async fn whole(body: Body, most: usize) -> Result<Bytes, Unreadable> {
    match Limited::new(body, most.saturating_add(FRAME)).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Unreadable::TooLarge),
        Err(error) if error.downcast_ref().is_some_and(is_late) => Err(Unreadable::Late),
        Err(_broken) => Err(Unreadable::Malformed),
    }
}

/// What the body of a request ends with when its time is over.
fn is_late(status: &Status) -> bool {
    status.code() == Code::DeadlineExceeded
}

/// The name of the cluster that a request is about, as the handler will find it.
pub(super) fn cluster(method: &Method, frame: &Bytes) -> Result<String, Unreadable> {
    let mut message = decode(method, frame).ok_or(Unreadable::Malformed)?;
    let cluster = string(&message, method.cluster).unwrap_or_default();
    audit::request::strip(&mut message);
    Ok(cluster)
}

/// The message in a frame. What follows the first is not read by handlers of single messages either.
pub(crate) fn decode(method: &Method, frame: &Bytes) -> Option<DynamicMessage> {
    let (head, rest) = frame.split_at_checked(FRAME)?;
    let (compressed, length) = head.split_first()?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    if *compressed != 0 {
        return None;
    }
    let message = rest.get(..length)?;
    let (service, name) = method.path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.as_ref()?.get_service_by_name(service)?;
    let input = service.methods().find(|method| method.name() == name)?.input();
    DynamicMessage::decode(input, message).ok()
}

fn string(message: &DynamicMessage, path: &[u32]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let value = message.get_field_by_number(*first)?;
    if rest.is_empty() {
        return value.as_str().map(ToOwned::to_owned);
    }
    string(value.as_message()?, rest)
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut as _, BytesMut};
    use prost::Message as _;
    use wsfc_proto::{methods, v1};

    use super::*;

    fn frame(message: &[u8]) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u32(u32::try_from(message.len()).unwrap());
        bytes.put_slice(message);
        bytes.freeze()
    }

    fn of(path: &str, message: &impl prost::Message) -> Result<String, Unreadable> {
        cluster(methods::of_path(path).unwrap(), &frame(&message.encode_to_vec()))
    }

    #[test]
    fn the_cluster_is_found_where_the_handler_finds_it() {
        let list = v1::ListGroupsRequest {
            cluster: "CL1".into(),
            ..Default::default()
        };
        assert_eq!(of("/wsfc.v1.GroupService/ListGroups", &list), Ok("CL1".into()));
        let node = |cluster: &str| v1::AddNodeRequest {
            node: Some(v1::AddNodeParameters {
                cluster: cluster.into(),
                node: "n1".into(),
            }),
            ..Default::default()
        };
        assert_eq!(of("/wsfc.v1.ClusterService/AddNode", &node("CL1")), Ok("CL1".into()));
        assert_eq!(
            of("/wsfc.v1.ClusterService/AddNode", &v1::AddNodeRequest::default()),
            Ok(String::new())
        );
    }

    #[test]
    fn fields_that_come_twice_are_merged_as_handlers_merge_them() {
        let node = |cluster: &str, node: &str| v1::AddNodeRequest {
            node: Some(v1::AddNodeParameters {
                cluster: cluster.into(),
                node: node.into(),
            }),
            ..Default::default()
        };
        let method = methods::of_path("/wsfc.v1.ClusterService/AddNode").unwrap();
        for (first, second) in [("CL1", "CL2"), ("CL1", ""), ("", "CL2")] {
            let mut bytes = node(first, "n1").encode_to_vec();
            bytes.extend(node(second, "n2").encode_to_vec());
            let handler = v1::AddNodeRequest::decode(bytes.as_slice())
                .unwrap()
                .node
                .unwrap()
                .cluster;
            assert_eq!(cluster(method, &frame(&bytes)), Ok(handler));
        }
    }

    #[test]
    fn what_is_no_message_is_not_guessed_at() {
        let method = methods::of_path("/wsfc.v1.GroupService/ListGroups").unwrap();
        let mut compressed = frame(&[]).to_vec();
        compressed[0] = 1;
        let mut short = frame(&[]).to_vec();
        short[4] = 1;
        for bytes in [
            Vec::new(),
            vec![0; 4],
            compressed,
            short,
            frame(&[0xff]).to_vec(),
            frame(&[10, 2, 0xff, 0xff]).to_vec(),
        ] {
            assert_eq!(cluster(method, &bytes.into()), Err(Unreadable::Malformed));
        }
    }
}
