//! Who may call what: every method of the contract without an identity, with every role but the right one, and with that;
//! and callers who have rights on one cluster alone.

use std::collections::BTreeSet;

use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use wsfc_client::v1::event_service_client::EventServiceClient;
use wsfc_client::{Client, Error, Reason, WatchItem, v1};
use wsfc_proto::methods;
use wsfc_proto::v1::Permission;
use wsfc_tests::records::{assert_succeeded, soon, to_the_end};
use wsfc_tests::{TestDaemon, call, request, world};
use wsfcd::access::policy::{ADMINISTRATOR, Binding, OPERATOR};
use wsfcd::settings::Settings;
use wsfcd::settings::access::Role;

/// Calls a method with an empty request, and gives the error that it answers with, if it does.
async fn call(channel: Channel, path: &str) -> Option<Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    let calling = async {
        grpc.ready().await.unwrap();
        let path = PathAndQuery::try_from(path).unwrap();
        let answer = grpc.streaming(
            Request::new(tokio_stream::once(())),
            path,
            ProstCodec::<(), ()>::default(),
        );
        match answer.await {
            Ok(mut answer) => answer.get_mut().message().await.err(),
            Err(status) => Some(status),
        }
    };
    soon("an answer", calling).await
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(String::new, |info| info.reason)
}

/// The permissions that methods of the contract ask for, but for those that any identity has.
fn asked_for() -> BTreeSet<Permission> {
    let all = methods::ALL.iter().map(|method| method.permission);
    all.filter(|permission| !matches!(permission, Permission::Public | Permission::Authenticated))
        .collect()
}

fn bind(settings: &mut Settings, name: &str, role: &str, clusters: Option<&[&str]>) {
    settings.access.bindings.push(Binding {
        subject: format!("dns:{name}"),
        role: role.into(),
        clusters: clusters.map(|names| names.iter().map(ToString::to_string).collect()),
    });
}

/// For each permission a role with nothing else and one with everything else, each with its holder.
fn one_and_all_others(settings: &mut Settings) {
    for permission in asked_for() {
        let (one, others): (Vec<_>, Vec<_>) = asked_for()
            .iter()
            .map(|other| other.name())
            .partition(|name| *name == permission.name());
        for (kind, permissions) in [("only", one), ("without", others)] {
            let name = format!("{kind}-{}", permission.name().replace('_', "-"));
            settings.access.roles.insert(name.clone(), Role { permissions });
            bind(settings, &name, &name, None);
        }
    }
}

#[tokio::test]
async fn every_method_is_for_those_who_have_its_permission_and_nobody_else() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(one_and_all_others)
        .start()
        .await;
    let nobody = daemon.channel_of("nobody.test").await;
    for permission in asked_for() {
        let name = permission.name().replace('_', "-");
        let only = daemon.channel_of(&format!("only-{name}")).await;
        let without = daemon.channel_of(&format!("without-{name}")).await;
        for method in methods::ALL.iter().filter(|method| method.permission == permission) {
            for weak in [&nobody, &without] {
                let refused = call(weak.clone(), method.path)
                    .await
                    .unwrap_or_else(|| panic!("{} is open", method.path));
                assert_eq!(refused.code(), Code::PermissionDenied, "{}: {refused:?}", method.path);
                let info = refused.get_details_error_info().unwrap();
                assert_eq!(info.reason, "PERMISSION_MISSING", "{}", method.path);
                assert_eq!(
                    info.metadata.get("permission"),
                    Some(&permission.name()),
                    "{}",
                    method.path
                );
            }
            // Allowed, it may still find much to say about an empty request.
            let allowed = call(only.clone(), method.path).await;
            let turned_away = allowed
                .filter(|status| ["PERMISSION_MISSING", "CREDENTIALS_REQUIRED"].contains(&reason(status).as_str()));
            assert!(turned_away.is_none(), "{}: {turned_away:?}", method.path);
        }
    }
    for method in methods::ALL
        .iter()
        .filter(|method| method.permission == Permission::Authenticated)
    {
        let answer = call(nobody.clone(), method.path).await;
        assert!(
            answer.is_none_or(|status| reason(&status) != "PERMISSION_MISSING"),
            "{}",
            method.path
        );
    }
    daemon.finish().await;
}

#[tokio::test]
async fn who_shows_nothing_gets_nothing() {
    let daemon = TestDaemon::builder(world::machines(1))
        .plain()
        .settings(|settings| settings.access.loopback_role = None)
        .start()
        .await;
    let stranger = daemon.channel().await;
    let contract = methods::ALL
        .iter()
        .filter(|method| method.permission != Permission::Public)
        .map(|method| method.path);
    let beside = [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/wsfc.v1.Nothing/Nothing",
        "/x/y",
    ];
    for path in contract.chain(beside) {
        let refused = call(stranger.clone(), path)
            .await
            .unwrap_or_else(|| panic!("{path} is open"));
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::Unauthenticated, "CREDENTIALS_REQUIRED"),
            "{path}"
        );
    }
    // Whether the daemon serves is for whoever balances load.
    assert!(call(stranger, "/grpc.health.v1.Health/Check").await.is_none());
    daemon.finish().await;
}

