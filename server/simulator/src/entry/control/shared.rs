//! What every object answers alike: properties, names, ids and flags.

use super::Call;
use crate::entry::{Answer, objects};
use crate::proplist;
use crate::win32::{
    ERROR_CLUSTER_NETINTERFACE_NOT_FOUND, ERROR_CLUSTER_NETWORK_NOT_FOUND, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_RESOURCE_NOT_FOUND,
};
use crate::world::properties::{Class, Found, Owner, Property, Setting};
use crate::world::resource_type;

/// The low 24 bits that all objects share (facts 3.2).
mod function {
    pub(super) const GET_CHARACTERISTICS: u32 = 0x00_0005;
    pub(super) const GET_FLAGS: u32 = 0x00_0009;
    pub(super) const GET_CLASS_INFO: u32 = 0x00_000D;
    pub(super) const GET_REQUIRED_DEPENDENCIES: u32 = 0x00_0011;
    pub(super) const GET_NAME: u32 = 0x00_0029;
    pub(super) const GET_RESOURCE_TYPE: u32 = 0x00_002D;
    pub(super) const GET_ID: u32 = 0x00_0039;
    pub(super) const GET_FQDN: u32 = 0x00_003D;
    pub(super) const ENUM_COMMON: u32 = 0x00_0051;
    pub(super) const GET_RO_COMMON: u32 = 0x00_0055;
    pub(super) const GET_COMMON: u32 = 0x00_0059;
    pub(super) const SET_COMMON: u32 = 0x40_005E;
    pub(super) const VALIDATE_COMMON: u32 = 0x00_0061;
    pub(super) const GET_COMMON_FMTS: u32 = 0x00_0065;
    pub(super) const ENUM_PRIVATE: u32 = 0x00_0079;
    pub(super) const GET_RO_PRIVATE: u32 = 0x00_007D;
    pub(super) const GET_PRIVATE: u32 = 0x00_0081;
    pub(super) const SET_PRIVATE: u32 = 0x40_0086;
    pub(super) const VALIDATE_PRIVATE: u32 = 0x00_0089;
    pub(super) const GET_PRIVATE_FMTS: u32 = 0x00_008D;
}

const OBJECT_SHIFT: u32 = 24;

/// The object in the upper byte of a code.
fn object_of(owner: &Owner) -> u32 {
    match owner {
        Owner::Resource(_) => 1,
        Owner::ResourceType(_) => 2,
        Owner::Group(_) => 3,
        Owner::Node(_) => 4,
        Owner::Network(_) => 5,
        Owner::Interface(_) => 6,
        Owner::Cluster => 7,
        Owner::GroupSet(_) => 8,
        Owner::Rule(_) => 9,
    }
}

/// `None` for a code that the object does not know. Group sets and affinity rules know only some (facts 3.2).
pub(super) fn answer(call: &Call<'_>) -> Answer<Option<Vec<u8>>> {
    if call.code >> OBJECT_SHIFT != object_of(call.owner) {
        return Ok(None);
    }
    let function = call.code & 0x00FF_FFFF;
    let few = matches!(call.owner, Owner::GroupSet(_) | Owner::Rule(_));
    if few
        && !matches!(
            function,
            function::GET_COMMON | function::GET_RO_COMMON | function::SET_COMMON | function::GET_ID
        )
    {
        return Ok(None);
    }
    let list = |class| properties(call, class).map(|list| Some(proplist::write(&list)));
    match function {
        function::GET_COMMON => list(Class::Common),
        function::GET_RO_COMMON => list(Class::ReadOnlyCommon),
        function::GET_PRIVATE => list(Class::Private),
        function::GET_RO_PRIVATE => list(Class::ReadOnlyPrivate),
        function::ENUM_COMMON => names(call, [Class::Common, Class::ReadOnlyCommon]),
        function::ENUM_PRIVATE => names(call, [Class::Private, Class::ReadOnlyPrivate]),
        function::GET_COMMON_FMTS => properties(call, Class::Common).map(|list| Some(formats(list))),
        function::GET_PRIVATE_FMTS => properties(call, Class::Private).map(|list| Some(formats(list))),
        function::SET_COMMON => set(call, Class::Common, false),
        function::VALIDATE_COMMON => set(call, Class::Common, true),
        function::SET_PRIVATE => set(call, Class::Private, false),
        function::VALIDATE_PRIVATE => set(call, Class::Private, true),
        _ => identity(call, function),
    }
}

