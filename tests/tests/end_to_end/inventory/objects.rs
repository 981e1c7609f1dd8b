//! One object at a time: by its names, with its details, and as it is at a revision.

use wsfc_client::Reason;
use wsfc_client::v1::{self, NodeState};
use wsfc_simulator::Incident;
use wsfc_tests::verbs::changes;
use wsfc_tests::watching::Follower;
use wsfc_tests::{TestDaemon, world};

use super::{names, not_found, pages, refused, start};

#[tokio::test]
async fn the_cluster_and_its_nodes_are_told() {
    let daemon = start().await;
    let client = daemon.client();
    let state = client
        .get_cluster_state(v1::GetClusterStateRequest::default())
        .await
        .unwrap();
    let cluster = state.cluster.unwrap();
    assert_eq!(cluster.name, "prod");
    assert_eq!(cluster.id.len(), 36, "a GUID: {}", cluster.id);
    assert_eq!(cluster.connection(), v1::ConnectionState::Connected);
    assert!(cluster.has_quorum && !cluster.mixed_versions);
    assert_eq!(cluster.functional_level, 11, "Windows Server 2022");
    assert!(cluster.revision > 0 && cluster.revision <= state.revision);
    assert!(cluster.connection_time.is_some() && !state.store_id.is_empty());

    let nodes = pages(&client, v1::ListNodesRequest::default()).await;
    assert_eq!(
        names(&nodes, |node| &node.name),
        ["hv1", "hv2", "hv3", "hv4"],
        "hv5 is no member"
    );
    for node in &nodes {
        assert_eq!((node.state(), node.native_state), (NodeState::Up, 0), "{node:?}");
        assert!(node.vote_assigned && node.vote_counts, "{node:?}");
        assert_eq!(node.drain_state(), v1::DrainState::NotInitiated, "{node:?}");
        assert!(!node.instance_id.is_empty() && !node.os_version.is_empty(), "{node:?}");
    }
    daemon.finish().await;
}

/// Gets an object by its name, its name in another case, and its id, and not by another one.
macro_rules! assert_gets {
    ($client:expr, $($get:ident($request:ident { $field:ident: $name:expr }) $(by $id:ident)?;)*) => {$(
        let get = async |asked: String| {
            $client.$get(v1::$request { $field: asked, ..Default::default() }).await
        };
        let answer = get($name.to_owned()).await.unwrap();
        assert!(answer.revision > 0);
        let found = answer.$field.unwrap();
        assert_eq!(found.name, $name);
        for spelling in [$name.to_uppercase(), $name.to_lowercase(), $(found.$id.clone(), found.$id.to_uppercase())?] {
            assert_eq!(get(spelling.clone()).await.unwrap().$field.as_ref(), Some(&found), "{spelling}");
        }
        not_found(get(format!("{} not", $name)).await, &format!("{} not", $name));
        refused(get(String::new()).await, Reason::InvalidField);
    )*};
}

#[tokio::test]
async fn objects_are_found_by_name_in_any_case_and_by_id() {
    let daemon = start().await;
    let client = daemon.client();
    assert_gets!(
        client,
        get_node(GetNodeRequest { node: "hv2" }) by id;
        get_group(GetGroupRequest { group: "SQL Server (PROD)" }) by id;
        get_resource(GetResourceRequest { resource: "Files Name" }) by id;
        get_resource_type(GetResourceTypeRequest { resource_type: "Physical Disk" });
        get_network(GetNetworkRequest { network: "Client Access" }) by id;
        get_group_set(GetGroupSetRequest { group_set: "Web Farm" });
        get_affinity_rule(GetAffinityRuleRequest { rule: "Web pair" });
        get_shared_volume(GetSharedVolumeRequest { volume: "Volume A" }) by id;
    );
    let interfaces = pages(&client, v1::ListNetworkInterfacesRequest::default()).await;
    for asked in [interfaces[3].name.to_uppercase(), interfaces[3].id.clone()] {
        let request = v1::GetNetworkInterfaceRequest {
            network_interface: asked,
            ..Default::default()
        };
        let found = client.get_network_interface(request).await.unwrap();
        assert_eq!(found.network_interface.as_ref(), Some(&interfaces[3]));
    }
    daemon.finish().await;
}

