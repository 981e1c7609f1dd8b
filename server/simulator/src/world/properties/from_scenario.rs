//! Properties as a scenario writes them.

use super::{Definition, Setting, Settings, cluster, group, network, resource};
use crate::proplist::{self, Change};
use crate::scenario::{Properties, PropertyValue};

/// What properties belong to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'name> {
    Cluster,
    Node,
    Group,
    Resource,
    /// Private properties of a resource of a type.
    Private(&'name str),
    Network,
    GroupSet,
}

impl Kind<'_> {
    fn definitions(self) -> &'static [Definition] {
        match self {
            Self::Cluster => cluster::CLUSTER,
            Self::Node => cluster::NODE,
            Self::Group => group::GROUP,
            Self::Resource => resource::RESOURCE,
            Self::Private(kind) => resource::private(kind),
            Self::Network => network::NETWORK,
            Self::GroupSet => group::GROUP_SET,
        }
    }
}

/// The value in the form that it takes without a table.
fn plain(value: &PropertyValue) -> Setting {
    match value {
        PropertyValue::Flag(flag) => Setting::Dword((*flag).into()),
        PropertyValue::Number(number) => u32::try_from(*number).map_or(Setting::Large(*number), Setting::Dword),
        PropertyValue::Text(text) => Setting::Text(text.clone()),
        PropertyValue::Texts(texts) => Setting::Texts(texts.clone()),
    }
}

/// The canonical name and the value of a property, or why there is none such.
pub(crate) fn setting_of(kind: Kind<'_>, name: &str, value: &PropertyValue) -> Result<(String, Setting), String> {
    let plain = plain(value);
    let Some(definition) = kind.definitions().iter().find(|known| known.is(name)) else {
        return match kind {
            Kind::Private(_) => Ok((name.into(), plain)),
            _ => Err("no such property can be set".into()),
        };
    };
    // A small number is large enough for 64 bits.
    let value = match (plain, definition.default()) {
        (Setting::Dword(number), Setting::Large(_)) => Setting::Large(number.into()),
        (value, _) => value,
    };
    let change = Change {
        name: name.into(),
        format: proplist::format_of(&value),
        value: Some(value),
    };
    match definition.accept(change) {
        Ok(Some(value)) => Ok((definition.name.into(), value)),
        Ok(None) | Err(_) => Err("is of the wrong type, or out of range".into()),
    }
}

/// All of some properties; those that are not good are left out, since the scenario was checked.
pub(crate) fn settings_of(kind: Kind<'_>, properties: &Properties) -> Settings {
    properties
        .iter()
        .filter_map(|(name, value)| setting_of(kind, name, value).ok())
        .collect()
}