fn properties(call: &Call<'_>, class: Class) -> Answer<Vec<Property>> {
    call.read(|world, cluster| {
        let found = Found::of(cluster, call.owner)?;
        Ok(world.properties(cluster, found, class))
    })
}

fn names(call: &Call<'_>, classes: [Class; 2]) -> Answer<Option<Vec<u8>>> {
    let [settable, read_only] = classes;
    let mut names: Vec<String> = Vec::new();
    for class in [settable, read_only] {
        names.extend(properties(call, class)?.into_iter().map(|(name, _)| name.into_owned()));
    }
    Ok(Some(proplist::multi(&names)))
}

/// The formats of properties. Guess: a property list whose values are the syntaxes.
pub(super) fn formats(list: Vec<Property>) -> Vec<u8> {
    let formats: Vec<Property> = list
        .into_iter()
        .map(|(name, value)| (name, Setting::Dword(proplist::syntax_of(&value))))
        .collect();
    proplist::write(&formats)
}

fn set(call: &Call<'_>, class: Class, validate: bool) -> Answer<Option<Vec<u8>>> {
    let list = call.input()?;
    call.change(|world| world.set_properties(call.cluster, call.owner, class, list, validate))
        .map(|()| Some(Vec::new()))
}

/// Names, ids and flags.
fn identity(call: &Call<'_>, function: u32) -> Answer<Option<Vec<u8>>> {
    call.read(|world, cluster| {
        let mut flags = 0;
        let mut kind = None;
        let (id, name) = match call.owner {
            Owner::Cluster => (cluster.id.clone(), cluster.name.clone()),
            Owner::Node(number) => {
                let node = cluster.node(*number).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?;
                (node.id.to_string(), node.name.clone())
            }
            Owner::Group(id) => {
                let group = cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?;
                flags = objects::group_flags(group);
                (group.id.clone(), group.name.clone())
            }
            Owner::Resource(id) => {
                let (group, resource) = cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
                flags = objects::group_flags(group);
                kind = Some(resource.kind.as_str());
                (resource.id.clone(), resource.name.clone())
            }
            Owner::ResourceType(name) => {
                let found = cluster
                    .resource_type(name)
                    .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
                kind = Some(found.name.as_str());
                (found.name.clone(), found.name.clone())
            }
            Owner::Network(id) => {
                let network = cluster.network(id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
                (network.id.clone(), network.name.clone())
            }
            Owner::Interface(id) => {
                let (_, interface) = cluster.interface(id).ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)?;
                (interface.id.clone(), interface.name.clone())
            }
            Owner::GroupSet(id) => {
                let set = cluster.group_set(id)?;
                (set.id.clone(), set.name.clone())
            }
            Owner::Rule(name) => {
                let rule = cluster.rule(name)?;
                (rule.name.clone(), rule.name.clone())
            }
        };
        Ok(match (function, kind) {
            (function::GET_ID, _) => Some(proplist::text(&id)),
            (function::GET_NAME, _) => Some(proplist::text(&name)),
            (function::GET_FQDN, _) if matches!(call.owner, Owner::Cluster | Owner::Node(_)) => {
                Some(proplist::text(&format!("{name}.{}", world.directory.domain)))
            }
            (function::GET_FLAGS, _) => Some(flags.to_le_bytes().to_vec()),
            (function::GET_CHARACTERISTICS, kind) => {
                let characteristics = kind.map_or(0, |kind| cluster.characteristics(kind));
                Some(characteristics.to_le_bytes().to_vec())
            }
            (function::GET_RESOURCE_TYPE, Some(kind)) if matches!(call.owner, Owner::Resource(_)) => {
                Some(proplist::text(kind))
            }
            (function::GET_CLASS_INFO, Some(kind)) => {
                let (class, subclass) = resource_type::class_info(kind);
                Some([class.to_le_bytes(), subclass.to_le_bytes()].concat())
            }
            (function::GET_REQUIRED_DEPENDENCIES, Some(kind)) => Some(resource_type::required_dependencies(kind)),
            _ => None,
        })
    })
}