#[tokio::test]
async fn a_path_that_is_almost_one_is_none() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| bind(settings, "viewer.test", "viewer", None))
        .start()
        .await;
    let viewer = daemon.channel_of("viewer.test").await;
    let path = "/wsfc.v1.ClusterService/DestroyCluster";
    for almost in [
        path.to_lowercase(),
        path.to_uppercase(),
        format!("{path}%20"),
        format!("{path}/"),
        format!("/{path}"),
        format!("{path}?"),
        path.replace("Destroy", "D%65stroy"),
        path.replace("wsfc", "x/../wsfc"),
    ] {
        let refused = call(viewer.clone(), &almost)
            .await
            .unwrap_or_else(|| panic!("{almost} is open"));
        assert!(
            matches!(refused.code(), Code::Unimplemented | Code::PermissionDenied),
            "{almost}: {refused:?}"
        );
    }
    daemon.finish().await;
}

/// A daemon with the clusters CL1 on n1 and CL2 on n2, whose operator of CL1 is `one.test`.
async fn two_clusters() -> TestDaemon {
    let daemon = TestDaemon::builder(world::machines(2))
        .observing()
        .settings(|settings| {
            bind(settings, "one.test", OPERATOR, Some(&["cl1"]));
            bind(settings, "setup.test", ADMINISTRATOR, Some(&["CL1"]));
        })
        .start()
        .await;
    for (cluster, node, address) in [("CL1", "n1", "10.0.0.111"), ("CL2", "n2", "10.0.0.112")] {
        let asked = request::create_cluster_at(cluster, &[node], &[(address, 24)]);
        assert_succeeded(&to_the_end(&daemon.client().create_cluster(asked).await.unwrap()).await);
    }
    daemon
}

fn denied<T: std::fmt::Debug>(answer: Result<T, Error>) {
    match answer {
        Err(Error::Rejected { rejection, .. }) if rejection.reason == Reason::PermissionMissing => {}
        other => panic!("{other:?}"),
    }
}

/// Reads the state of a cluster, by which the daemon knows it from then on.
async fn state(client: &Client, cluster: &str) {
    let state = v1::GetClusterStateRequest {
        cluster: cluster.into(),
        ..Default::default()
    };
    client.get_cluster_state(state).await.unwrap();
}

async fn operations(client: &Client) -> Vec<v1::Operation> {
    client
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap()
        .operations
}

