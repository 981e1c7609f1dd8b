//! The observer of one cluster: a thread that keeps the cluster's objects in the journal as they are.
//!
//! The order is that of facts 4.1: first the port for notifications, then the reading of everything, then what the port
//! tells. What was read is compared with what the journal has, so that only differences become events; where changes may
//! have been missed, a GAP comes before them. The thread waits for the journal after each append, so that what a cluster
//! tells faster than the disk takes it waits at the port.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

use prost_types::Timestamp;
use tokio::sync::{oneshot, watch};
use wsfc_clusapi::notify::{Notification, NotifyPort};
use wsfc_clusapi::{Clusapi, Cluster, Error};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, ChangeType, ClusterEvent, ConnectionState, ObjectKind};

use super::diff::diff;
use super::gone::is_gone;
use super::hearing::{Hearing, Loss, Read};
use super::identity::{Identity, identify};
use super::line::{Line, Order};
use super::model::Model;
use super::object::{Key, without_revision};
use super::read::Reader;
use super::reread::{Source as _, read_again};
use super::roster::{Progress, Roster};
use crate::journal::{ClusterId, Common, Journal, ObserveError, StoreFailed, appends};
use crate::logging::chain;
use crate::native;
use crate::operation::inspect::open_by_any_name;
use crate::platform::Platform;

/// How long one wait at the port takes. What is asked of the observer waits for it to end, so it is short.
const LISTEN: Duration = Duration::from_millis(100);
/// How many notifications are taken together. What they make is cut into appends all the same.
const TOGETHER: usize = 256;
/// The first pause before a lost cluster is tried again, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The reason of a gap after the daemon has started.
pub const DAEMON_RESTARTED: &str = "DAEMON_RESTARTED";

/// How a session with a cluster ended.
enum Ended {
    /// The observer is to end.
    Over,
    /// The connection is lost.
    Lost {
        /// The reason of the gap that this makes.
        gap: v1::Gap,
        /// The error of a call, where one told.
        error: Option<Arc<Error>>,
    },
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Lost {
            gap: v1::Gap {
                reason: native::reason(&error),
                status: native::error_status(&error),
            },
            error: Some(Arc::new(error)),
        }
    }
}

impl From<StoreFailed> for Ended {
    /// Without a journal there is nothing to observe for; the daemon ends by itself.
    fn from(_failed: StoreFailed) -> Self {
        Self::Over
    }
}

/// Observes one cluster.
pub struct Observer {
    api: Clusapi,
    journal: Journal,
    platform: Platform,
    roster: Arc<Roster>,
    /// What opens the cluster.
    name: String,
    id: ClusterId,
    /// The cluster as the journal has it.
    model: Model,
    /// The nodes that it had at the last comparison: while somebody destroys it, it tells of each that leaves, and the
    /// last one is asked what became of it.
    nodes: Vec<String>,
    /// Why changes may have been missed since the model was true.
    gap: Option<v1::Gap>,
    orders: Receiver<Order>,
    line: Arc<Line>,
    /// Those who wait for a comparison.
    asked: Vec<oneshot::Sender<Result<(), Arc<Error>>>>,
    /// What is to be read again, and who waits for that.
    reads: BTreeSet<Read>,
    learners: Vec<oneshot::Sender<()>>,
    progress: watch::Sender<Progress>,
}

/// What an observer is begun with.
pub struct Begin {
    /// The cluster API.
    pub api: Clusapi,
    /// The journal.
    pub journal: Journal,
    /// Time and randomness.
    pub platform: Platform,
    /// The clusters that are observed.
    pub roster: Arc<Roster>,
    /// What opens the cluster.
    pub name: String,
    /// The id of the cluster.
    pub id: ClusterId,
    /// What it is asked for.
    pub orders: Receiver<Order>,
    /// Where it is told to end.
    pub line: Arc<Line>,
    /// Told how far the observer has come.
    pub progress: watch::Sender<Progress>,
}

