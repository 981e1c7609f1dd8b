//! Verbs on resource types (facts 2.5).

use std::time::Duration;

use wsfc_clusapi::{Controlled as _, Error, NewResourceType, Win32};
use wsfc_proto::v1;

use super::scene::{End, Run, Scene, Stop, same};
use super::states;
use crate::operation::validate::from_wire;

/// What the cluster takes for LooksAlive unless told otherwise (facts 3.3).
const LOOKS_ALIVE: Duration = Duration::from_secs(5);
/// What the cluster takes for IsAlive unless told otherwise (facts 3.3).
const IS_ALIVE: Duration = Duration::from_secs(60);

fn exists(scene: &Scene<'_>, name: &str) -> Result<bool, Error> {
    let types = scene.cluster.resource_types()?;
    Ok(types.iter().any(|known| same(&known.name, name)))
}

pub(super) fn create(scene: &Scene<'_>, p: &v1::CreateResourceTypeParameters) -> Run {
    if exists(scene, &p.resource_type)? {
        let has = scene.cluster.resource_type(&p.resource_type)?.read_only_properties()?;
        if states::text(&has, "DllName").is_some_and(|dll| same(dll, &p.dll)) {
            return Ok(End::unchanged(format!(
                "There is a type {:?} of this DLL.",
                p.resource_type
            )));
        }
        return Err(Stop::Api(Error::Call {
            function: "CreateClusterResourceType",
            code: Win32::ERROR_ALREADY_EXISTS,
        }));
    }
    scene.begin()?;
    // Validated on the way in, so what cannot be read was not given.
    let interval =
        |given: Option<prost_types::Duration>, usual| given.and_then(|given| from_wire(&given)).unwrap_or(usual);
    let display_name = if p.display_name.is_empty() {
        &p.resource_type
    } else {
        &p.display_name
    };
    scene.cluster.create_resource_type(&NewResourceType {
        name: p.resource_type.clone(),
        display_name: display_name.clone(),
        library: p.dll.clone(),
        looks_alive_interval: interval(p.looks_alive_interval, LOOKS_ALIVE),
        is_alive_interval: interval(p.is_alive_interval, IS_ALIVE),
    })?;
    Ok(End::done(format!(
        "The resource type {:?} was registered.",
        p.resource_type
    )))
}

pub(super) fn delete(scene: &Scene<'_>, p: &v1::DeleteResourceTypeParameters) -> Run {
    if !exists(scene, &p.resource_type)? {
        return Ok(End::unchanged(format!("There is no type {:?}.", p.resource_type)));
    }
    scene.foresee("DeleteClusterResourceType", Win32::ERROR_DIR_NOT_EMPTY, || {
        Ok(!scene.cluster.resource_type(&p.resource_type)?.resources()?.is_empty())
    })?;
    scene.begin()?;
    scene.cluster.delete_resource_type(&p.resource_type)?;
    Ok(End::done(format!(
        "The resource type {:?} was removed.",
        p.resource_type
    )))
}
