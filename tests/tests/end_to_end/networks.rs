//! Networks and their interfaces.

use wsfc_client::Reason;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, ChangeType, NetworkInterfaceState, NetworkRole, NetworkState};

use crate::stage::{CLUSTER, Stage, changed};

const CLIENTS: &str = "Client Access";
const HEARTBEAT: &str = "Heartbeat";

async fn network(stage: &Stage, network: &str) -> v1::Network {
    let request = v1::GetNetworkRequest {
        cluster: CLUSTER.into(),
        network: network.into(),
        ..Default::default()
    };
    stage.client.get_network(request).await.unwrap().network.unwrap()
}

fn role(network: &str, role: NetworkRole) -> v1::SetNetworkRoleParameters {
    v1::SetNetworkRoleParameters {
        cluster: CLUSTER.into(),
        network: network.into(),
        role: role.into(),
    }
}

fn metric(network: &str, metric: Option<u32>) -> v1::SetNetworkMetricParameters {
    v1::SetNetworkMetricParameters {
        cluster: CLUSTER.into(),
        network: network.into(),
        metric,
    }
}

#[tokio::test]
async fn a_network_is_renamed() {
    let mut stage = Stage::production().await;
    let id = network(&stage, HEARTBEAT).await.id;
    let rename = |network: &str, new_name: &str| v1::RenameNetworkParameters {
        cluster: CLUSTER.into(),
        network: network.into(),
        new_name: new_name.into(),
    };
    stage.done_once(rename(&id, "Between Nodes")).await;
    let event = stage
        .sees_object(
            "the new name",
            |object| matches!(object, Object::Network(network) if network.name == "Between Nodes"),
        )
        .await;
    assert!(changed(&event, ChangeType::Name), "{event:?}");
    assert_eq!(event.name_before, HEARTBEAT);
    assert_eq!(network(&stage, "between nodes").await.id, id);
    stage
        .not_begun(rename(HEARTBEAT, "Other"), &Reason::ObjectNotFound)
        .await;
    stage.refused(rename(&id, CLIENTS), 5010).await;
    stage.not_begun(rename(&id, ""), &Reason::InvalidField).await;
    stage.finish().await;
}

#[tokio::test]
async fn the_last_internal_network_stays_internal() {
    let mut stage = Stage::production().await;
    assert_eq!(network(&stage, HEARTBEAT).await.role(), NetworkRole::Internal);
    assert_eq!(network(&stage, CLIENTS).await.role(), NetworkRole::InternalAndClient);
    // Addresses of groups depend on it.
    stage.refused(role(CLIENTS, NetworkRole::Internal), 5067).await;
    stage.done_once(role(HEARTBEAT, NetworkRole::None)).await;
    stage
        .sees_object("the role", |object| {
            matches!(object, Object::Network(network)
                if network.name == HEARTBEAT && network.role() == NetworkRole::None)
        })
        .await;
    assert_eq!(network(&stage, HEARTBEAT).await.native_role, 0);
    stage.refused(role(CLIENTS, NetworkRole::None), 5066).await;
    stage.refused(role(CLIENTS, NetworkRole::Client), 87).await;
    stage
        .not_begun(role(CLIENTS, NetworkRole::Unspecified), &Reason::InvalidField)
        .await;
    stage.finish().await;
}

#[tokio::test]
async fn a_metric_is_given_or_left_to_the_cluster() {
    let mut stage = Stage::production().await;
    let before = network(&stage, HEARTBEAT).await;
    assert!(before.auto_metric, "{before:?}");
    stage.done_once(metric(HEARTBEAT, Some(500))).await;
    stage
        .sees_object("the metric", |object| {
            matches!(object, Object::Network(network)
                if network.name == HEARTBEAT && network.metric == 500 && !network.auto_metric)
        })
        .await;
    stage.done_once(metric(HEARTBEAT, None)).await;
    stage
        .sees_object("the metric of the cluster", |object| {
            matches!(object, Object::Network(network)
                if network.name == HEARTBEAT && network.metric == before.metric && network.auto_metric)
        })
        .await;
    stage
        .not_begun(metric("No such network", Some(1)), &Reason::ObjectNotFound)
        .await;
    stage.finish().await;
}

