//! A daemon's inventory over a simulated world, with a journal in memory and somebody who watches.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message as _;
use wsfc_clusapi::{Clusapi, Cluster};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, ConnectionState};
use wsfc_simulator::{Scenario, Simulation};

use super::changes::is;
use crate::blocking::Blocking;
use crate::inventory::Clusters;
use crate::inventory::diff::diff;
use crate::inventory::identity::identify;
use crate::inventory::model::Model;
use crate::inventory::object::without_revision;
use crate::inventory::read::Reader;
use crate::inventory::reread::Source as _;
use crate::journal::{ClusterId, EventCursor, Filter, Journal, MemoryStore, Opened, Options};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::Current;

/// How long something may take that has to happen; far longer than it does.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon's inventory over a world, and somebody who watches.
pub(super) struct Lab {
    pub(super) world: Simulation,
    pub(super) api: Clusapi,
    pub(super) journal: Journal,
    pub(super) settings: Settings,
    pub(super) clusters: Clusters,
    pub(super) cursor: EventCursor,
    /// What the events since the beginning make.
    pub(super) watched: BTreeMap<String, Model>,
    /// Every event, in order.
    pub(super) events: Vec<ClusterEvent>,
}

impl Lab {
    pub(super) fn new(scenario: &str) -> Self {
        Self::of(Scenario::builtin(scenario).unwrap(), Settings::default())
    }

    pub(super) fn of(scenario: Scenario, settings: Settings) -> Self {
        let world = Simulation::new(scenario).unwrap();
        let api = Clusapi::from_provider(world.clone());
        let platform = Platform::system();
        let opened = Journal::open(Box::new(MemoryStore::new()), Options::default(), platform.clone());
        let Opened { journal, writer, .. } = opened.unwrap();
        platform
            .threads
            .spawn("journal", Box::new(move || writer.run()))
            .unwrap();
        let cursor = journal.events(Filter::default(), Some(0)).unwrap();
        let clusters = clusters(&journal, &api, &settings);
        Self {
            world,
            api,
            journal,
            settings,
            clusters,
            cursor,
            watched: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// The local cluster, observed.
    pub(super) async fn observed(scenario: &str) -> Self {
        let mut lab = Self::new(scenario);
        let resolved = lab.clusters.resolve("").await.unwrap();
        assert!(resolved.observed);
        lab.catch_up(&resolved.id).await;
        lab
    }

    /// A daemon that comes after this one.
    pub(super) async fn restart(&mut self, meanwhile: impl FnOnce(&Self)) {
        self.clusters.stop().await;
        meanwhile(self);
        self.clusters = clusters(&self.journal, &self.api, &self.settings);
        self.clusters.start();
    }

    pub(super) fn cluster(&self) -> Cluster {
        self.api.open_cluster(None).unwrap()
    }

    /// Takes the next events.
    pub(super) async fn hear(&mut self) {
        let batch = self.cursor.next().await;
        let response = v1::WatchResponse::decode(batch.unwrap().unwrap().parts.concat().as_slice()).unwrap();
        for event in response.events {
            let Some(v1::event::Event::Cluster(event)) = event.event else {
                continue;
            };
            if let Some(object) = &event.object {
                let model = self.watched.entry(object.cluster_id.clone()).or_default();
                let mut seen = event.clone();
                seen.object = seen.object.map(without_revision);
                model.apply(&seen);
            }
            self.events.push(event);
        }
    }

    pub(super) fn last(&self, count: usize) -> &[ClusterEvent] {
        &self.events[self.events.len().saturating_sub(count)..]
    }

    /// Hears until an event fits, and gives its place among all.
    pub(super) async fn until(&mut self, after: usize, fits: impl Fn(&ClusterEvent) -> bool) -> usize {
        let mut next = after;
        loop {
            if let Some(place) = self.events[next..].iter().position(&fits) {
                return next + place;
            }
            next = self.events.len();
            if tokio::time::timeout(PATIENCE, self.hear()).await.is_err() {
                panic!("no such event came; the last ones: {:#?}", self.last(4));
            }
        }
    }

    /// Hears until what was watched is what there is, and the journal's inventory is the fold of its events.
    pub(super) async fn catch_up(&mut self, id: &ClusterId) {
        loop {
            let (held, fresh) = (
                comparable(self.watched.get(id.as_str())),
                comparable(Some(&self.fresh())),
            );
            let recorded = self.recorded(id);
            let differences = diff(held.objects(), fresh.objects());
            // The journal may be ahead of what was heard, and then what it has told is heard soon.
            let is_fold = Some(recorded.objects()) == self.watched.get(id.as_str()).map(Model::objects);
            if differences.is_empty() && is_fold {
                return;
            }
            if tokio::time::timeout(PATIENCE, self.hear()).await.is_err() {
                assert!(differences.is_empty(), "never heard of: {differences:#?}");
                assert_eq!(
                    Some(recorded.objects()),
                    self.watched.get(id.as_str()).map(Model::objects),
                    "the journal's inventory is the fold of its events"
                );
            }
        }
    }

    /// A cluster, as the journal's inventory has it.
    fn recorded(&self, id: &ClusterId) -> Model {
        let inventory = self.journal.inventory();
        let objects = inventory.of_cluster(id);
        objects.map(|object| without_revision((***object).clone())).collect()
    }

    /// The local cluster, as it is.
    pub(super) fn fresh(&self) -> Model {
        let cluster = self.cluster();
        let identity = identify(&cluster).unwrap();
        Reader::new(cluster, identity.id).whole().unwrap()
    }

    pub(super) fn id(&self) -> ClusterId {
        ClusterId::from(identify(&self.cluster()).unwrap().id.as_str())
    }

    pub(super) fn count(&self, change: ChangeType) -> usize {
        self.events.iter().filter(|event| is(event, change)).count()
    }
}

pub(super) fn clusters(journal: &Journal, api: &Clusapi, settings: &Settings) -> Clusters {
    let platform = Platform::system();
    let blocking = Blocking::new(platform.clone());
    Clusters::new(
        journal.clone(),
        api.clone(),
        platform,
        Current::new(settings.clone()),
        blocking,
    )
}

/// The objects without what the daemon alone knows.
pub(super) fn comparable(model: Option<&Model>) -> Model {
    let objects = model.into_iter().flat_map(|model| model.objects().values());
    let objects = objects.cloned().map(|mut object| {
        if let Some(Object::Cluster(cluster)) = &mut object.object {
            (cluster.connection, cluster.connection_time) = (0, None);
        }
        object
    });
    objects.collect()
}

pub(super) fn state_of(event: &ClusterEvent) -> Option<ConnectionState> {
    match &event.object.as_ref()?.object {
        Some(Object::Cluster(cluster)) => Some(cluster.connection()),
        _ => None,
    }
}

pub(super) fn is_connection(event: &ClusterEvent, state: ConnectionState) -> bool {
    is(event, ChangeType::Connection) && state_of(event) == Some(state)
}

pub(super) fn is_gap(event: &ClusterEvent, reason: &str) -> bool {
    event.gap.as_ref().is_some_and(|gap| gap.reason == reason)
}
