//! Properties as typed values: their text, and how text is read back.

use wsfc_proto::v1::property_value::Value;
use wsfc_proto::v1::{ObjectKind, Property, PropertyClass, PropertyValue, SetPropertiesParameters, TextList};

use crate::fields;

/// A text is no value of a type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {wanted}")]
pub struct ParseError {
    /// The text.
    pub text: String,
    /// What it should be.
    pub wanted: &'static str,
}

/// The types that a value can be written with: their names, in the order of the contract.
pub const TYPES: [&str; 11] = [
    "dword",
    "sz",
    "expand-sz",
    "multi-sz",
    "binary",
    "ularge",
    "long",
    "large",
    "word",
    "filetime",
    "security",
];

/// The name of the type of a value; `unknown` for a format that has no form in the contract.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Dword(_) => TYPES[0],
        Value::Text(_) => TYPES[1],
        Value::ExpandableText(_) => TYPES[2],
        Value::Texts(_) => TYPES[3],
        Value::Binary(_) => TYPES[4],
        Value::Ularge(_) => TYPES[5],
        Value::Long(_) => TYPES[6],
        Value::Large(_) => TYPES[7],
        Value::Word(_) => TYPES[8],
        Value::Time(_) => TYPES[9],
        Value::SecurityDescriptor(_) => TYPES[10],
        Value::Unknown(_) => "unknown",
    }
}

/// A value as text, which [`parse`] reads back for every type but `unknown`: bytes in hexadecimal digits, strings of a
/// list one a line.
pub fn text(value: &Value) -> String {
    match value {
        Value::Dword(number) | Value::Word(number) => number.to_string(),
        Value::Text(text) | Value::ExpandableText(text) => text.clone(),
        Value::Texts(list) => list.texts.join("\n"),
        Value::Binary(bytes) | Value::SecurityDescriptor(bytes) => fields::hex(bytes),
        Value::Ularge(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Large(number) => number.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Unknown(unknown) => format!("{:#010x} {}", unknown.syntax, fields::hex(&unknown.data)),
    }
}

/// Reads a value of a type by its name, one of [`TYPES`]. Numbers are decimal, or hexadecimal after `0x`.
///
/// # Errors
///
/// [`ParseError`] for text that is no value of the type, and for a type that does not exist.
pub fn parse(type_name: &str, text: &str) -> Result<Value, ParseError> {
    let wrong = |wanted| ParseError {
        text: text.to_owned(),
        wanted,
    };
    let value = match type_name {
        "dword" => unsigned(text)
            .and_then(|number| u32::try_from(number).ok())
            .map(Value::Dword),
        "sz" => Some(Value::Text(text.to_owned())),
        "expand-sz" => Some(Value::ExpandableText(text.to_owned())),
        "multi-sz" => {
            let lines = text.lines().filter(|line| !line.is_empty());
            let texts = lines.map(ToOwned::to_owned).collect();
            Some(Value::Texts(TextList { texts }))
        }
        "binary" => bytes(text).map(Value::Binary),
        "ularge" => unsigned(text).map(Value::Ularge),
        "long" => text.parse().ok().map(Value::Long),
        "large" => text.parse().ok().map(Value::Large),
        "word" => unsigned(text)
            .and_then(|number| u16::try_from(number).ok())
            .map(|number| Value::Word(number.into())),
        "filetime" => text.parse().ok().map(Value::Time),
        "security" => bytes(text).map(Value::SecurityDescriptor),
        _ => {
            return Err(ParseError {
                text: type_name.to_owned(),
                wanted: "type of a property",
            });
        }
    };
    value.ok_or_else(|| {
        wrong(match type_name {
            "dword" => "number from 0 to 4294967295",
            "ularge" => "number from 0 to 18446744073709551615",
            "long" => "number from -2147483648 to 2147483647",
            "large" => "number from -9223372036854775808 to 9223372036854775807",
            "word" => "number from 0 to 65535",
            "filetime" => "time such as 2026-11-20T18:00:00Z",
            _ => "row of hexadecimal digits, two for each byte",
        })
    })
}

fn unsigned(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => {
                let byte = high.to_digit(16)? << 4 | low.to_digit(16)?;
                u8::try_from(byte).ok()
            }
            _ => None,
        })
        .collect()
}