impl Observer {
    /// An observer that goes on from what the journal has of its cluster.
    pub fn new(begin: Begin) -> Self {
        let model = recorded(&begin.journal, &begin.id);
        let gap = model.cluster().map(|_| gap(DAEMON_RESTARTED));
        Self {
            nodes: nodes_of(&model),
            api: begin.api,
            journal: begin.journal,
            platform: begin.platform,
            roster: begin.roster,
            name: begin.name,
            id: begin.id,
            model,
            gap,
            orders: begin.orders,
            line: begin.line,
            asked: Vec::new(),
            reads: BTreeSet::new(),
            learners: Vec::new(),
            progress: begin.progress,
        }
    }

    /// Observes until it is told to end, or the journal takes nothing more.
    pub fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.line.is_stopped() {
            let Ended::Lost { gap, error } = self.session(&mut pause) else {
                break;
            };
            if self.line.is_stopped() {
                break;
            }
            if let Some(error) = &error
                && self.is_gone()
            {
                self.end(error);
                break;
            }
            self.gap.get_or_insert(gap);
            let text = error.as_deref().map_or_else(
                || "the cluster has let go of the connection".into(),
                |error| chain(error),
            );
            // What comes back at once was a node that gave the connection to another, and what is still away a while later
            // was said to be.
            let is_known = self.model.cluster().is_some();
            if is_known && pause == FIRST_PAUSE {
                tracing::info!(cluster = self.name, error = text, "The connection to a cluster is lost");
            } else if is_known && pause == 2 * FIRST_PAUSE {
                tracing::warn!(
                    cluster = self.name,
                    error = text,
                    "A cluster cannot be reached any more"
                );
            } else {
                tracing::debug!(cluster = self.name, error = text, "A cluster cannot be reached");
            }
            if self.tell_connection(ConnectionState::Reconnecting, false).is_err() {
                break;
            }
            self.tell_progress(error.as_ref());
            if !self.wait(pause, error) {
                break;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Whether the cluster exists no more, as far as it is known. Nothing is to be taken out of one that was never read.
    fn is_gone(&self) -> bool {
        let mut names = self.roster.aliases(&self.id);
        names.push(self.name.clone());
        self.model.cluster().is_some() && is_gone(&self.api, &self.id, &names, &self.nodes())
    }

    /// Takes a cluster that exists no more out of the inventory, and answers who waits.
    fn end(&mut self, error: &Arc<Error>) {
        tracing::warn!(
            cluster = self.name,
            id = %self.id,
            error = chain(error),
            "A cluster exists no more: none of its nodes belongs to it"
        );
        // The next who asks for the name opens it anew, and finds nothing; so nobody is led to what is about to go.
        self.progress.send_replace(Progress::Failed(Arc::clone(error)));
        self.roster.leave(&self.id);
        if self.forget().is_err() {
            return;
        }
        for asked in self.asked.drain(..) {
            // Who has gone away needs no answer.
            let _ = asked.send(Err(Arc::clone(error)));
        }
    }

    /// Lets those go on who wait for the first filling: with what is known from before, or with the error.
    fn tell_progress(&self, error: Option<&Arc<Error>>) {
        let told = match (self.model.cluster(), error) {
            (Some(_), _) => Progress::Filled,
            (None, Some(error)) => Progress::Failed(Arc::clone(error)),
            (None, None) => return,
        };
        self.progress.send_replace(told);
    }

    /// Waits before the cluster is tried again; false when it is not to be tried. Who asks for a comparison ends the wait.
    fn wait(&mut self, pause: Duration, error: Option<Arc<Error>>) -> bool {
        for asked in self.asked.drain(..) {
            if let Some(error) = &error {
                // Who has gone away needs no answer.
                let _ = asked.send(Err(Arc::clone(error)));
            }
        }
        self.learners.clear();
        let mut random = [0];
        self.platform.entropy.fill(&mut random);
        // Between half of the pause and all of it, so that many observers do not come back at once.
        let pause = pause / 2 + pause / 2 * u32::from(random[0]) / 255;
        match self.orders.recv_timeout(pause) {
            Ok(order) => self.take(order),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    /// Takes an order; false when it is to end.
    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Compare(asked) => self.asked.push(asked),
            Order::Read(kind) => {
                self.reads.insert(Read::Kind(kind));
            }
            Order::Learn(kind, name, learner) => {
                self.reads.insert(Read::Object(kind, String::new(), name));
                self.learners.push(learner);
            }
            Order::Wake => {}
            Order::Forget(told) => {
                if self.forget().is_ok() {
                    let _ = told.send(());
                }
                return false;
            }
        }
        !self.line.is_stopped()
    }

    /// One session with the cluster, from its opening to its loss. `pause` begins anew once the session stands.
    fn session(&mut self, pause: &mut Duration) -> Ended {
        match self.observe(pause) {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    fn observe(&mut self, pause: &mut Duration) -> Result<std::convert::Infallible, Ended> {
        let cluster = self.open()?;
        // Before anything is read, so that no change falls between.
        let mut port = cluster.notify_port_for_everything()?;
        if !self.line.attach(port.closer()) {
            return Err(Ended::Over);
        }
        let identity = identify(&cluster)?;
        self.settle_identity(identity)?;
        let mut reader = Reader::new(cluster, self.id.as_str().to_owned());
        let is_known = self.model.cluster().is_some();
        self.compare(&mut reader)?;
        self.tell_connection(ConnectionState::Connected, is_known)?;
        *pause = FIRST_PAUSE;
        self.progress.send_replace(Progress::Filled);
        let mut queue = VecDeque::new();
        loop {
            self.take_orders()?;
            if !self.asked.is_empty() {
                self.compare(&mut reader)?;
            }
            self.read_what_was_asked_for(&mut reader)?;
            let gathered = gather(&mut port, &mut queue);
            self.hear(&mut reader, &mut queue)?;
            gathered?;
        }
    }

    fn open(&self) -> Result<Cluster, Error> {
        open_by_any_name(&self.api, &self.name, &self.nodes())
    }

    /// The names of the nodes that are known, and of those that have left since the last comparison.
    fn nodes(&self) -> Vec<String> {
        let mut nodes = nodes_of(&self.model);
        let left = self.nodes.iter().filter(|name| !nodes.contains(name));
        let left: Vec<_> = left.cloned().collect();
        nodes.extend(left);
        nodes
    }

    /// A cluster that comes back under its name with another id is another cluster: the former is gone.
    fn settle_identity(&mut self, identity: Identity) -> Result<(), Ended> {
        let id = ClusterId::from(identity.id.as_str());
        if id != self.id {
            tracing::warn!(
                cluster = identity.name,
                former = %self.id,
                id = %id,
                "Another cluster goes by this name now"
            );
            self.forget()?;
            self.progress.send_replace(Progress::Begun);
            if !self.roster.rebind(&self.id, &id, &identity.name) {
                return Err(Ended::Over);
            }
            self.model = recorded(&self.journal, &id);
            self.nodes = nodes_of(&self.model);
            self.gap = self.model.cluster().map(|_| gap(DAEMON_RESTARTED));
            self.id = id;
        }
        if identity.name != self.name {
            self.roster.rename(&self.id, &identity.name);
            self.name = identity.name;
        }
        Ok(())
    }

    fn take_orders(&mut self) -> Result<(), Ended> {
        loop {
            match self.orders.try_recv() {
                Ok(order) => {
                    if !self.take(order) {
                        return Err(Ended::Over);
                    }
                }
                Err(TryRecvError::Empty) if self.line.is_stopped() => return Err(Ended::Over),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => return Err(Ended::Over),
            }
        }
    }

    /// Reads everything, records what is not as the journal has it, and answers who asked for that.
    fn compare(&mut self, reader: &mut Reader) -> Result<(), Ended> {
        let began = self.platform.clock.now();
        self.reads.clear();
        let mut whole = reader.whole()?;
        let mut events = Vec::new();
        match self.model.cluster() {
            Some(known) => {
                let (connection, connection_time) = (known.connection, known.connection_time);
                change_cluster(&mut whole, |cluster| {
                    (cluster.connection, cluster.connection_time) = (connection, connection_time);
                });
                if let Some(gap) = self.gap.take() {
                    tell_gap(&known.name, &gap);
                    events.push(of_gap(gap));
                }
            }
            // Nothing was known that could have been missed.
            None => {
                self.gap = None;
                let now = Timestamp::from(began);
                change_cluster(&mut whole, |cluster| {
                    cluster.connection = ConnectionState::Connected.into();
                    cluster.connection_time = Some(now);
                });
            }
        }
        events.extend(diff(self.model.objects(), whole.objects()));
        let name = whole.cluster().map(|cluster| cluster.name.clone()).unwrap_or_default();
        for event in &mut events {
            event.cluster.clone_from(&name);
        }
        let (objects, changes) = (whole.objects().len(), events.len());
        self.model = whole;
        self.nodes = nodes_of(&self.model);
        self.append(events)?;
        let took = self.platform.clock.now().duration_since(began).unwrap_or_default();
        tracing::info!(
            cluster = name,
            objects,
            changes,
            ?took,
            "Inventory compared with the cluster"
        );
        for asked in self.asked.drain(..) {
            let _ = asked.send(Ok(()));
        }
        self.tell_learners();
        Ok(())
    }

    /// Lets those go on who asked for something that is read and durable now.
    fn tell_learners(&mut self) {
        for learner in self.learners.drain(..) {
            let _ = learner.send(());
        }
    }

    /// Reads again what somebody asked for.
    fn read_what_was_asked_for(&mut self, reader: &mut Reader) -> Result<(), Ended> {
        let mut hearing = Hearing::default();
        let reads = std::mem::take(&mut self.reads).into_iter();
        hearing
            .reads
            .extend(reads.map(|read| (read, v1::Notification::default())));
        let read = read_again(reader, &mut self.model, &mut hearing);
        self.append(hearing.events)?;
        read?;
        self.tell_learners();
        Ok(())
    }

    /// Applies what the port has told, in order.
    fn hear(&mut self, reader: &mut Reader, queue: &mut VecDeque<Notification>) -> Result<(), Ended> {
        let mut compared = false;
        while !queue.is_empty() {
            if self.line.is_stopped() {
                return Err(Ended::Over);
            }
            let mut hearing = Hearing::default();
            let mut lost = None;
            while let (None, Some(told)) = (lost, queue.pop_front()) {
                let Err(loss) = hearing.hear(&mut self.model, &told) else {
                    continue;
                };
                tracing::debug!(cluster = self.name, ?told, ?loss, "A notification cannot be applied");
                // What was told before a comparison is in what that has read.
                lost = Some(loss).filter(|loss| !compared || matches!(loss, Loss::Broken(_)));
            }
            let read = match lost {
                // Everything is read anyway, before anything that comes later.
                Some(_) => Ok(()),
                None => read_again(reader, &mut self.model, &mut hearing),
            };
            self.append(hearing.events)?;
            read?;
            match lost {
                None => {}
                Some(Loss::Missed(reason)) => {
                    self.gap = Some(gap(reason));
                    self.compare(reader)?;
                    compared = true;
                }
                Some(Loss::Broken(reason)) => {
                    return Err(Ended::Lost {
                        gap: gap(reason),
                        error: None,
                    });
                }
            }
        }
        Ok(())
    }

    /// Tells whether changes arrive, if that is news of a cluster that is known. `again` tells it also of a connection that
    /// is new although none was missed, as after a start of the daemon.
    fn tell_connection(&mut self, connection: ConnectionState, again: bool) -> Result<(), StoreFailed> {
        let now = Timestamp::from(self.platform.clock.now());
        let mut hearing = Hearing::default();
        let Some(mut object) = self.model.get(&Key::new(ObjectKind::Cluster, "")).cloned() else {
            return Ok(());
        };
        if let Some(Object::Cluster(cluster)) = &mut object.object
            && (again || cluster.connection != i32::from(connection))
        {
            cluster.connection = connection.into();
            cluster.connection_time = Some(now);
            hearing.change(&mut self.model, object, None);
        }
        self.append(hearing.events)
    }

    /// Takes every object out of the inventory.
    fn forget(&mut self) -> Result<(), StoreFailed> {
        let name = self
            .model
            .cluster()
            .map(|cluster| cluster.name.clone())
            .unwrap_or_default();
        let mut events = Vec::new();
        if let Some(gap) = self.gap.take()
            && self.model.cluster().is_some()
        {
            // What became of the objects before they went was not seen.
            tell_gap(&name, &gap);
            events.push(of_gap(gap));
        }
        events.extend(diff(self.model.objects(), Model::default().objects()));
        for event in &mut events {
            event.cluster.clone_from(&name);
        }
        self.model = Model::default();
        self.append(events)
    }

    /// Records events, and waits until they are durable.
    fn append(&self, events: Vec<ClusterEvent>) -> Result<(), StoreFailed> {
        for append in appends(events) {
            match self.journal.observe(append).wait() {
                Ok(_) => {}
                Err(ObserveError::Failed(failed)) => return Err(failed),
                // Such an event cannot be told at all; what it changed is found and told by the next comparison, too.
                Err(error) => {
                    tracing::error!(
                        cluster = self.name,
                        error = chain(&error),
                        "An event cannot be recorded"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Waits for notifications and takes those that are there. What was taken counts also when the port fails.
fn gather(port: &mut NotifyPort, queue: &mut VecDeque<Notification>) -> Result<(), Error> {
    let mut patience = LISTEN;
    while queue.len() < TOGETHER {
        match port.next(patience)? {
            Some(told) => queue.push_back(told),
            None => break,
        }
        patience = Duration::ZERO;
    }
    Ok(())
}

/// What the journal has of a cluster.
fn recorded(journal: &Journal, id: &ClusterId) -> Model {
    let inventory = journal.inventory();
    let objects = inventory
        .of_cluster(id)
        .map(|object| without_revision((***object).clone()));
    objects.collect()
}

/// The names of a cluster's nodes.
fn nodes_of(model: &Model) -> Vec<String> {
    let nodes = model.of(ObjectKind::Node).filter_map(|(_, node)| Common::of(node));
    nodes.map(|node| node.name.to_owned()).collect()
}

/// Every daemon that starts has missed something; a loss while it runs is worth a look.
fn tell_gap(cluster: &str, gap: &v1::Gap) {
    let (reason, status) = (&gap.reason, gap.status.as_ref().map(|status| status.raw));
    if reason == DAEMON_RESTARTED {
        tracing::info!(cluster, reason, "What changed while the daemon was down is looked for");
    } else {
        tracing::warn!(cluster, reason, status, "Changes of a cluster may have been missed");
    }
}

fn of_gap(gap: v1::Gap) -> ClusterEvent {
    ClusterEvent {
        changes: vec![ChangeType::Gap.into()],
        gap: Some(gap),
        ..ClusterEvent::default()
    }
}

/// A gap that no call has told of.
fn gap(reason: &str) -> v1::Gap {
    v1::Gap {
        reason: reason.into(),
        status: None,
    }
}

fn change_cluster(model: &mut Model, set: impl FnOnce(&mut v1::ClusterState)) {
    let Some(mut object) = model.remove(&Key::new(ObjectKind::Cluster, "")) else {
        return;
    };
    if let Some(Object::Cluster(cluster)) = &mut object.object {
        set(cluster);
    }
    model.put(object);
}
