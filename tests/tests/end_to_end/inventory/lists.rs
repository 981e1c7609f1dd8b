//! Lists of every kind: whole, in pages, and filtered.

use std::collections::BTreeSet;

use wsfc_client::v1::{self, GroupState, GroupType, NodeState, ResourceState};
use wsfc_client::{ListRequest, Reason};
use wsfc_tests::verbs::changes;

use wsfc_tests::watching::Follower;
use wsfc_tests::{TestDaemon, world};

use super::{names, pages, refused, start};

#[tokio::test]
async fn every_kind_is_listed_whole() {
    let daemon = start().await;
    let client = daemon.client();

    let groups = pages(&client, v1::ListGroupsRequest::default()).await;
    let group = |name: &str| groups.iter().find(|group| group.name == name).unwrap();
    let roles = ["DC1", "DC2", "Files", "Old Reports", "SQL Server (PROD)"];
    let wanted: BTreeSet<_> = roles
        .into_iter()
        .chain(["Cluster Group", "Available Storage"])
        .map(String::from)
        .chain((1..=12).map(|number| format!("Web{number}")))
        .collect();
    let listed: BTreeSet<_> = groups
        .iter()
        .filter(|group| group.r#type != i32::from(GroupType::SharedVolume))
        .map(|group| group.name.clone())
        .collect();
    assert_eq!(listed, wanted);
    let files = group("Files");
    assert_eq!((files.state(), files.native_state), (GroupState::Online, 0));
    assert_eq!((files.owner_node.as_str(), files.r#type), ("hv3", 100));
    assert!(!files.core && files.persistent_online);
    assert_eq!(group("SQL Server (PROD)").priority, 3_000);
    assert_eq!(group("Old Reports").state(), GroupState::Offline);
    assert!(!group("Old Reports").persistent_online);
    assert!(group("Cluster Group").core);

    let resources = pages(&client, v1::ListResourcesRequest::default()).await;
    let resource = |name: &str| resources.iter().find(|resource| resource.name == name).unwrap();
    let of_roles = resources
        .iter()
        .filter(|resource| wanted.contains(&resource.group) && !group(&resource.group).core)
        .count();
    assert_eq!(of_roles, 4 + 6 + 2 + 2 + 1 + 24, "{resources:?}");
    let server = resource("SQL Server");
    assert_eq!((server.state(), server.native_state), (ResourceState::Online, 2));
    assert_eq!(server.r#type, "Generic Service");
    assert_eq!(
        (server.group.as_str(), &server.group_id),
        ("SQL Server (PROD)", &group("SQL Server (PROD)").id)
    );
    assert_eq!(server.owner_node, "hv1");
    assert_eq!(resource("Reports").state(), ResourceState::Offline);
    assert!(resource("Cluster Name").core);
    let ids: BTreeSet<_> = resources.iter().map(|resource| &resource.id).collect();
    assert_eq!(ids.len(), resources.len());

    let types = pages(&client, v1::ListResourceTypesRequest::default()).await;
    let service = types.iter().find(|kind| kind.name == "Generic Service").unwrap();
    assert!(
        !service.dll.is_empty() && service.is_alive_interval_ms > 0,
        "{service:?}"
    );

    let networks = pages(&client, v1::ListNetworksRequest::default()).await;
    assert_eq!(
        names(&networks, |network| &network.name),
        ["Client Access", "Heartbeat"]
    );
    assert_eq!(networks[0].state(), v1::NetworkState::Up);
    assert_eq!(networks[0].role(), v1::NetworkRole::InternalAndClient);
    assert_eq!(networks[1].role(), v1::NetworkRole::Internal);
    assert_eq!(
        (networks[0].address.as_str(), networks[0].address_mask.as_str()),
        ("10.20.0.0", "255.255.255.0")
    );

    let interfaces = pages(&client, v1::ListNetworkInterfacesRequest::default()).await;
    assert_eq!(interfaces.len(), 8, "each node on each network");
    assert!(
        interfaces
            .iter()
            .all(|interface| interface.state() == v1::NetworkInterfaceState::Up && !interface.address.is_empty()),
        "{interfaces:?}"
    );

    let sets = pages(&client, v1::ListGroupSetsRequest::default()).await;
    assert_eq!(names(&sets, |set| &set.name), ["Directory", "Web Farm"]);
    assert_eq!(sets[0].groups, ["DC1", "DC2"]);
    assert_eq!((sets[0].startup_setting, sets[0].startup_delay_seconds), (2, 30));
    assert_eq!(sets[1].provider_sets, ["Directory"]);

    let rules = pages(&client, v1::ListAffinityRulesRequest::default()).await;
    assert_eq!(names(&rules, |rule| &rule.name), ["Directory apart", "Web pair"]);
    assert_eq!(rules[0].r#type(), v1::AffinityRuleType::DifferentNode);
    assert_eq!(rules[0].groups, ["DC1", "DC2"]);

    let volumes = pages(&client, v1::ListSharedVolumesRequest::default()).await;
    assert_eq!(names(&volumes, |volume| &volume.name), ["Volume A", "Volume B"]);
    assert_eq!(volumes[0].state(), ResourceState::Online);
    assert_eq!(volumes[0].nodes.len(), 4);

    let quorum = client.get_quorum(v1::GetQuorumRequest::default()).await.unwrap();
    let quorum = quorum.quorum.unwrap();
    assert_eq!(quorum.r#type(), v1::QuorumType::DiskWitness);
    assert_eq!(
        (quorum.witness.as_str(), quorum.witness_type.as_str()),
        ("Quorum", "Physical Disk")
    );
    assert_eq!(quorum.witness_state(), ResourceState::Online);
    assert_eq!(quorum.votes.len(), 4);

    let disks = client
        .list_available_disks(v1::ListAvailableDisksRequest::default())
        .await
        .unwrap()
        .disks;
    assert_eq!(
        disks.len(),
        1,
        "only the disk that is not in the cluster yet: {disks:?}"
    );
    daemon.finish().await;
}

/// Every list over pages of one and of three holds what one page holds, in its order.
macro_rules! assert_pages {
    ($client:expr, $($request:ident)*) => {$(
        let whole = pages($client, v1::$request::default()).await;
        assert!(!whole.is_empty());
        for page_size in [1, 3] {
            let request = v1::$request { page_size, ..Default::default() };
            let first = request.clone().ask($client.clone()).await.unwrap();
            let full = usize::try_from(page_size).unwrap();
            assert_eq!(first.items.len(), full.min(whole.len()), "{}", stringify!($request));
            assert_eq!(pages($client, request).await, whole, "{} by {page_size}", stringify!($request));
        }
    )*};
}

#[tokio::test]
async fn pages_are_the_list_in_pieces() {
    let daemon = start().await;
    let client = daemon.client();
    assert_pages!(
        &client,
        ListNodesRequest ListGroupsRequest ListResourcesRequest ListResourceTypesRequest ListNetworksRequest
        ListNetworkInterfacesRequest ListGroupSetsRequest ListAffinityRulesRequest ListSharedVolumesRequest
    );
    let groups = pages(&client, v1::ListGroupsRequest::default()).await;
    let mut sorted = names(&groups, |group| &group.name);
    sorted.sort_by_key(|name| name.to_lowercase());
    assert_eq!(
        names(&groups, |group| &group.name),
        sorted,
        "ordered by name without case"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn filters_narrow_lists_over_all_pages() {
    let daemon = start().await;
    let client = daemon.client();
    let all = pages(&client, v1::ListGroupsRequest::default()).await;
    let groups = async |request: v1::ListGroupsRequest| {
        let request = v1::ListGroupsRequest {
            page_size: 2,
            ..request
        };
        pages(&client, request).await
    };
    let those =
        |admits: &dyn Fn(&v1::Group) -> bool| -> Vec<_> { all.iter().filter(|group| admits(group)).cloned().collect() };

    let found = groups(v1::ListGroupsRequest {
        name_contains: "wEB1".into(),
        ..Default::default()
    });
    assert_eq!(
        names(&found.await, |group| &group.name),
        ["Web1", "Web10", "Web11", "Web12"]
    );
    let found = groups(v1::ListGroupsRequest {
        owner_node: "HV1".into(),
        ..Default::default()
    })
    .await;
    assert!(found.len() > 2);
    assert_eq!(found, those(&|group| group.owner_node == "hv1"));
    let found = groups(v1::ListGroupsRequest {
        states: vec![GroupState::Offline.into(), GroupState::Failed.into()],
        ..Default::default()
    })
    .await;
    assert_eq!(found, those(&|group| group.state() == GroupState::Offline));
    assert!(found.iter().any(|group| group.name == "Old Reports"));
    let found = groups(v1::ListGroupsRequest {
        types: vec![GroupType::VirtualMachine.into()],
        name_contains: "dc".into(),
        owner_node: "hv3".into(),
        states: vec![GroupState::Online.into()],
        ..Default::default()
    });
    assert_eq!(names(&found.await, |group| &group.name), ["DC2"], "all filters hold");
    let found = groups(v1::ListGroupsRequest {
        types: vec![4_711],
        ..Default::default()
    });
    assert!(
        found.await.is_empty(),
        "a type without a name here is none that is wrong"
    );

    let files = all.iter().find(|group| group.name == "Files").unwrap();
    for group in ["files", files.id.to_uppercase().as_str()] {
        let found = pages(
            &client,
            v1::ListResourcesRequest {
                group: group.into(),
                page_size: 1,
                ..Default::default()
            },
        );
        assert_eq!(
            names(&found.await, |resource| &resource.name),
            ["Files Address", "Files Disk", "Files Name", "Files Server"],
            "{group}"
        );
    }
    let found = pages(
        &client,
        v1::ListResourcesRequest {
            r#type: "physical disk".into(),
            name_contains: "sql".into(),
            owner_node: "hv1".into(),
            states: vec![ResourceState::Online.into()],
            ..Default::default()
        },
    );
    assert_eq!(names(&found.await, |resource| &resource.name), ["SQL Data", "SQL Log"]);
    let found = pages(
        &client,
        v1::ListNetworkInterfacesRequest {
            node: "HV2".into(),
            network: "heartbeat".into(),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].node.as_str(), found[0].network.as_str()),
        ("hv2", "Heartbeat")
    );
    let found = pages(
        &client,
        v1::ListNodesRequest {
            states: vec![NodeState::Down.into()],
            ..Default::default()
        },
    );
    assert!(found.await.is_empty());
    daemon.finish().await;
}

#[tokio::test]
async fn a_page_token_is_of_use_only_where_it_was_given() {
    let daemon = start().await;
    let client = daemon.client();
    let request = v1::ListGroupsRequest {
        page_size: 2,
        ..Default::default()
    };
    let first = client.list_groups(request.clone()).await.unwrap();
    let token = first.next_page_token.clone();
    assert!(!token.is_empty());
    // The size of pages, and whether they are fresh, may change on the way.
    let rest = client
        .list_groups(v1::ListGroupsRequest {
            page_size: 1_000_000,
            fresh: true,
            page_token: token.clone(),
            ..Default::default()
        })
        .await
        .unwrap();
    assert!(rest.next_page_token.is_empty() && !rest.groups.is_empty());

    let with = |change: &dyn Fn(&mut v1::ListGroupsRequest)| {
        let mut changed = v1::ListGroupsRequest {
            page_token: token.clone(),
            ..request.clone()
        };
        change(&mut changed);
        changed
    };
    for misused in [
        with(&|request| request.name_contains = "Web".into()),
        with(&|request| request.owner_node = "hv1".into()),
        with(&|request| request.states.push(GroupState::Online.into())),
        with(&|request| request.types.push(GroupType::FileServer.into())),
        with(&|request| request.page_token.push('A')),
        with(&|request| request.page_token.truncate(8)),
        with(&|request| request.page_token = "\u{1F980}".into()),
        with(&|request| request.page_token = "A".repeat(10_000)),
    ] {
        refused(client.list_groups(misused).await, Reason::PageTokenInvalid);
    }
    let of_resources = v1::ListResourcesRequest {
        page_token: token.clone(),
        ..Default::default()
    };
    // Nor is it one of another list.
    refused(client.list_resources(of_resources).await, Reason::PageTokenInvalid);
    refused(
        client.list_groups(with(&|request| request.page_size = -1)).await,
        Reason::InvalidField,
    );
    refused(
        client.list_groups(with(&|request| request.states = vec![99])).await,
        Reason::InvalidField,
    );
    daemon.finish().await;
}

#[tokio::test]
async fn pages_go_on_where_they_were_when_objects_come_and_go() {
    let daemon = start().await;
    let client = daemon.client();
    let request = v1::ListGroupsRequest {
        page_size: 1,
        name_contains: "Web".into(),
        ..Default::default()
    };
    let first = client.list_groups(request.clone()).await.unwrap();
    assert_eq!(first.groups[0].name, "Web1");
    // The last of the page goes, and one comes that belongs before the next.
    changes(
        &client,
        v1::DeleteGroupParameters {
            group: "Web1".into(),
            with_resources: true,
            ..Default::default()
        },
    )
    .await;
    changes(
        &client,
        v1::CreateGroupParameters {
            group: "Web1 again".into(),
            ..Default::default()
        },
    )
    .await;
    let second = client
        .list_groups(v1::ListGroupsRequest {
            page_token: first.next_page_token,
            fresh: true,
            ..request
        })
        .await
        .unwrap();
    assert_eq!(second.groups[0].name, "Web1 again");
    assert!(second.revision > first.revision);
    daemon.finish().await;
}

/// The enumerations that tell groups and resources with their properties at once, and ids beside names (facts 2.1).
const AT_ONCE: [&str; 4] = [
    "ClusterOpenEnumEx",
    "ClusterNodeOpenEnumEx",
    "ClusterGroupOpenEnumEx",
    "ClusterResourceOpenEnumEx",
];

#[tokio::test]
async fn a_windows_without_the_newer_enumerations_tells_the_same() {
    let mut told = Vec::new();
    for absent in [&[][..], &AT_ONCE] {
        let mut scenario = world::production();
        scenario.functions_absent = absent.iter().map(|&name| name.to_owned()).collect();
        let builder = TestDaemon::builder(scenario).observing();
        let Some(builder) = builder.in_process("a library cannot hide functions that it exports") else {
            return;
        };
        let daemon = builder.start().await;
        let client = daemon.client();
        let mut follower = Follower::of_cluster(&client, "prod").await;
        let mut groups = pages(&client, v1::ListGroupsRequest::default()).await;
        groups.iter_mut().for_each(|group| group.revision = 0);
        let mut resources = pages(&client, v1::ListResourcesRequest::default()).await;
        resources.iter_mut().for_each(|resource| resource.revision = 0);
        let mut nodes = pages(&client, v1::ListNodesRequest::default()).await;
        nodes.iter_mut().for_each(|node| node.revision = 0);
        for name in absent {
            assert_eq!(daemon.simulation().calls(name), 0, "{name}");
        }
        told.push((nodes, groups, resources));
        // And it is kept current.
        let files = v1::MoveGroupParameters {
            group: "Files".into(),
            node: "hv4".into(),
            ..Default::default()
        };
        changes(&client, files).await;
        follower
            .until_cache("the move", |cache| {
                let held = cache
                    .find(v1::ObjectKind::Group, "Files")
                    .and_then(|held| held.object.clone());
                matches!(held, Some(v1::inventory_object::Object::Group(group)) if group.owner_node == "hv4")
            })
            .await;
        daemon.finish().await;
    }
    assert_eq!(told[0], told[1]);
}