/// Changes of properties of an object.
///
/// ```
/// use wsfc_client::property::Changes;
/// use wsfc_client::v1::{ObjectKind, property_value::Value};
///
/// let changes = Changes::new("CL1", ObjectKind::Group, "SQL")
///     .set("Priority", Value::Dword(3000))
///     .reset("Description")
///     .build();
/// assert_eq!(changes.properties.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Changes {
    parameters: SetPropertiesParameters,
}

impl Changes {
    /// Changes of common properties of the object of this kind and name or id; the name is empty for the cluster.
    pub fn new(cluster: impl Into<String>, kind: ObjectKind, name: impl Into<String>) -> Self {
        Self {
            parameters: SetPropertiesParameters {
                cluster: cluster.into(),
                kind: kind.into(),
                name: name.into(),
                class: PropertyClass::Common.into(),
                ..Default::default()
            },
        }
    }

    /// They are private properties.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.parameters.class = PropertyClass::Private.into();
        self
    }

    /// Sets a property.
    #[must_use]
    pub fn set(self, name: impl Into<String>, value: Value) -> Self {
        self.add(name.into(), Some(PropertyValue { value: Some(value) }))
    }

    /// Resets a property to its default.
    #[must_use]
    pub fn reset(self, name: impl Into<String>) -> Self {
        self.add(name.into(), None)
    }

    /// Only if the object has not changed since this revision.
    #[must_use]
    pub fn expecting(mut self, revision: u64) -> Self {
        self.parameters.expected_revision = Some(revision);
        self
    }

    /// The parameters for [`set_properties`](crate::Client::set_properties).
    pub fn build(self) -> SetPropertiesParameters {
        self.parameters
    }

    fn add(mut self, name: String, value: Option<PropertyValue>) -> Self {
        self.parameters.properties.push(Property {
            name,
            value,
            ..Default::default()
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wsfc_proto::v1::UnknownValue;

    use super::*;

    #[test]
    fn text_that_is_no_value_is_refused_with_what_it_should_be() {
        for (type_name, text) in [
            ("dword", "-1"),
            ("dword", "4294967296"),
            ("word", "65536"),
            ("long", "x"),
            ("binary", "abc"),
            ("binary", "zz"),
            ("filetime", "yesterday"),
            ("bool", "1"),
        ] {
            assert!(parse(type_name, text).is_err(), "{type_name} {text}");
        }
        assert_eq!(
            parse("dword", "x").unwrap_err().to_string(),
            "`x` is no number from 0 to 4294967295"
        );
        assert_eq!(parse("dword", "0xFF"), Ok(Value::Dword(255)));
        assert_eq!(parse("binary", "01 ff"), Ok(Value::Binary(vec![1, 255])));
    }

    #[test]
    fn a_value_without_a_form_is_shown_as_it_came() {
        let unknown = Value::Unknown(UnknownValue {
            syntax: 0x0001_0063,
            data: vec![1, 2],
        });
        assert_eq!(text(&unknown), "0x00010063 0102");
        assert_eq!(type_name(&unknown), "unknown");
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u32>().prop_map(Value::Dword),
            "\\PC*".prop_map(Value::Text),
            "\\PC*".prop_map(Value::ExpandableText),
            proptest::collection::vec("[a-z ]{1,8}", 0..4).prop_map(|texts| Value::Texts(TextList { texts })),
            any::<Vec<u8>>().prop_map(Value::Binary),
            any::<u64>().prop_map(Value::Ularge),
            any::<i32>().prop_map(Value::Long),
            any::<i64>().prop_map(Value::Large),
            any::<u16>().prop_map(|number| Value::Word(number.into())),
            (0_i64..4_000_000_000).prop_map(|seconds| Value::Time(prost_types::Timestamp { seconds, nanos: 0 })),
            any::<Vec<u8>>().prop_map(Value::SecurityDescriptor),
        ]
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(value in value()) {
            prop_assert_eq!(parse(type_name(&value), &text(&value)), Ok(value));
        }
    }
}
