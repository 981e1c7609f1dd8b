//! Property lists and value lists: the binary form in which the cluster API passes properties (facts 3.1).
//!
//! Reading is count-based and tolerant where real servers are loose: a missing final NUL, missing final padding, and
//! anything after the last property, such as the extra zero word that servers append. Every other damage is a
//! [`ParseError`]. What has no exact typed form is kept as [`Value::Unknown`] with its bytes, so nothing is lost.

mod value;

use core::fmt;

use zeroize::{Zeroize as _, Zeroizing};

pub use value::{Format, Value};

/// The syntax of a property's name: a NUL-terminated string in the type word "name".
const NAME_SYNTAX: u32 = 0x0004_0003;
/// Closes the values of a property, and a value list.
const END_MARK: u32 = 0;

/// Properties in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyList {
    /// The properties.
    pub properties: Vec<Property>,
}

/// A property: a name and at least one value, such as the text of an expandable string and its expanded form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The name; compared without case (facts 3.1).
    pub name: String,
    /// The values.
    pub values: Vec<Value>,
}

/// What ends a written property list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing after the last property.
    None,
    /// One more zero word, as real servers write (facts 3.1).
    ExtraZero,
}

/// Where a list is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The bytes end too early.
    #[error("the list ends within an entry at byte {offset}")]
    Truncated {
        /// Start of the entry.
        offset: usize,
    },
    /// A property does not begin with a name.
    #[error("expected a property name at byte {offset}, found syntax {syntax:#010x}")]
    NotAName {
        /// Start of the entry.
        offset: usize,
        /// What stands there.
        syntax: u32,
    },
    /// More properties than the bytes could hold.
    #[error("the list counts {count} properties in {bytes} bytes")]
    Count {
        /// Properties announced.
        count: u32,
        /// Bytes of the list.
        bytes: usize,
    },
}

/// What C could not be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A name or text with a NUL inside.
    #[error("the property {name:?} contains a NUL character")]
    InteriorNul {
        /// Name of the property.
        name: String,
    },
    /// An empty string within several strings, which would read as their end.
    #[error("the property {name:?} contains an empty string among several")]
    EmptyString {
        /// Name of the property.
        name: String,
    },
    /// A property whose value would read as the end of its values.
    #[error("the property {name:?} has a value with the syntax of an end mark")]
    EndMark {
        /// Name of the property.
        name: String,
    },
    /// More than a 32-bit count holds.
    #[error("the property {name:?} is too large")]
    TooLarge {
        /// Name of the property.
        name: String,
    },
}

/// Bytes of the shortest property: the name's syntax, its length, and an end mark.
const SHORTEST_PROPERTY: usize = 12;

