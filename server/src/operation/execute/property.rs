//! Changes of properties of any kind of object, by typed values (facts 3).

use wsfc_clusapi::proplist::{Format, Property, PropertyList, Value};
use wsfc_clusapi::{Controlled, Error, PropertyFormat, Win32};
use wsfc_proto::v1;
use wsfc_proto::v1::PropertyClass;

use super::scene::{End, Run, Scene, Stop, same};
use crate::operation::properties::{self, to_native};

pub(super) fn set(scene: &Scene<'_>, p: &v1::SetPropertiesParameters) -> Run {
    let object = properties::open(scene.cluster, p.kind(), &p.name)?;
    let object = object.controlled();
    let private = p.class() == PropertyClass::Private;
    let has = read(object, private)?;
    let read_only = properties::optional(if private {
        object.read_only_private_properties()
    } else {
        object.read_only_properties()
    })?;
    let formats = if private {
        object.private_formats()
    } else {
        object.common_formats()
    };
    // A server that tells no formats judges them itself; the layout of the answer is a guess.
    let formats = formats.unwrap_or_default();
    let known = Known {
        has: &has,
        read_only: &read_only,
        formats: &formats,
        private,
        function: object.control_function(),
    };
    let mut changes = PropertyList::default();
    let mut only_resets = true;
    for (name, wished) in wished(p) {
        let change = known.change(name, wished)?;
        only_resets &= change.is_none() || wished.is_none();
        changes.properties.extend(change);
    }
    if changes.properties.is_empty() {
        return Ok(End::unchanged("The properties have these values."));
    }
    if scene.rehearsal {
        check(object, private, &changes)?;
    }
    scene.begin()?;
    let stored = if private {
        object.set_private(&changes)?
    } else {
        object.set_common(&changes)?
    };
    // The cluster tells no defaults, so that only what comes of a reset shows whether it changed anything.
    if only_resets && read(object, private)? == has {
        return Ok(End::unchanged("The properties have their defaults."));
    }
    let names: Vec<_> = changes.properties.iter().map(|change| change.name.as_str()).collect();
    Ok(End::stored(stored, format!("Set: {}.", names.join(", "))))
}

/// The properties that can be changed.
fn read(object: &dyn Controlled, private: bool) -> Result<PropertyList, Error> {
    if private {
        object.private_properties()
    } else {
        object.common_properties()
    }
}

/// What shall be: the properties that the mask takes, and a reset for those that it names beside them.
fn wished(p: &v1::SetPropertiesParameters) -> Vec<(&str, Option<&v1::PropertyValue>)> {
    let given = p
        .properties
        .iter()
        .map(|property| (property.name.as_str(), property.value.as_ref()));
    let Some(mask) = &p.update_mask else {
        return given.collect();
    };
    mask.paths
        .iter()
        .map(|path| {
            let property = p.properties.iter().find(|property| same(&property.name, path));
            (path.as_str(), property.and_then(|property| property.value.as_ref()))
        })
        .collect()
}

/// Lets the cluster check a change, where it can.
fn check(object: &dyn Controlled, private: bool, changes: &PropertyList) -> Result<(), Error> {
    let checked = if private {
        object.validate_private(changes)
    } else {
        object.validate_common(changes)
    };
    match checked {
        // Group sets and affinity rules have no such code (facts 3.2).
        Err(error) if error.code() == Some(Win32::ERROR_INVALID_FUNCTION) => Ok(()),
        checked => checked,
    }
}

/// What is known of the properties of an object.
struct Known<'k> {
    has: &'k PropertyList,
    read_only: &'k PropertyList,
    formats: &'k [PropertyFormat],
    private: bool,
    function: &'static str,
}

