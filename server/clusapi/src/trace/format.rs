//! The lines of a trace.
//!
//! The first line is the [`Header`]. A call is a [`Begin`] when it is made and a [`Return`] when it comes back, with its
//! callbacks between them; lines of several threads mix. Times are microseconds since the recorder began, of a clock that
//! never goes back.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The form of the file; a file of another form is refused.
pub const FORMAT: u32 = 1;

/// What stands in the place of user names, passwords and domains that calls were given.
pub const SECRET: &str = "(secret)";

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first.
    Trace(Header),
    /// A call is made.
    Call(Begin),
    /// A callback came, and was answered.
    Callback(Callback),
    /// A call has come back.
    Return(Return),
    /// The last, of a recording that was ended in order.
    End(End),
}

/// Where a trace comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that recorded it, with its version.
    pub program: String,
    /// The operating system.
    pub os: String,
    /// The host, if its name was to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where the cluster API was loaded from.
    pub library: String,
    /// When the recorder began, in milliseconds since 1970 (UTC).
    pub began_unix_ms: u64,
    /// The C functions that this cluster API lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
}

/// A call is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// The number of the call, from 1.
    pub number: u64,
    /// When.
    pub at_us: u64,
    /// Its thread: a number of the recorder's own, from 1.
    pub thread: u64,
    /// The C function.
    pub function: String,
    /// What it was given, by the names of its parameters.
    pub arguments: Fields,
}

/// A callback that came during a call, or after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Callback {
    /// The number of the call; absent if its argument belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// When it came.
    pub at_us: u64,
    /// Its thread.
    pub thread: u64,
    /// The phase.
    pub phase: i32,
    /// What a setup call reports beside; an upgrade reports nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// What it was answered.
    pub answer: i32,
    /// How long it took to answer, in microseconds.
    pub took_us: u64,
    /// It came after its call had returned.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

/// What a setup callback reports beside the phase (facts 1.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The place within the phase.
    #[serde(rename = "type")]
    pub phase_type: i32,
    /// How bad it is.
    pub severity: i32,
    /// Percent of the whole call, as it came.
    pub percent: u32,
    /// What it is about; absent for NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// 0, a Win32 code or an HRESULT.
    pub status: u32,
}

/// A call has come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Return {
    /// The number of the call.
    pub number: u64,
    /// When.
    pub at_us: u64,
    /// What it returned.
    pub result: Value,
    /// The Win32 code that it failed with, by the convention of its function; absent on success. 0 for a function that
    /// failed without saying why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u32>,
    /// The last error of its thread afterwards, whether it has to do with the call or not.
    pub last_error: u32,
    /// What it wrote for its caller, by the names of its parameters.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub out: Fields,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// The recording was ended in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at_us: u64,
}

/// A value that crossed the boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// NULL.
    Null,
    /// A number, also a truth value or a flag word.
    Number(i64),
    /// A text.
    Text(String),
    /// Several values.
    List(Vec<Self>),
    /// A handle.
    Handle(Handle),
    /// A buffer.
    Bytes(Bytes),
    /// A struct.
    Fields(Fields),
}

/// A handle: a number for each object that was opened, never used again, instead of the native one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handle {
    /// The number, from 1.
    pub handle: u64,
}

/// The bytes of a buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// In hexadecimal digits.
    pub hex: String,
    /// The property list in it, if it is known to be one. The bytes are what counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Fields>,
}

impl Bytes {
    /// Bytes that nothing is known of.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        use fmt::Write as _;
        let mut hex = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        Self { hex, properties: None }
    }

    /// The bytes; `None` if the digits are none.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let (pairs, rest) = self.hex.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect()
    }
}

/// Values by name, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(pub Vec<(String, Value)>);

impl Fields {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of this name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number of this name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The number of the handle of this name.
    #[must_use]
    pub fn handle(&self, name: &str) -> Option<u64> {
        self.get(name)?.handle()
    }

    /// The texts of the list of this name; what is no text is left out.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list(name).iter().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The list of this name; none is empty.
    #[must_use]
    pub fn list(&self, name: &str) -> &[Value] {
        match self.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }

    /// The struct of this name.
    #[must_use]
    pub fn fields(&self, name: &str) -> Option<&Self> {
        match self.get(name)? {
            Value::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a value.
    pub(crate) fn push(&mut self, name: &str, value: impl Into<Value>) {
        self.0.push((name.to_owned(), value.into()));
    }
}

impl Value {
    /// The number of the handle, if it is one.
    #[must_use]
    pub fn handle(&self) -> Option<u64> {
        match self {
            Self::Handle(handle) => Some(handle.handle),
            _ => None,
        }
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Fields(fields)
    }
}

impl From<Vec<Self>> for Value {
    fn from(list: Vec<Self>) -> Self {
        Self::List(list)
    }
}

impl From<Handle> for Value {
    fn from(handle: Handle) -> Self {
        Self::Handle(handle)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Handle(handle) => write!(f, "#{}", handle.handle),
            Self::Bytes(Bytes {
                properties: Some(properties),
                ..
            }) => write!(f, "{properties}"),
            Self::Bytes(bytes) => write!(f, "0x{}", bytes.hex),
            Self::Fields(fields) => write!(f, "{fields}"),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{name}: {value}")?;
        }
        f.write_str("}")
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("values by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
