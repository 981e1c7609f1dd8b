//! Properties of the cluster API in the form of the contract.

use prost_types::Timestamp;
use wsfc_clusapi::proplist::{self, Value};
use wsfc_proto::v1;
use wsfc_proto::v1::property_value::Value as Told;

/// Seconds from 1601, where a FILETIME begins, to 1970.
const FROM_1601_TO_1970: i64 = 11_644_473_600;
/// A FILETIME counts tenths of a microsecond.
const TICKS_A_SECOND: u64 = 10_000_000;

/// A property as it is told. Whether it is read-only or has its default is not known from the property itself.
pub fn property(native: &proplist::Property) -> v1::Property {
    let expanded = native.values.iter().find_map(|value| match value {
        Value::ExpandedSz(text) => Some(text.clone()),
        _ => None,
    });
    let value = native.values.first().map(value);
    v1::Property {
        name: native.name.clone(),
        value,
        expanded: expanded.unwrap_or_default(),
        ..v1::Property::default()
    }
}

/// A value as it is told.
pub fn value(native: &Value) -> v1::PropertyValue {
    let told = match native {
        Value::Binary(bytes) => Told::Binary(bytes.clone()),
        Value::Dword(number) => Told::Dword(*number),
        Value::Sz(text) => Told::Text(text.clone()),
        Value::ExpandSz(text) => Told::ExpandableText(text.clone()),
        Value::MultiSz(texts) => Told::Texts(v1::TextList { texts: texts.clone() }),
        Value::Ularge(number) => Told::Ularge(*number),
        Value::Long(number) => Told::Long(*number),
        Value::SecurityDescriptor(bytes) => Told::SecurityDescriptor(bytes.clone()),
        Value::Large(number) => Told::Large(*number),
        Value::Word(number) => Told::Word((*number).into()),
        Value::Filetime(ticks) => Told::Time(time(*ticks)),
        Value::ExpandedSz(text) => unknown(native, text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        Value::ValueList(bytes) | Value::PropertyList(bytes) | Value::Unknown { bytes, .. } => {
            unknown(native, bytes.clone())
        }
    };
    v1::PropertyValue { value: Some(told) }
}

fn unknown(native: &Value, data: Vec<u8>) -> Told {
    let syntax = native.syntax();
    Told::Unknown(v1::UnknownValue { syntax, data })
}

/// A FILETIME as a time.
pub fn time(ticks: u64) -> Timestamp {
    let seconds = i64::try_from(ticks / TICKS_A_SECOND).unwrap_or(i64::MAX);
    let nanos = i32::try_from(ticks % TICKS_A_SECOND * 100).unwrap_or_default();
    Timestamp {
        seconds: seconds.saturating_sub(FROM_1601_TO_1970),
        nanos,
    }
}
