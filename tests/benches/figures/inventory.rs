//! The inventory of the largest cluster that Windows supports: its fill, its memory, lists, and what a watcher hears when a
//! node dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, ListGroupsRequest, ListResourcesRequest, WatchRequest, event};
use wsfc_client::{Client, WatchItem};
use wsfc_simulator::{Incident, Scenario};
use wsfc_tests::TestDaemon;

use crate::method::{Effort, Times, table, us};
use crate::served::lift_rates;

/// The native number of a group that is online.
const ONLINE: i32 = 0;

/// How many moves are asked for at once.
const AT_ONCE: usize = 16;

/// How long one of the steps may take at most; nothing fails for being slow, only for never ending.
const PATIENCE: Duration = Duration::from_secs(300);

/// Takes the figures.
pub fn run(effort: Effort) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(take(effort));
}

async fn take(effort: Effort) {
    let name = if effort.quick { "production" } else { "large" };
    let scenario = Scenario::builtin(name).expect("a built-in scenario");
    let builder = TestDaemon::builder(scenario).plain().observing();
    // What the world weighs is not the daemon's.
    let before = resident();
    let began = Instant::now();
    let daemon = builder
        .settings(|settings| {
            settings.limits.unary = PATIENCE;
            lift_rates(&mut settings.limits);
        })
        .start()
        .await;
    daemon.logs().expect("");
    let started = began.elapsed();
    let with_world = resident();
    let client = daemon.client();
    let began = Instant::now();
    client
        .get_cluster_state(v1::GetClusterStateRequest::default())
        .await
        .expect("a cluster");
    let filled = began.elapsed();
    let with_inventory = resident();
    let objects = snapshot(&client).await;
    table(
        &format!("Scenario `{name}`: {} objects", objects.len()),
        &["step", "time", "resident memory after it"],
        &[
            vec!["before".into(), "-".into(), mb(before)],
            vec![
                "the world is made, the daemon serves".into(),
                ms(started),
                mb(with_world),
            ],
            vec![
                "the inventory is filled and durable".into(),
                ms(filled),
                mb(with_inventory),
            ],
        ],
    );
    lists(effort, &client).await;
    let victim = crowd(effort, &client, &objects).await;
    death(&daemon, &client, &victim).await;
    daemon.finish().await;
}

/// Every object of the inventory, by a watch that ends with its snapshot.
async fn snapshot(client: &Client) -> Vec<v1::InventoryObject> {
    let request = WatchRequest {
        snapshot: true,
        snapshot_only: true,
        ..WatchRequest::default()
    };
    let mut watch = client.watch(request);
    let mut objects = Vec::new();
    while let Some(item) = watch.next().await {
        if let WatchItem::Snapshot(object) = item.expect("a snapshot") {
            objects.push(*object);
        }
    }
    objects
}

