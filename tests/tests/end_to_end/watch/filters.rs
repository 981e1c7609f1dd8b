//! What passes a filter, and the records of operations among the events.

use wsfc_client::object;
use wsfc_client::v1::{self, ChangeType, InventoryObject, ObjectKind, WatchFilter};
use wsfc_simulator::Incident;
use wsfc_tests::records::outcome_of;
use wsfc_tests::verbs::changes;
use wsfc_tests::watching::{Follower, after, change, filtered, is, record, revision};

use super::{move_to, now, start, up_to};

#[tokio::test]
async fn filters_let_pass_what_they_name() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    changes(&client, move_to("Files", "hv4")).await;
    let rename = v1::RenameGroupParameters {
        group: "DC1".into(),
        new_name: "Directory 1".into(),
        ..Default::default()
    };
    changes(&client, rename).await;
    changes(&client, move_to("Directory 1", "hv2")).await;
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: "hv3".into() });
    let (last, _) = now(&client).await;
    let whole = up_to(&client, after(begin, ""), last).await;
    let whole: Vec<_> = whole.iter().filter_map(change).cloned().collect();
    let filtered_events = async |filter: WatchFilter| -> Vec<v1::ClusterEvent> {
        let events = up_to(&client, filtered(begin, filter), last).await;
        events.iter().filter_map(change).cloned().collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let those = |admits: &dyn Fn(&v1::ClusterEvent, &InventoryObject) -> bool| -> Vec<v1::ClusterEvent> {
        let fits = |event: &&v1::ClusterEvent| event.object.as_ref().is_some_and(|object| admits(event, object));
        let found: Vec<_> = whole.iter().filter(fits).cloned().collect();
        assert!(
            !found.is_empty() && found.len() < whole.len(),
            "the filter has something to do"
        );
        found
    };

    let kinds = [ObjectKind::Node, ObjectKind::Quorum];
    let filter = WatchFilter {
        kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
        ..Default::default()
    };
    let wanted = those(&|_, object| kinds.contains(&object::kind(object)));
    assert_eq!(filtered_events(filter).await, wanted);

    let filter = WatchFilter {
        changes: vec![ChangeType::Owner.into()],
        ..Default::default()
    };
    assert_eq!(
        filtered_events(filter).await,
        those(&|event, _| is(event, ChangeType::Owner))
    );

    // Under its new name, and under the former one only as long as that was its name.
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["DIRECTORY 1"]),
        ..Default::default()
    };
    let wanted = those(&|_, object| object::kind(object) == ObjectKind::Group && object::name(object) == "Directory 1");
    assert_eq!(filtered_events(filter).await, wanted);
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["dc1"]),
        ..Default::default()
    };
    let former = filtered_events(filter).await;
    assert_eq!(former.len(), 1, "{former:#?}");
    assert!(is(&former[0], ChangeType::Name));
    assert_eq!(
        (
            former[0].name_before.as_str(),
            former[0].object.as_ref().map(object::name)
        ),
        ("DC1", Some("Directory 1"))
    );

    let files = client
        .get_group(v1::GetGroupRequest {
            group: "Files".into(),
            ..Default::default()
        })
        .await
        .unwrap()
        .group
        .unwrap();
    let of_files = those(&|_, object| match &object.object {
        Some(v1::inventory_object::Object::Group(group)) => group.name == "Files",
        Some(v1::inventory_object::Object::Resource(resource)) => resource.group == "Files",
        _ => false,
    });
    for group in ["files", files.id.as_str()] {
        let filter = WatchFilter {
            groups: names(&[group]),
            ..Default::default()
        };
        assert_eq!(filtered_events(filter).await, of_files, "{group}");
    }
    // By the id alone.
    let filter = WatchFilter {
        names: vec![files.id.to_uppercase()],
        ..Default::default()
    };
    assert_eq!(
        filtered_events(filter).await,
        those(&|_, object| object::id(object) == files.id)
    );

    let filter = WatchFilter {
        nodes: names(&["HV2"]),
        ..Default::default()
    };
    let of_node = filtered_events(filter).await;
    let wanted = those(&|event, object| {
        let owner = match &object.object {
            Some(v1::inventory_object::Object::Group(group)) => &group.owner_node,
            Some(v1::inventory_object::Object::Resource(resource)) => &resource.owner_node,
            Some(v1::inventory_object::Object::Node(node)) => &node.name,
            Some(v1::inventory_object::Object::NetworkInterface(interface)) => &interface.node,
            Some(v1::inventory_object::Object::SharedVolume(volume)) => &volume.owner_node,
            _ => "",
        };
        owner == "hv2" || event.owner_before == "hv2"
    });
    assert_eq!(of_node, wanted);

    // All conditions must hold.
    let filter = WatchFilter {
        kinds: vec![ObjectKind::Group.into()],
        names: names(&["Files", "Directory 1"]),
        changes: vec![ChangeType::Owner.into()],
        nodes: names(&["hv4"]),
        ..Default::default()
    };
    let both = filtered_events(filter).await;
    assert!(!both.is_empty());
    assert!(
        both.iter()
            .all(|event| is(event, ChangeType::Owner) && event.object.as_ref().map(object::name) == Some("Files")),
        "{both:#?}"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn the_records_of_operations_come_among_the_events_in_order() {
    let daemon = start().await;
    let client = daemon.client();
    let (begin, _) = now(&client).await;
    let mut follower = Follower::of(
        &client,
        v1::WatchRequest {
            operations: true,
            cluster: "prod".into(),
            ..after(begin, "")
        },
    )
    .await;
    let records = changes(&client, move_to("Files", "hv4")).await;
    assert_eq!(outcome_of(&records).state(), v1::OperationState::Succeeded);
    let (last, _) = now(&client).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|event| revision(event) < last) {
        told.push(follower.event("the next event").await);
    }
    let among: Vec<_> = told.iter().filter_map(record).cloned().collect();
    assert_eq!(
        among, records,
        "each record once, and as the operation's own stream has it"
    );
    let owner = told
        .iter()
        .filter_map(change)
        .find(|change| is(change, ChangeType::Owner))
        .expect("the group moves");
    assert!(
        owner.revision > records[0].revision,
        "the move was accepted before the group moved"
    );
    // Without them the rest is the same.
    let without = up_to(&client, after(begin, ""), last).await;
    let events: Vec<_> = told.into_iter().filter(|event| change(event).is_some()).collect();
    assert_eq!(without, events);
    daemon.finish().await;
}
