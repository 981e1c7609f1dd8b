//! What a request says that belongs into the log: read by the contract's own descriptors, so that no handler can forget it.

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use wsfc_audit::{Call, Digest};
use zeroize::Zeroize as _;

use super::MOST_OBJECTS;

/// The fields that hold secrets, by their full names. A test looks for fields that are missing here.
pub const SECRETS: [&str; 4] = [
    "wsfc.v1.CreateTokenResponse.token",
    "wsfc.v1.Credentials.password",
    "wsfc.v1.EnrolRequest.token_secret",
    "wsfc.v1.WitnessSecret.access_key",
];

/// Writes into `call` what a request says: the cluster, what else it names, its id, and the hash of all but its secrets.
pub fn describe(call: &mut Call, mut request: DynamicMessage) {
    strip(&mut request);
    call.payload_sha256 = Digest::of(&[&request.encode_to_vec()]).to_string();
    name(call, &request, 0);
}

/// Takes the secrets out, and wipes them.
pub fn strip(message: &mut DynamicMessage) {
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _value)| field).collect();
    for field in fields {
        let value = message.get_field_mut(&field);
        if SECRETS.contains(&field.full_name()) {
            match value {
                Value::String(text) => text.zeroize(),
                // No other copy of the bytes is held by the message, so they are its own again.
                Value::Bytes(bytes) => {
                    if let Ok(mut own) = std::mem::take(bytes).try_into_mut() {
                        own.zeroize();
                    }
                }
                _ => {}
            }
            message.clear_field(&field);
        } else {
            strip_value(value);
        }
    }
}

fn strip_value(value: &mut Value) {
    match value {
        Value::Message(message) => strip(message),
        Value::List(values) => values.iter_mut().for_each(strip_value),
        Value::Map(values) => values.values_mut().for_each(strip_value),
        _ => {}
    }
}

/// Names what the request and the messages in it name by texts: groups, nodes, new names, accounts. Deeper ones are values
/// and not names.
fn name(call: &mut Call, message: &DynamicMessage, depth: usize) {
    for (field, value) in message.fields() {
        match (field.name(), value) {
            ("cluster", Value::String(cluster)) => call.cluster.clone_from(cluster),
            ("request_id", Value::String(id)) => call.request_id.clone_from(id),
            ("validate_only", Value::Bool(only)) => call.validate_only = *only,
            (name, Value::String(text)) if !text.is_empty() => object(call, name, text),
            (name, Value::List(texts)) if matches!(field.kind(), Kind::String) => {
                for text in texts.iter().filter_map(Value::as_str) {
                    object(call, name, text);
                }
            }
            (_, Value::Message(inner)) if depth == 0 => self::name(call, inner, depth + 1),
            _ => {}
        }
    }
}

fn object(call: &mut Call, name: &str, text: &str) {
    if call.objects.len() < MOST_OBJECTS {
        call.objects.push(format!("{name}={text}"));
    }
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1;

    use crate::access::request::POOL;

    use super::*;

    fn described(message: &impl prost::Name) -> Call {
        let mut call = Call::default();
        let name = format!("wsfc.v1.{}", message_name(message));
        let descriptor = POOL.as_ref().unwrap().get_message_by_name(&name).unwrap();
        let bytes = message.encode_to_vec();
        describe(&mut call, DynamicMessage::decode(descriptor, bytes.as_slice()).unwrap());
        call
    }

    fn message_name<M: prost::Name>(_message: &M) -> &'static str {
        M::NAME
    }

    fn create(password: &str) -> v1::CreateNameAccountRequest {
        v1::CreateNameAccountRequest {
            account: Some(v1::CreateNameAccountParameters {
                cluster: "CL1".into(),
                ..Default::default()
            }),
            options: Some(v1::StartOptions {
                request_id: "0198".into(),
                validate_only: true,
                ..Default::default()
            }),
            credentials: Some(v1::Credentials {
                user_name: "anna".into(),
                password: password.into(),
                domain: "CORP".into(),
            }),
        }
    }

    #[test]
    fn a_request_names_its_cluster_and_its_objects() {
        let moved = v1::MoveGroupRequest {
            group: Some(v1::MoveGroupParameters {
                cluster: "CL1".into(),
                group: "SQL".into(),
                node: "n2".into(),
                ..Default::default()
            }),
            options: None,
        };
        let call = described(&moved);
        assert_eq!((call.cluster.as_str(), call.validate_only), ("CL1", false));
        assert_eq!(call.objects, ["group=SQL", "node=n2"]);
        assert_eq!(call.payload_sha256, Digest::of(&[&moved.encode_to_vec()]).to_string());
        let owners = v1::SetPreferredOwnersRequest {
            group: Some(v1::SetPreferredOwnersParameters {
                group: "SQL".into(),
                nodes: vec!["n1".into(), "n2".into()],
                ..Default::default()
            }),
            options: None,
        };
        let call = described(&owners);
        assert_eq!(call.objects, ["group=SQL", "nodes=n1", "nodes=n2"]);
    }

    #[test]
    fn a_secret_is_neither_named_nor_hashed() {
        let (one, other) = (described(&create("hunter2")), described(&create("correct horse")));
        assert_eq!(one, other);
        assert_eq!(one.objects, ["user_name=anna", "domain=CORP"]);
        assert_eq!((one.request_id.as_str(), one.validate_only), ("0198", true));
        let without = described(&create(""));
        assert_eq!(without.payload_sha256, one.payload_sha256);
    }

    /// Fields that are named like secrets and are none.
    const NO_SECRETS: [&str; 3] = ["page_token", "next_page_token", "token_id"];

    #[test]
    fn every_field_that_is_named_like_a_secret_is_one() {
        let messages = POOL.as_ref().unwrap().all_messages();
        let fields = messages.flat_map(|message| message.fields().collect::<Vec<_>>());
        let mut secrets: Vec<String> = fields
            .filter(|field| matches!(field.kind(), Kind::String | Kind::Bytes))
            .filter(|field| {
                let name = field.name();
                // A key of the cluster database, or a public key, is named `key`; what opens something has a longer name.
                ["password", "secret", "token", "access_key", "private_key", "passphrase"]
                    .iter()
                    .any(|word| name.contains(word))
                    && !NO_SECRETS.contains(&name)
            })
            .map(|field| field.full_name().to_owned())
            .collect();
        secrets.sort();
        assert_eq!(secrets, SECRETS);
    }
}
