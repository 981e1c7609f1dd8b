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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proplist::{Property, Tail};

    proptest! {
        #[test]
        fn formats_are_read_in_either_form(
            formats in prop::collection::vec(("[A-Za-z]{1,12}", 0_usize..14, any::<bool>()), 0..8)
        ) {
            let properties = formats.iter().map(|(name, index, as_number)| {
                let format = Format::ALL[*index];
                let value = Value::reset(format);
                Property {
                    name: name.clone(),
                    values: vec![if *as_number { Value::Dword(value.syntax()) } else { value }],
                }
            });
            let list = PropertyList { properties: properties.collect() };
            let read = parse(&list.to_bytes(Tail::ExtraZero).unwrap()).unwrap();
            let read: Vec<_> = read.into_iter().map(|format| (format.name.clone(), format.format())).collect();
            let expected: Vec<_> = formats.into_iter().map(|(name, index, _)| (name, Some(Format::ALL[index]))).collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let formats = parse(&bytes).map_or(0, |formats| formats.len());
            prop_assert!(formats <= bytes.len() / 12);
        }
    }
}
