//! How a property is declared: name, type, default, range, and whether it may be set.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::proplist;
use crate::win32::{
    ERROR_CLUSTER_PARAMETER_OUT_OF_BOUNDS, ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH, ERROR_INVALID_PARAMETER,
};

/// The value of a property, one variant a format (facts 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Setting {
    Dword(u32),
    Large(u64),
    Text(String),
    Texts(Vec<String>),
    /// Text with environment variables in it.
    Expand(String),
    Binary(Vec<u8>),
    Long(i32),
    SignedLarge(i64),
    Word(u16),
    FileTime(u64),
    Security(Vec<u8>),
}

/// The values of an object's properties that differ from their defaults, by canonical name.
pub(crate) type Settings = BTreeMap<String, Setting>;

/// The name and value of a property.
pub(crate) type Property = (Cow<'static, str>, Setting);

/// The default of a property, which also says its type.
#[derive(Debug, Clone, Copy)]
enum Preset {
    Dword(u32),
    Large(u64),
    Text(&'static str),
    Texts,
    Expand,
    Binary,
}

/// A well-known property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    preset: Preset,
    /// The least and the greatest number; numbers only.
    range: (u32, u32),
    /// A number outside the range that is allowed too, such as "never".
    besides: Option<u32>,
}

const fn definition(name: &'static str, preset: Preset) -> Definition {
    Definition {
        name,
        preset,
        range: (0, u32::MAX),
        besides: None,
    }
}

/// A DWORD.
pub(crate) const fn dword(name: &'static str, default: u32) -> Definition {
    definition(name, Preset::Dword(default))
}

/// A DWORD that is a truth value.
pub(crate) const fn flag(name: &'static str, default: u32) -> Definition {
    dword(name, default).within(0, 1)
}

/// An unsigned number of 64 bits.
pub(crate) const fn large(name: &'static str, default: u64) -> Definition {
    definition(name, Preset::Large(default))
}

/// A string, empty by default.
pub(crate) const fn text(name: &'static str) -> Definition {
    text_of(name, "")
}

/// A string.
pub(crate) const fn text_of(name: &'static str, default: &'static str) -> Definition {
    definition(name, Preset::Text(default))
}

/// A string with environment variables in it.
pub(crate) const fn expand(name: &'static str) -> Definition {
    definition(name, Preset::Expand)
}

/// A list of strings, empty by default.
pub(crate) const fn texts(name: &'static str) -> Definition {
    definition(name, Preset::Texts)
}

/// Bytes, none by default.
pub(crate) const fn binary(name: &'static str) -> Definition {
    definition(name, Preset::Binary)
}

impl Definition {
    /// Bounds the number.
    pub(crate) const fn within(self, least: u32, greatest: u32) -> Self {
        Self {
            range: (least, greatest),
            ..self
        }
    }

    /// Allows one number outside the bounds.
    pub(crate) const fn or(self, number: u32) -> Self {
        Self {
            besides: Some(number),
            ..self
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The default.
    pub(crate) fn default(&self) -> Setting {
        match self.preset {
            Preset::Dword(number) => Setting::Dword(number),
            Preset::Large(number) => Setting::Large(number),
            Preset::Text(value) => Setting::Text(value.into()),
            Preset::Texts => Setting::Texts(Vec::new()),
            Preset::Expand => Setting::Expand(String::new()),
            Preset::Binary => Setting::Binary(Vec::new()),
        }
    }

    /// What the settings say, or the default.
    pub(crate) fn of(&self, settings: &Settings) -> Setting {
        settings.get(self.name).cloned().unwrap_or_else(|| self.default())
    }

    /// Checks a change: 5895 for another type, 5913 for a number out of range. Plain and expandable text are both text
    /// (guess), so either is taken where the other is declared, and kept as what is declared.
    pub(crate) fn accept(&self, change: proplist::Change) -> Result<Option<Setting>, u32> {
        let default = self.default();
        let declared = proplist::format_of(&default);
        let value = match (change.value, &default) {
            (None, _) if change.format == declared => return Ok(None),
            (Some(Setting::Expand(value)), Setting::Text(_)) => Setting::Text(value),
            (Some(Setting::Text(value)), Setting::Expand(_)) => Setting::Expand(value),
            // A security descriptor is bytes with a format word of their own.
            (Some(Setting::Security(value)), Setting::Binary(_)) => Setting::Binary(value),
            (Some(value), _) if change.format == declared => value,
            _ => return Err(ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH),
        };
        match value {
            Setting::Dword(number)
                if !(self.range.0..=self.range.1).contains(&number) && self.besides != Some(number) =>
            {
                Err(ERROR_CLUSTER_PARAMETER_OUT_OF_BOUNDS)
            }
            // A NUL inside text cannot be written back; the reader has cut it already.
            Setting::Texts(ref values) if values.iter().any(String::is_empty) => Err(ERROR_INVALID_PARAMETER),
            value => Ok(Some(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: Option<Setting>, format: u32) -> proplist::Change {
        proplist::Change {
            name: "x".into(),
            format,
            value,
        }
    }

    #[test]
    fn type_and_range_are_checked() {
        let percent = dword("x", 7).within(1, 100).or(u32::MAX);
        let number = |number| percent.accept(change(Some(Setting::Dword(number)), 2));
        assert_eq!(number(100), Ok(Some(Setting::Dword(100))));
        assert_eq!(number(u32::MAX), Ok(Some(Setting::Dword(u32::MAX))));
        assert_eq!(number(0), Err(5913));
        assert_eq!(percent.accept(change(Some(Setting::Text("7".into())), 3)), Err(5895));
        assert_eq!(percent.accept(change(None, 2)), Ok(None));
        assert_eq!(percent.accept(change(None, 3)), Err(5895));
        let path = expand("x").accept(change(Some(Setting::Text("a".into())), 3));
        assert_eq!(path, Ok(Some(Setting::Expand("a".into()))));
    }
}
