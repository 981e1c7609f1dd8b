//! Verbs on networks (facts 2.6).

use wsfc_clusapi::{Controlled as _, Network};
use wsfc_proto::v1;

use super::group::set_dwords;
use super::scene::{End, Run, Scene, same};

pub(super) fn rename(scene: &Scene<'_>, p: &v1::RenameNetworkParameters) -> Run {
    let network = scene.cluster.open_network(&p.network)?;
    if network.told_name().is_ok_and(|name| name == p.new_name) {
        return Ok(End::unchanged(format!("The network is named {:?}.", p.new_name)));
    }
    scene.begin()?;
    network.rename(&p.new_name)?;
    Ok(End::done(format!(
        "The network {:?} is named {:?}.",
        p.network, p.new_name
    )))
}

pub(super) fn set_role(scene: &Scene<'_>, p: &v1::SetNetworkRoleParameters) -> Run {
    let network = scene.cluster.open_network(&p.network)?;
    let role = match p.role() {
        // Validated on the way in, so the role is given.
        v1::NetworkRole::None | v1::NetworkRole::Unspecified => 0,
        v1::NetworkRole::Internal => 1,
        v1::NetworkRole::Client => 2,
        v1::NetworkRole::InternalAndClient => 3,
    };
    set_dwords(scene, &network, &[("Role", Some(role))], "The role of the network")
}

pub(super) fn set_metric(scene: &Scene<'_>, p: &v1::SetNetworkMetricParameters) -> Run {
    let network = scene.cluster.open_network(&p.network)?;
    // Setting a metric ends the automatic one; asking for the automatic one lets the cluster choose (facts 2.6).
    let wished: &[(&str, Option<u32>)] = match p.metric {
        Some(metric) => &[("Metric", Some(metric))],
        None => &[("AutoMetric", Some(1))],
    };
    set_dwords(scene, &network, wished, "The metric of the network")
}

pub(super) fn set_priority(scene: &Scene<'_>, p: &v1::SetNetworkPriorityParameters) -> Run {
    let networks: Vec<Network> = p
        .networks
        .iter()
        .map(|name| scene.cluster.open_network(name))
        .collect::<Result<_, _>>()?;
    let has = scene.cluster.networks_by_priority()?;
    let as_wished = has.len() == p.networks.len()
        && has
            .iter()
            .zip(&p.networks)
            .all(|(has, wished)| same(&has.name, wished) || has.id.as_deref().is_some_and(|id| same(id, wished)));
    if as_wished {
        return Ok(End::unchanged("The networks have this order."));
    }
    scene.begin()?;
    scene
        .cluster
        .set_network_priority(&networks.iter().collect::<Vec<_>>())?;
    Ok(End::done(format!(
        "The order of the networks is {}.",
        p.networks.join(", ")
    )))
}
