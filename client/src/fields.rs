//! The fields of any message of the contract, in words: for descriptions, and for conditions on a field by its name.

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, ReflectMessage as _, Value};

use crate::json;

/// A field in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name as the contract writes it, for example `owner_node`.
    pub name: String,
    /// The value in words: enumerators as `partial online`, times as RFC 3339, lists separated by commas, those of
    /// messages a line each; empty for what is absent.
    pub text: String,
}

/// The fields of a message in the order of the contract, those at their defaults included.
///
/// # Errors
///
/// [`json::Error`] for a message that is not of the contract.
pub fn of<T: Message + Name>(message: &T) -> Result<Vec<Field>, json::Error> {
    Ok(read(&json::dynamic(message)?))
}

fn read(message: &DynamicMessage) -> Vec<Field> {
    let mut fields: Vec<_> = message.descriptor().fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    fields
        .into_iter()
        .map(|field| {
            let absent = field.supports_presence() && !message.has_field(&field);
            let text = if absent {
                String::new()
            } else {
                text(&message.get_field(&field), &field.kind())
            };
            Field {
                name: field.name().to_owned(),
                text,
            }
        })
        .collect()
}

fn text(value: &Value, kind: &Kind) -> String {
    match (value, kind) {
        (Value::Bool(true), _) => "yes".to_owned(),
        (Value::Bool(false), _) => "no".to_owned(),
        (Value::String(text), _) => text.clone(),
        (Value::Bytes(bytes), _) => hex(bytes),
        (Value::EnumNumber(number), Kind::Enum(names)) => enumerator(names, *number),
        (Value::EnumNumber(number), _) => number.to_string(),
        (Value::List(values), _) => {
            let texts: Vec<_> = values.iter().map(|value| text(value, kind)).collect();
            texts.join(if matches!(kind, Kind::Message(_)) { "\n" } else { ", " })
        }
        (Value::Message(message), _) => nested(message),
        (Value::I32(number), _) => number.to_string(),
        (Value::I64(number), _) => number.to_string(),
        (Value::U32(number), _) => number.to_string(),
        (Value::U64(number), _) => number.to_string(),
        (Value::F32(number), _) => number.to_string(),
        (Value::F64(number), _) => number.to_string(),
        // The contract has no maps.
        (Value::Map(_), _) => String::new(),
    }
}

/// A message within a message: a time as time, anything else as its fields.
fn nested(message: &DynamicMessage) -> String {
    let name = message.descriptor();
    if name.full_name() == "google.protobuf.Timestamp"
        && let Ok(time) = message.transcode_to::<prost_types::Timestamp>()
    {
        return time.to_string();
    }
    if name.full_name() == "google.protobuf.Duration"
        && let Ok(span) = message.transcode_to::<prost_types::Duration>()
    {
        return span.to_string();
    }
    let fields = read(message).into_iter().filter(|field| !field.text.is_empty());
    let texts: Vec<_> = fields
        .map(|field| format!("{} {}", words(&field.name), field.text))
        .collect();
    format!("({})", texts.join("; "))
}

/// An enumerator in words: `GROUP_STATE_PARTIAL_ONLINE` is `partial online`; a number without a name is shown.
fn enumerator(names: &EnumDescriptor, number: i32) -> String {
    let Some(value) = names.get_value(number) else {
        return number.to_string();
    };
    let prefix = format!("{}_", screaming(names.name()));
    let name = value.name();
    match name.strip_prefix(&prefix).unwrap_or(name) {
        "UNSPECIFIED" => "unknown".to_owned(),
        short => words(&short.to_lowercase()),
    }
}

/// `GroupState` as `GROUP_STATE`.
fn screaming(name: &str) -> String {
    let mut text = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

/// The name of a field in words: `owner_node` is `owner node`.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// True when two texts name the same, whatever their case and whether they have spaces, hyphens, underscores or nothing
/// between their words: `PartialOnline` is `partial online`.
pub fn is_same(left: &str, right: &str) -> bool {
    let plain = |text: &str| -> String {
        let kept = text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '_'));
        kept.flat_map(char::to_lowercase).collect()
    };
    plain(left) == plain(right)
}

/// Bytes in hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use wsfc_proto::v1;

    use super::*;

    fn texts<T: Message + Name>(message: &T) -> Vec<(String, String)> {
        let fields = of(message).unwrap();
        fields.into_iter().map(|field| (field.name, field.text)).collect()
    }

    fn text_of<T: Message + Name>(message: &T, name: &str) -> String {
        let found = texts(message).into_iter().find(|(field, _)| field == name);
        found.unwrap().1
    }

    #[test]
    fn every_field_has_words_also_at_its_default() {
        let group = v1::Group {
            name: "SQL".to_owned(),
            state: v1::GroupState::PartialOnline.into(),
            r#type: 4711,
            core: true,
            ..Default::default()
        };
        assert_eq!(text_of(&group, "state"), "partial online");
        assert_eq!(text_of(&group, "type"), "4711");
        assert_eq!(text_of(&group, "core"), "yes");
        assert_eq!(text_of(&group, "persistent_online"), "no");
        assert_eq!(text_of(&group, "priority"), "0");
        assert_eq!(texts(&group)[0].0, "name");
        assert_eq!(texts(&group).len(), 12);
    }

    #[test]
    fn lists_times_and_messages_are_told_too() {
        let quorum = v1::Quorum {
            votes: vec![
                v1::NodeVote {
                    node: "n1".to_owned(),
                    assigned: true,
                    counts: true,
                },
                v1::NodeVote {
                    node: "n2".to_owned(),
                    ..Default::default()
                },
            ],
            ..Default::default()
        };
        let votes = "(node n1; assigned yes; counts yes)\n(node n2; assigned no; counts no)";
        assert_eq!(text_of(&quorum, "votes"), votes);
        let cluster = v1::ClusterState {
            connection_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            ..Default::default()
        };
        assert_eq!(text_of(&cluster, "connection_time"), "2023-11-14T22:13:20Z");
        assert_eq!(text_of(&v1::ClusterState::default(), "connection_time"), "");
    }

    #[test]
    fn what_is_typed_need_not_be_spelled_like_the_contract() {
        assert!(is_same("PartialOnline", "partial online"));
        assert!(is_same("online-pending", "ONLINE_PENDING"));
        assert!(!is_same("online", "offline"));
    }
}
