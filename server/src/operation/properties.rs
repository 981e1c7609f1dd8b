//! Typed values of properties, between the contract and the cluster API (facts 3.1), and where they are read.

use wsfc_clusapi::proplist::{Property, Value};
use wsfc_clusapi::{Cluster, Controlled, Error, Win32};
use wsfc_proto::v1;
use wsfc_proto::v1::ObjectKind;
use wsfc_proto::v1::property_value::Value as Wire;

use crate::inventory::property;

/// Units of 100 ns between 1601 and 1970.
const TO_UNIX: u64 = 116_444_736_000_000_000;
/// Units of 100 ns in a second.
const UNITS: u64 = 10_000_000;

/// Properties whose values are secrets: never shown, and set by other means.
pub const SECRETS: [&str; 2] = ["PrimaryKey", "PrimaryToken"];

/// An object of any kind that takes control codes.
pub enum Object<'c> {
    /// The cluster itself.
    Cluster(&'c Cluster),
    /// Something in it.
    Part(Box<dyn Controlled>),
}

impl Object<'_> {
    /// What the control codes go to.
    pub fn controlled(&self) -> &dyn Controlled {
        match self {
            Self::Cluster(cluster) => *cluster,
            Self::Part(part) => part.as_ref(),
        }
    }
}

/// Opens an object of any kind by name or id. The properties of the quorum are those of the cluster.
///
/// # Errors
///
/// What the cluster API answers.
pub fn open<'c>(cluster: &'c Cluster, kind: ObjectKind, name: &str) -> Result<Object<'c>, Error> {
    Ok(Object::Part(match kind {
        ObjectKind::Node => Box::new(cluster.open_node(name)?),
        ObjectKind::Group => Box::new(cluster.open_group(name)?),
        ObjectKind::Resource | ObjectKind::SharedVolume => Box::new(cluster.open_resource(name)?),
        ObjectKind::ResourceType => Box::new(cluster.resource_type(name)?),
        ObjectKind::Network => Box::new(cluster.open_network(name)?),
        ObjectKind::NetworkInterface => Box::new(cluster.open_network_interface(name)?),
        ObjectKind::GroupSet => Box::new(cluster.open_group_set(name)?),
        ObjectKind::AffinityRule => Box::new(cluster.affinity_rule(name)?),
        ObjectKind::Cluster | ObjectKind::Quorum | ObjectKind::Unspecified => return Ok(Object::Cluster(cluster)),
    }))
}

/// What an object may not have: a code that it does not know is an empty list.
///
/// # Errors
///
/// Everything else that the cluster API answers.
pub fn optional<T: Default>(list: Result<T, Error>) -> Result<T, Error> {
    match list {
        Err(error)
            if matches!(
                error.code(),
                Some(Win32::ERROR_INVALID_FUNCTION | Win32::ERROR_NOT_SUPPORTED | Win32::ERROR_CALL_NOT_IMPLEMENTED)
            ) =>
        {
            Ok(T::default())
        }
        list => list,
    }
}

/// Whether a property holds a secret.
pub fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(name))
}

/// A property in the form of the contract. Secrets are left out.
pub fn to_wire(native: &Property, read_only: bool) -> v1::Property {
    let told = property::property(native);
    let value = told.value.filter(|_| !is_secret(&native.name));
    v1::Property {
        is_default: native.values.first().is_none_or(is_empty),
        value,
        read_only,
        ..told
    }
}

/// Whether a value is what a property has that was never set, as far as that can be told: no text, no bytes, no strings.
/// Guess: the cluster tells no defaults, so that a number is never known to be one.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Sz(text) | Value::ExpandSz(text) | Value::ExpandedSz(text) => text.is_empty(),
        Value::Binary(bytes) | Value::SecurityDescriptor(bytes) | Value::Unknown { bytes, .. } => bytes.is_empty(),
        Value::MultiSz(texts) => texts.is_empty(),
        _ => false,
    }
}

/// A value for the cluster API; nothing for one that is absent or fits no native type.
pub fn to_native(value: &v1::PropertyValue) -> Option<Value> {
    Some(match value.value.as_ref()? {
        Wire::Dword(number) => Value::Dword(*number),
        Wire::Text(text) => Value::Sz(text.clone()),
        Wire::ExpandableText(text) => Value::ExpandSz(text.clone()),
        Wire::Texts(list) => Value::MultiSz(list.texts.clone()),
        Wire::Binary(bytes) => Value::Binary(bytes.clone()),
        Wire::Ularge(number) => Value::Ularge(*number),
        Wire::Long(number) => Value::Long(*number),
        Wire::Large(number) => Value::Large(*number),
        Wire::Word(number) => Value::Word(u16::try_from(*number).ok()?),
        Wire::Time(time) => Value::Filetime(filetime(time)?),
        Wire::SecurityDescriptor(bytes) => Value::SecurityDescriptor(bytes.clone()),
        Wire::Unknown(unknown) => Value::Unknown {
            syntax: unknown.syntax,
            bytes: unknown.data.clone(),
        },
    })
}

/// A timestamp in units of 100 ns since 1601; nothing before 1970.
fn filetime(time: &prost_types::Timestamp) -> Option<u64> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let units = u64::try_from(time.nanos).ok()? / 100;
    seconds.checked_mul(UNITS)?.checked_add(units)?.checked_add(TO_UNIX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<u32>().prop_map(Value::Dword),
            any::<u64>().prop_map(Value::Ularge),
            any::<i32>().prop_map(Value::Long),
            any::<i64>().prop_map(Value::Large),
            any::<u16>().prop_map(Value::Word),
            (TO_UNIX..TO_UNIX * 2).prop_map(Value::Filetime),
            ".{0,9}".prop_map(Value::Sz),
            ".{0,9}".prop_map(Value::ExpandSz),
            prop::collection::vec(".{1,9}", 0..4).prop_map(Value::MultiSz),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::Binary),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::SecurityDescriptor),
        ]
    }

    proptest! {
        #[test]
        fn a_value_comes_back_as_it_went(value in value()) {
            prop_assert_eq!(to_native(&property::value(&value)), Some(value));
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let shown = |name: &str| {
            let native = Property {
                name: name.into(),
                values: vec![Value::Sz("key".into())],
            };
            to_wire(&native, false).value
        };
        assert_eq!(shown("primarykey"), None);
        assert!(shown("AccountName").is_some());
    }

    #[test]
    fn numbers_that_fit_no_native_type_are_refused() {
        let word = v1::PropertyValue {
            value: Some(Wire::Word(70_000)),
        };
        assert_eq!(to_native(&word), None);
        let before = v1::PropertyValue {
            value: Some(Wire::Time(prost_types::Timestamp { seconds: -1, nanos: 0 })),
        };
        assert_eq!(to_native(&before), None);
    }
}