async fn lists(effort: Effort, client: &Client) {
    let mut pages = Times::default();
    let mut filtered = Times::default();
    let mut fresh_pages = Vec::new();
    let mut token = String::new();
    for _ in 0..effort.rounds(2_000) {
        let request = ListResourcesRequest {
            page_size: 100,
            page_token: std::mem::take(&mut token),
            ..ListResourcesRequest::default()
        };
        let began = Instant::now();
        let page = client.list_resources(request).await.expect("a page");
        pages.add(began.elapsed());
        token = page.next_page_token;
        let request = ListGroupsRequest {
            owner_node: page
                .resources
                .first()
                .map(|resource| resource.owner_node.clone())
                .unwrap_or_default(),
            ..ListGroupsRequest::default()
        };
        let began = Instant::now();
        client.list_groups(request).await.expect("a page");
        filtered.add(began.elapsed());
    }
    for (what, size) in [
        ("all resources by pages of 1,000", 1_000),
        ("all resources by pages of 100", 100),
    ] {
        let began = Instant::now();
        let mut count = 0;
        let mut request = ListResourcesRequest {
            page_size: size,
            ..ListResourcesRequest::default()
        };
        loop {
            let page = client.list_resources(request.clone()).await.expect("a page");
            count += page.resources.len();
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        fresh_pages.push(vec![
            what.into(),
            format!("{count} resources"),
            ms(began.elapsed()),
            String::new(),
        ]);
    }
    let began = Instant::now();
    let objects = snapshot(client).await.len();
    let streamed = began.elapsed();
    let mut rows = vec![
        vec![
            "a page of 100 resources".into(),
            "p50, p99".into(),
            us(pages.median()),
            us(pages.quantile(990)),
        ],
        vec![
            "a page of 100 groups of one node".into(),
            "p50, p99".into(),
            us(filtered.median()),
            us(filtered.quantile(990)),
        ],
    ];
    rows.extend(fresh_pages);
    rows.push(vec![
        "a snapshot, streamed".into(),
        format!("{objects} objects"),
        ms(streamed),
        String::new(),
    ]);
    table(
        "Lists",
        &["what", "of", "time (pages: microseconds, p50)", "p99"],
        &rows,
    );
}

/// How many groups the node has that dies.
const CROWD: usize = 500;

/// Moves groups to the node that has the most, by so many operations at once, until it has the crowd that is to die with it.
async fn crowd(effort: Effort, client: &Client, objects: &[v1::InventoryObject]) -> String {
    let groups = objects.iter().filter_map(|object| match &object.object {
        Some(Object::Group(group)) => Some(group),
        _ => None,
    });
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for group in groups.filter(|group| group.native_state == ONLINE) {
        owned.entry(&group.owner_node).or_default().push(&group.id);
    }
    let victim = owned
        .iter()
        .max_by_key(|(_, groups)| groups.len())
        .map(|(node, _)| *node);
    let victim = victim.expect("a node with groups");
    let has = owned.remove(victim).map_or(0, |groups| groups.len());
    let missing = if effort.quick { 1 } else { CROWD.saturating_sub(has) };
    let moves: Vec<v1::MoveGroupParameters> = owned
        .into_values()
        .flatten()
        .take(missing)
        .map(|group| v1::MoveGroupParameters {
            group: group.into(),
            node: victim.into(),
            ..v1::MoveGroupParameters::default()
        })
        .collect();
    let began = Instant::now();
    let count = moves.len();
    let ended = futures_util::stream::iter(moves)
        .map(|call| async move {
            let operation = client.start(call).await.expect("a start");
            operation.wait().await.expect("an outcome").state()
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let worked = ended
        .iter()
        .filter(|state| **state == v1::OperationState::Succeeded)
        .count();
    println!(
        "\n{count} groups are moved to one node by {count} operations, {AT_ONCE} at once: {} ({worked} succeed)",
        ms(began.elapsed())
    );
    victim.into()
}

/// Kills a node, and follows the watch until all its groups are elsewhere.
async fn death(daemon: &TestDaemon, client: &Client, victim: &str) {
    let objects = snapshot(client).await;
    let is_of_victim = |object: &&v1::InventoryObject| matches!(&object.object, Some(Object::Group(group)) if group.owner_node == victim);
    let groups = objects.iter().filter(is_of_victim).count();
    let mut watch = client.watch(WatchRequest::default());
    // The first mark says that the watch has begun.
    while !matches!(
        watch.next().await.expect("a watch").expect("a watch"),
        WatchItem::Mark { .. }
    ) {}
    let world = daemon.simulation().simulation().expect("in process").clone();
    let incident = Incident::KillMachine { machine: victim.into() };
    let began = Instant::now();
    let killed = tokio::task::spawn_blocking(move || {
        world.happen(&incident).expect("a machine dies");
        began.elapsed()
    });
    let mut lag = Times::default();
    let mut events = 0_u64;
    let mut moved = std::collections::BTreeSet::new();
    while moved.len() < groups {
        let item = tokio::time::timeout(PATIENCE, watch.next()).await.expect("in time");
        let WatchItem::Event(event) = item.expect("a watch").expect("a watch") else {
            continue;
        };
        let Some(event::Event::Cluster(change)) = event.event else {
            continue;
        };
        events += 1;
        let told = change
            .time
            .and_then(|time| SystemTime::try_from(time).ok())
            .expect("a time");
        lag.add(SystemTime::now().duration_since(told).unwrap_or_default());
        if let Some(Object::Group(group)) = change.object.and_then(|object| object.object)
            && group.owner_node != victim
            && change.changes.contains(&v1::ChangeType::Owner.into())
        {
            moved.insert(group.id);
        }
    }
    let all = began.elapsed();
    let killed = killed.await.expect("a machine dies");
    table(
        &format!("A node with {groups} groups dies"),
        &["what", "value"],
        &[
            vec![
                "events until the last of its groups is elsewhere".into(),
                events.to_string(),
            ],
            vec!["the simulator's own work".into(), ms(killed)],
            vec!["from the death to the last event at the watcher".into(), ms(all)],
            vec!["from the observer to the watcher, p50".into(), us(lag.median()) + " us"],
            vec!["the same, p99".into(), us(lag.quantile(990)) + " us"],
        ],
    );
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn mb(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| "?".into(), |mb| format!("{mb:.0} MB"))
}

/// What is resident of this process, in MB.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kb: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kb / 1024.0)
}