#[tokio::test]
async fn details_are_read_from_the_cluster() {
    let daemon = start().await;
    let client = daemon.client();
    let group = client
        .get_group(v1::GetGroupRequest {
            group: "files".into(),
            details: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let details = group.details.unwrap();
    assert_eq!(details.preferred_owners, ["hv3", "hv4"]);
    assert_eq!(
        names(&details.resources, |resource| &resource.name),
        ["Files Address", "Files Disk", "Files Name", "Files Server"]
    );
    let resource = client
        .get_resource(v1::GetResourceRequest {
            resource: "SQL Server".into(),
            details: true,
            ..Default::default()
        })
        .await
        .unwrap();
    let mut details = resource.details.unwrap();
    details.dependencies.sort();
    assert_eq!(details.dependencies, ["SQL Data", "SQL Log", "SQL Name"]);
    assert_eq!(details.dependents, ["SQL Server Agent"]);
    assert_eq!(details.possible_owners, ["hv1", "hv2"]);
    assert!(details.dependency_expression.contains(" and "), "{details:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn what_was_deleted_after_it_was_listed_is_not_found() {
    let daemon = start().await;
    let client = daemon.client();
    let listed = pages(&client, v1::ListGroupsRequest::default()).await;
    let reports = listed.iter().find(|group| group.name == "Old Reports").unwrap();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    changes(
        &client,
        v1::DeleteGroupParameters {
            group: reports.id.clone(),
            with_resources: true,
            ..Default::default()
        },
    )
    .await;
    follower
        .until_cache("the group to go", |cache| {
            cache.find(v1::ObjectKind::Group, &reports.id).is_none()
        })
        .await;
    for fresh in [false, true] {
        for asked in [&reports.id, &reports.name] {
            let request = v1::GetGroupRequest {
                group: asked.clone(),
                details: true,
                fresh,
                ..Default::default()
            };
            not_found(client.get_group(request).await, asked);
        }
        let request = v1::GetResourceRequest {
            resource: "Reports".into(),
            fresh,
            ..Default::default()
        };
        not_found(client.get_resource(request).await, "Reports");
    }
    daemon.finish().await;
}

#[tokio::test]
async fn the_revision_of_answers_rises_with_what_changes() {
    let daemon = start().await;
    let client = daemon.client();
    let get = async |group: &str| {
        let request = v1::GetGroupRequest {
            group: group.into(),
            fresh: true,
            ..Default::default()
        };
        client.get_group(request).await.unwrap()
    };
    let (files, other) = (get("Files").await, get("DC1").await);
    let mut last = files.group.unwrap().revision;
    for node in ["hv4", "hv1", "hv3"] {
        changes(
            &client,
            v1::MoveGroupParameters {
                group: "Files".into(),
                node: node.into(),
                ..Default::default()
            },
        )
        .await;
        let answer = get("Files").await;
        assert_eq!(answer.store_id, files.store_id);
        let moved = answer.group.unwrap();
        assert_eq!(moved.owner_node, node);
        assert!(moved.revision > last && moved.revision <= answer.revision, "{moved:?}");
        last = moved.revision;
    }
    assert_eq!(get("DC1").await.group, other.group, "what did not change is as it was");
    daemon.finish().await;
}

#[tokio::test]
async fn fresh_reads_the_cluster_also_where_nobody_observes_it() {
    for observed in [false, true] {
        let builder = TestDaemon::builder(world::production());
        let builder = if observed { builder.observing() } else { builder };
        let daemon = builder.start().await;
        let client = daemon.client();
        let owner = async |fresh: bool| {
            let request = v1::GetGroupRequest {
                group: "Files".into(),
                fresh,
                ..Default::default()
            };
            client.get_group(request).await.unwrap().group.unwrap().owner_node
        };
        assert_eq!(owner(false).await, "hv3");
        let killed = Incident::KillMachine { machine: "hv3".into() };
        daemon.simulation().happen(&killed);
        // The next read has it, without waiting for a notification.
        assert_eq!(owner(true).await, "hv4", "observed: {observed}");
        let request = v1::GetNodeRequest {
            node: "hv3".into(),
            fresh: true,
            ..Default::default()
        };
        let node = client.get_node(request).await.unwrap().node.unwrap();
        assert_eq!((node.state(), node.native_state), (NodeState::Down, 1));
        daemon.finish().await;
    }
}
