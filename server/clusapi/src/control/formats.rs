//! Which format each property has, as the control codes for formats answer it.
//!
//! Guess: no public page says how the list lies. It is read as a property list whose values are DWORDs with the format,
//! or whose values have the format as their own syntax and no data.

use crate::proplist::{Format, ParseError, PropertyList, Value};

/// A property and its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropertyFormat {
    /// The name.
    pub name: String,
    /// The number of the format, as [`Format`] has it.
    pub number: u16,
}

impl PropertyFormat {
    /// The format, if it is known here.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        Format::from_number(self.number)
    }
}

/// Reads the answer of a control code.
pub(super) fn parse(answer: &[u8]) -> Result<Vec<PropertyFormat>, ParseError> {
    let list = PropertyList::parse(answer)?;
    let formats = list.properties.into_iter().filter_map(|property| {
        let number = match property.values.first()? {
            Value::Dword(number) => *number,
            value => value.syntax(),
        };
        // The format is the lower half of a syntax.
        let [low, high, ..] = number.to_le_bytes();
        Some(PropertyFormat {
            name: property.name,
            number: u16::from_le_bytes([low, high]),
        })
    });
    Ok(formats.collect())
}