#[tokio::test]
async fn a_caller_of_one_cluster_sees_and_changes_no_other() {
    let daemon = two_clusters().await;
    let (all, one) = (daemon.client(), daemon.client_of("one.test"));
    for name in ["CL1", "cl1"] {
        assert_eq!(one.get_cluster(name).await.unwrap().name, "CL1");
    }
    // The daemon asks nobody on behalf of whoever may ask one cluster alone; what it knows, it knows for all.
    denied(one.get_cluster("10.0.0.111").await);
    state(&all, "10.0.0.111").await;
    assert_eq!(one.get_cluster("10.0.0.111").await.unwrap().name, "CL1");
    for name in [
        "CL2",
        "cl2",
        "CL2 ",
        "10.0.0.112",
        "n2",
        "nothing",
        "CL1.attacker.example",
    ] {
        denied(one.get_cluster(name).await);
    }
    denied(one.get_host_state("n2").await);
    denied(one.add_node(request::add_node("CL2", "n1")).await);
    denied(
        daemon
            .client_of("setup.test")
            .destroy_cluster(request::destroy_cluster("CL2"))
            .await,
    );

    // What is about several clusters leaves the other out.
    assert_eq!(all.list_clusters().await.unwrap().clusters.len(), 2);
    let listed = one.list_clusters().await.unwrap();
    let names: Vec<_> = listed.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!((names, listed.unreachable.len()), (vec!["CL1"], 0));
    let (every, own) = (operations(&all).await, operations(&one).await);
    assert_eq!((every.len(), own.len()), (2, 1));
    assert_eq!(own[0].cluster, "CL1");
    let other = every.iter().find(|operation| operation.cluster == "CL2").unwrap();
    let hidden = one.operation(&other.operation_id).get().await;
    assert!(
        matches!(&hidden, Err(Error::Rejected { rejection, .. }) if rejection.reason == Reason::OperationNotFound),
        "{hidden:?}"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_name_that_leads_to_another_cluster_by_now_gives_no_rights_there() {
    let daemon = TestDaemon::builder(world::machines(3))
        .observing()
        .settings(|settings| bind(settings, "one.test", OPERATOR, Some(&["CL1"])))
        .start()
        .await;
    let (all, one) = (daemon.client(), daemon.client_of("one.test"));
    let created = [("CL1", &["n1", "n2"][..], "10.0.0.111"), ("CL2", &["n3"], "10.0.0.112")];
    for (cluster, nodes, address) in created {
        let asked = request::create_cluster_at(cluster, nodes, &[(address, 24)]);
        assert_succeeded(&to_the_end(&all.create_cluster(asked).await.unwrap()).await);
    }
    // The daemon knows n2 as a name of CL1, and then it goes to CL2.
    state(&all, "n2").await;
    assert_eq!(one.get_cluster("n2").await.unwrap().name, "CL1");
    let evicted = all.evict_node(request::evict_node("CL1", "n2")).await.unwrap();
    assert_succeeded(&to_the_end(&evicted).await);
    let added = all.add_node(request::add_node("CL2", "n2")).await.unwrap();
    assert_succeeded(&to_the_end(&added).await);
    assert_eq!(all.get_cluster("n2").await.unwrap().name, "CL2");
    denied(one.get_cluster("n2").await);
    let offline = call!(OfflineGroupParameters {
        cluster: "n2",
        group: "Cluster Group"
    });
    denied(one.offline_group(offline).await);
    assert_eq!(operations(&one).await.len(), 2, "those of CL1");
    daemon.finish().await;
}

#[tokio::test]
async fn a_watcher_of_one_cluster_is_told_of_no_other() {
    let daemon = two_clusters().await;
    let (all, one) = (daemon.client(), daemon.client_of("one.test"));
    for name in ["CL1", "CL2"] {
        state(&all, name).await;
    }
    let request = v1::WatchRequest {
        snapshot: true,
        snapshot_only: true,
        operations: true,
        ..Default::default()
    };
    let clusters = async |client: &Client| {
        let mut watch = client.watch(request.clone());
        let mut ids = BTreeSet::new();
        while let Some(item) = soon("the snapshot", watch.next()).await {
            if let WatchItem::Snapshot(object) = item.unwrap() {
                ids.insert(object.cluster_id.clone());
            }
        }
        ids.len()
    };
    assert_eq!((clusters(&all).await, clusters(&one).await), (2, 1));
    let from_the_start = v1::WatchRequest {
        after_revision: Some(0),
        operations: true,
        ..Default::default()
    };
    let mut watch = one.watch(from_the_start);
    let own = operations(&one).await.remove(0).operation_id;
    let head = all
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap()
        .revision;
    let mut told = 0;
    loop {
        match soon("an event", watch.next()).await.unwrap().unwrap() {
            WatchItem::Event(event) => {
                let cluster = match &event.event {
                    Some(v1::event::Event::Cluster(change)) => change.cluster.clone(),
                    Some(v1::event::Event::Operation(record)) if record.operation_id == own => "CL1".into(),
                    _ => String::new(),
                };
                assert!(cluster.eq_ignore_ascii_case("CL1"), "{event:?}");
                told += 1;
            }
            WatchItem::Mark { revision } if revision >= head => break,
            _ => {}
        }
    }
    assert!(told > 0);
    denied(
        soon(
            "the refusal",
            one.watch(v1::WatchRequest {
                cluster: "CL2".into(),
                ..Default::default()
            })
            .next(),
        )
        .await
        .unwrap(),
    );
    daemon.finish().await;
}

#[tokio::test]
async fn another_callers_request_id_reveals_nothing() {
    let daemon = two_clusters().await;
    let mut asked = request::add_node("CL1", "n1");
    asked.options = Some(request::with_id("0b5f6a54-7d8e-4b52-8f3a-2c1d9e0f4a11"));
    let first = daemon.client().add_node(asked.clone()).await.unwrap();
    to_the_end(&first).await;
    let second = daemon.client_of("setup.test").add_node(asked.clone()).await.unwrap();
    to_the_end(&second).await;
    assert_ne!(first.id(), second.id());
    denied(daemon.client_of("one.test").add_node(asked).await);
    daemon.finish().await;
}

#[tokio::test]
async fn who_may_not_start_an_operation_may_not_cancel_it() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| bind(settings, "operator.test", OPERATOR, None))
        .start()
        .await;
    let hold = wsfc_simulator::Point::phase("CreateCluster", v1::SetupPhase::FormingCluster.into());
    daemon.simulation().hold(hold);
    let created = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let operator = daemon.client_of("operator.test");
    denied(operator.operation(created.id()).cancel().await);
    daemon.simulation().release_all();
    to_the_end(&created).await;
    daemon.finish().await;
}

#[tokio::test]
async fn who_is_refused_often_keeps_the_connection() {
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| bind(settings, "viewer.test", "viewer", None))
        .start()
        .await;
    let viewer = daemon.channel_of("viewer.test").await;
    let watching = EventServiceClient::new(viewer.clone())
        .watch(v1::WatchRequest::default())
        .await;
    let mut watching = watching.unwrap().into_inner();
    soon("the first mark", watching.message()).await.unwrap().unwrap();
    for _ in 0..300 {
        let refused = call(viewer.clone(), "/wsfc.v1.GroupService/MoveGroup").await.unwrap();
        assert_eq!(reason(&refused), "PERMISSION_MISSING", "{refused:?}");
    }
    // The stream is the one that was opened, since nothing opens it again.
    let created = daemon
        .client()
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    to_the_end(&created).await;
    soon("a message", watching.message()).await.unwrap().unwrap();
    daemon.finish().await;
}