impl Known<'_> {
    /// The change that makes a property what is wished; nothing where it is so.
    fn change(&self, name: &str, wished: Option<&v1::PropertyValue>) -> Result<Option<Property>, Stop> {
        let find = |list: &PropertyList| {
            list.properties
                .iter()
                .find(|property| same(&property.name, name))
                .cloned()
        };
        let has = find(self.has);
        if has.is_none() && find(self.read_only).is_some() {
            return Err(refused(
                Win32::ERROR_INVALID_PARAMETER,
                format!("The property {name:?} is read only."),
            ));
        }
        let format = has
            .as_ref()
            .and_then(|property| property.values.first())
            .and_then(|value| format_of(value.syntax()))
            .or_else(|| {
                let known = self.formats.iter().find(|known| same(&known.name, name))?;
                known.format()
            });
        let value = match wished {
            Some(wished) => {
                let value = to_native(wished).ok_or(Error::Answer {
                    function: self.function,
                    problem: "no value to set",
                })?;
                match (format, value) {
                    // Text is text: it is stored as the property is.
                    (Some(Format::ExpandSz), Value::Sz(text)) => Value::ExpandSz(text),
                    (Some(Format::Sz), Value::ExpandSz(text)) => Value::Sz(text),
                    (_, value) => value,
                }
            }
            None => match format {
                Some(format) => Value::reset(format),
                // Any private property may have been, and then it has its default: it is not there.
                None if self.private => return Ok(None),
                None => {
                    return Err(refused(
                        Win32::ERROR_INVALID_PARAMETER,
                        format!("There is no property {name:?}."),
                    ));
                }
            },
        };
        if let (Some(format), Some(given)) = (format, format_of(value.syntax()))
            && format != given
        {
            return Err(refused(
                Win32::ERROR_CLUSTER_PROPERTY_DATA_TYPE_MISMATCH,
                format!("The property {name:?} has the type {format:?}, not {given:?}."),
            ));
        }
        if has.is_some_and(|has| has.values.first() == Some(&value)) {
            return Ok(None);
        }
        Ok(Some(Property {
            name: name.to_owned(),
            values: vec![value],
        }))
    }
}

/// A refusal with the code that the cluster has for it.
fn refused(code: Win32, message: String) -> Stop {
    End {
        status: Some(code.0),
        suggested: None,
        ..End::failed(code.name().unwrap_or_default(), message)
    }
    .into()
}

/// The format in the lower half of a syntax.
fn format_of(syntax: u32) -> Option<Format> {
    u16::try_from(syntax & 0xFFFF).ok().and_then(Format::from_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(name: &str, value: Value) -> Property {
        Property {
            name: name.into(),
            values: vec![value],
        }
    }

    fn dword(number: u32) -> v1::PropertyValue {
        v1::PropertyValue {
            value: Some(v1::property_value::Value::Dword(number)),
        }
    }

    #[test]
    fn only_changes_are_sent_and_the_wrong_kind_is_refused() {
        let has = PropertyList {
            properties: vec![property("Priority", Value::Dword(2_000))],
        };
        let read_only = PropertyList {
            properties: vec![property("Name", Value::Sz("g".into()))],
        };
        let known = Known {
            has: &has,
            read_only: &read_only,
            formats: &[],
            private: false,
            function: "f",
        };
        assert_eq!(known.change("PRIORITY", Some(&dword(2_000))).unwrap(), None);
        let change = known.change("Priority", Some(&dword(1))).unwrap().unwrap();
        assert_eq!(change.values, [Value::Dword(1)]);
        let reset = known.change("Priority", None).unwrap().unwrap();
        assert_eq!(reset.values, [Value::reset(Format::Dword)]);
        let text = v1::PropertyValue {
            value: Some(v1::property_value::Value::Text("high".into())),
        };
        let code = |stop| match stop {
            Err(Stop::Refused(end)) => end.status,
            _ => None,
        };
        assert_eq!(code(known.change("Priority", Some(&text))), Some(5895));
        assert_eq!(code(known.change("Name", Some(&text))), Some(87));
        assert_eq!(code(known.change("Priorty", None)), Some(87));
        // What the object does not have yet is the cluster's to judge.
        assert!(known.change("Own", Some(&text)).unwrap().is_some());
    }

    #[test]
    fn a_mask_takes_some_and_resets_the_others_that_it_names() {
        let given = |name: &str| v1::Property {
            name: name.into(),
            value: Some(dword(1)),
            ..Default::default()
        };
        let mut p = v1::SetPropertiesParameters {
            properties: vec![given("A"), given("B")],
            ..Default::default()
        };
        assert_eq!(wished(&p).len(), 2);
        p.update_mask = Some(prost_types::FieldMask {
            paths: vec!["b".into(), "C".into()],
        });
        let wished = wished(&p);
        assert_eq!(wished.len(), 2);
        assert!(wished[0].1.is_some() && wished[1].1.is_none());
    }
}