#[tokio::test]
async fn the_order_of_networks_is_set() {
    let stage = Stage::production().await;
    let order = |networks: &[&str]| v1::SetNetworkPriorityParameters {
        cluster: CLUSTER.into(),
        networks: networks.iter().map(|network| (*network).to_owned()).collect(),
    };
    stage.done_once(order(&[HEARTBEAT, CLIENTS])).await;
    stage.done_once(order(&[CLIENTS, HEARTBEAT])).await;
    // Ids are names too.
    let ids = [network(&stage, CLIENTS).await.id, network(&stage, HEARTBEAT).await.id];
    stage.unchanged(order(&[&ids[0], &ids[1]])).await;
    stage.refused(order(&[CLIENTS, "No such network"]), 5045).await;
    stage.not_begun(order(&[]), &Reason::InvalidField).await;
    stage.finish().await;
}

#[tokio::test]
async fn interfaces_are_listed_by_node_and_by_network() {
    let mut stage = Stage::production().await;
    let all = v1::ListNetworkInterfacesRequest {
        cluster: CLUSTER.into(),
        ..Default::default()
    };
    for fresh in [false, true] {
        for (node, network, count) in [("", "", 8), ("HV2", "", 2), ("", "heartbeat", 4), ("hv2", HEARTBEAT, 1)] {
            let request = v1::ListNetworkInterfacesRequest {
                node: node.into(),
                network: network.into(),
                fresh,
                ..all.clone()
            };
            let listed = stage.client.list_network_interfaces(request).await.unwrap();
            assert_eq!(listed.network_interfaces.len(), count, "{node} {network}");
            for interface in listed.network_interfaces {
                assert_eq!(interface.state(), NetworkInterfaceState::Up);
                assert!(
                    !interface.address.is_empty() && !interface.adapter.is_empty(),
                    "{interface:?}"
                );
            }
        }
    }
    let request = v1::ListNetworkInterfacesRequest {
        node: "hv2".into(),
        network: HEARTBEAT.into(),
        ..all
    };
    let listed = stage.client.list_network_interfaces(request).await.unwrap();
    let interface = &listed.network_interfaces[0];
    let get = |network_interface: &str| v1::GetNetworkInterfaceRequest {
        cluster: CLUSTER.into(),
        network_interface: network_interface.into(),
        ..Default::default()
    };
    for name in [&interface.name, &interface.id] {
        let got = stage.client.get_network_interface(get(name)).await.unwrap();
        assert_eq!(got.network_interface.as_ref(), Some(interface));
    }
    let error = stage.client.get_network_interface(get("nowhere")).await.unwrap_err();
    assert_eq!(error.reason(), Some(&Reason::ObjectNotFound));

    // A node's connection breaks: its interface fails.
    let broken = wsfc_simulator::Incident::NetworkDown {
        network: HEARTBEAT.into(),
    };
    stage.daemon.simulation().happen(&broken);
    let name = interface.name.clone();
    stage
        .sees_object("the failed interface", |object| {
            matches!(object, Object::NetworkInterface(interface)
                if interface.name == name && interface.state() != NetworkInterfaceState::Up)
        })
        .await;
    // The network has an event of its own, which may come after those of its interfaces.
    let request = v1::GetNetworkRequest {
        cluster: CLUSTER.into(),
        network: HEARTBEAT.into(),
        fresh: true,
    };
    let down = stage.client.get_network(request).await.unwrap().network.unwrap();
    assert_ne!(down.state(), NetworkState::Up, "{down:?}");
    stage.finish().await;
}