impl PropertyList {
    /// Reads a property list. No bytes at all are an empty list, as notifications have it (facts 3.1).
    ///
    /// # Errors
    ///
    /// [`ParseError`] says where the list is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader { bytes, offset: 0 };
        let count = reader.word()?;
        // A count that cannot be true must not cost memory.
        if count as usize > bytes.len() / SHORTEST_PROPERTY {
            return Err(ParseError::Count {
                count,
                bytes: bytes.len(),
            });
        }
        let mut properties = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let offset = reader.offset;
            let (syntax, data) = reader.entry()?.ok_or(ParseError::NotAName {
                offset,
                syntax: END_MARK,
            })?;
            if syntax != NAME_SYNTAX {
                return Err(ParseError::NotAName { offset, syntax });
            }
            let name = value::lossy_text(data);
            properties.push(Property {
                name,
                values: reader.values()?,
            });
        }
        Ok(Self { properties })
    }

    /// Writes the list.
    ///
    /// # Errors
    ///
    /// [`WriteError`] names the property that C cannot be given.
    pub fn to_bytes(&self, tail: Tail) -> Result<Vec<u8>, WriteError> {
        let too_large = || WriteError::TooLarge { name: String::new() };
        // Sized in advance: a vector that grows leaves copies behind, and a value may be a secret.
        let mut bytes = Vec::with_capacity(self.most_bytes());
        push_word(
            &mut bytes,
            u32::try_from(self.properties.len()).map_err(|_| too_large())?,
        );
        for property in &self.properties {
            let name = &property.name;
            let text = value::encode_text(name).ok_or_else(|| WriteError::InteriorNul { name: name.clone() })?;
            push_entry(&mut bytes, name, NAME_SYNTAX, &text)?;
            push_values(&mut bytes, name, &property.values)?;
        }
        if tail == Tail::ExtraZero {
            push_word(&mut bytes, END_MARK);
        }
        Ok(bytes)
    }

    /// As many bytes as the list has when it is written, or more.
    fn most_bytes(&self) -> usize {
        // Syntax, length and padding.
        let entry = |data: usize| data.saturating_add(12);
        let of = |property: &Property| {
            let values = property.values.iter().map(|value| entry(value.most_bytes()));
            entry(value::most_bytes_of_text(&property.name)).saturating_add(values.sum::<usize>())
        };
        self.properties
            .iter()
            .map(of)
            .sum::<usize>()
            .saturating_add(8 + 4 * self.properties.len())
    }

    /// Wipes the texts and bytes of all values, of which some may be secrets.
    pub fn wipe(&mut self) {
        for value in self.properties.iter_mut().flat_map(|property| &mut property.values) {
            match value {
                Value::Binary(bytes)
                | Value::SecurityDescriptor(bytes)
                | Value::ValueList(bytes)
                | Value::PropertyList(bytes)
                | Value::Unknown { bytes, .. } => bytes.zeroize(),
                Value::Sz(text) | Value::ExpandSz(text) | Value::ExpandedSz(text) => text.zeroize(),
                Value::MultiSz(texts) => texts.zeroize(),
                Value::Dword(_)
                | Value::Long(_)
                | Value::Word(_)
                | Value::Ularge(_)
                | Value::Filetime(_)
                | Value::Large(_) => {}
            }
        }
    }

    /// The property of this name, whatever its case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Property> {
        let wanted = name.to_lowercase();
        self.properties
            .iter()
            .find(|property| property.name.to_lowercase() == wanted)
    }

    /// The number that the property of this name holds, if it holds one.
    #[must_use]
    pub fn dword(&self, name: &str) -> Option<u32> {
        match self.get(name)?.values.first()? {
            Value::Dword(number) => Some(*number),
            _ => None,
        }
    }

    /// The text that the property of this name holds, if it holds one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)?.values.first()? {
            Value::Sz(text) | Value::ExpandSz(text) | Value::ExpandedSz(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads a value list: values back to back, closed by an end mark.
///
/// # Errors
///
/// [`ParseError`] says where the list is damaged.
pub fn parse_value_list(bytes: &[u8]) -> Result<Vec<Value>, ParseError> {
    Reader { bytes, offset: 0 }.values()
}

/// Writes a value list.
///
/// # Errors
///
/// [`WriteError`], without a property name.
pub fn value_list_to_bytes(values: &[Value]) -> Result<Vec<u8>, WriteError> {
    let mut bytes = Vec::new();
    push_values(&mut bytes, "", values)?;
    Ok(bytes)
}

/// Walks over the entries of a list.
struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// The next 32-bit word. Nothing needs alignment.
    fn word(&mut self) -> Result<u32, ParseError> {
        let truncated = ParseError::Truncated { offset: self.offset };
        let (word, _) = self
            .bytes
            .get(self.offset..)
            .and_then(<[u8]>::split_first_chunk::<4>)
            .ok_or(truncated)?;
        self.offset += 4;
        Ok(u32::from_le_bytes(*word))
    }

    /// The next syntax and data, or `None` for an end mark.
    fn entry(&mut self) -> Result<Option<(u32, &'a [u8])>, ParseError> {
        let truncated = ParseError::Truncated { offset: self.offset };
        let syntax = self.word()?;
        if syntax == END_MARK {
            return Ok(None);
        }
        let length = self.word()? as usize;
        let data = self
            .bytes
            .get(self.offset..)
            .and_then(|rest| rest.get(..length))
            .ok_or(truncated)?;
        // The last entry of a list may lack its padding.
        self.offset = (self.offset + length.next_multiple_of(4)).min(self.bytes.len());
        Ok(Some((syntax, data)))
    }

    /// Values up to their end mark.
    fn values(&mut self) -> Result<Vec<Value>, ParseError> {
        let mut values = Vec::new();
        while let Some((syntax, data)) = self.entry()? {
            values.push(Value::decode(syntax, data));
        }
        Ok(values)
    }
}

fn push_word(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

fn push_values(bytes: &mut Vec<u8>, name: &str, values: &[Value]) -> Result<(), WriteError> {
    for value in values {
        let data = Zeroizing::new(value.encode(name)?);
        let syntax = value.syntax();
        if syntax == END_MARK {
            return Err(WriteError::EndMark { name: name.to_owned() });
        }
        push_entry(bytes, name, syntax, &data)?;
    }
    push_word(bytes, END_MARK);
    Ok(())
}

fn push_entry(bytes: &mut Vec<u8>, name: &str, syntax: u32, data: &[u8]) -> Result<(), WriteError> {
    let length = u32::try_from(data.len()).map_err(|_| WriteError::TooLarge { name: name.to_owned() })?;
    push_word(bytes, syntax);
    push_word(bytes, length);
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Ok(())
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", self.name, self.values)
    }
}

#[cfg(test)]
mod tests;
