//! The daemon without its sockets.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use wsfc_clusapi::Clusapi;

use crate::access::Access;
use crate::access::enrolment::{Enrolment, Kept};
use crate::access::layer::AccessLayer;
use crate::access::quotas::Quotas;
use crate::audit::Audit;
use crate::grpc;
use crate::grpc::identity::Identities;
use crate::grpc::stream::Streams;
use crate::journal::{AppendError, Journal, MemoryBudget, Options, Retention};
use crate::listen::counters::Counters;
use crate::listen::tls::Certificates;
use crate::native;
use crate::operation::engine::Engine;
use crate::operation::fold::Rules;
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::Current;
use crate::workload::Workloads;
use crate::workload::location::Location;

/// The core without sockets: journal, engine and services. What listens is built around it; the deterministic simulation
/// serves it over a network of its own.
pub struct Core {
    /// The engine.
    pub engine: Engine,
    /// What agents run.
    pub workloads: Workloads,
    /// Until when the certificates of the listener are good.
    pub certificates: Current<Certificates>,
    /// Who may call what.
    pub access: Access,
    /// How often, and how much of it.
    quotas: Quotas,
    /// What callers and connections were refused.
    pub(super) counters: Arc<Counters>,
    /// What is granted and issued while it runs.
    pub enrolment: Enrolment,
    pub(super) settings: Current<Settings>,
    pub(super) stop: CancellationToken,
}

impl Core {
    /// Puts engine and services over an opened journal, and settles what a former daemon left. The writer must be running.
    ///
    /// # Errors
    ///
    /// The journal takes nothing new.
    pub async fn new(
        settings: Settings,
        journal: Journal,
        unfinished: &[Arc<wsfc_proto::v1::Operation>],
        kept: Kept,
        api: Clusapi,
        platform: Platform,
    ) -> Result<Self, AppendError> {
        let stop = CancellationToken::new();
        let access = Access::new(&settings, Arc::clone(&platform.clock));
        let enrolment = Enrolment::new(kept, access.clone(), platform.clone());
        let settings = Current::new(settings);
        let engine = Engine::new(journal, api, platform.clone(), settings.clone(), stop.clone());
        let recovered = engine.recover(unfinished).await;
        // What was taken up before the failure must not begin.
        recovered.inspect_err(|_failed| stop.cancel())?;
        // What was interrupted is settled first, so that its look at a cluster shares the cluster with nobody.
        engine.clusters().start();
        let location = Location::new(engine.clusters().clone(), engine.journal().clone());
        let workloads = Workloads::new(platform, location);
        let counters = Arc::<Counters>::default();
        Ok(Self {
            engine,
            workloads,
            certificates: Current::new(Certificates::default()),
            access,
            quotas: Quotas::new(settings.clone(), Arc::clone(&counters)),
            counters,
            enrolment,
            settings,
            stop,
        })
    }

    /// The layer that decides each call of these routes. With an audit log, it writes down what changes something before
    /// it is carried out, and what is refused.
    pub fn access_layer(&self, audit: Option<&Audit>) -> AccessLayer {
        let clusters = self.engine.clusters().clone();
        AccessLayer::new(self.access.clone(), clusters, self.quotas.clone(), audit.cloned())
    }

    /// The routes of one serving thread, and the dispatcher of its streams, which that thread must run.
    ///
    /// # Errors
    ///
    /// The descriptor set cannot be read, which is a defect of the build.
    pub fn routes(
        &self,
        health: HealthServer<impl Health>,
    ) -> Result<(Routes, impl Future<Output = ()> + Send + 'static), tonic_reflection::server::Error> {
        let journal = self.engine.journal().clone();
        let lane = journal.lane();
        let dispatcher = lane.clone();
        let dispatch = async move { dispatcher.dispatch().await };
        let streams = Streams {
            journal,
            lane,
            settings: self.settings.clone(),
            stop: self.stop.clone(),
        };
        let identities = Identities {
            enrolment: self.enrolment.clone(),
            access: self.access.clone(),
            certificates: self.certificates.clone(),
        };
        let routes = grpc::routes(
            &self.engine,
            &self.workloads,
            identities,
            streams,
            &self.settings,
            health,
        )?;
        Ok((routes, dispatch))
    }
}

/// The journal's options that follow from the settings.
pub fn journal_options(settings: &Settings) -> Options {
    let memory = MemoryBudget {
        records: settings.journal.memory_records,
        ..MemoryBudget::default()
    };
    Options {
        memory,
        event_memory: memory,
        retention: retention(settings),
        rules: Rules {
            cancel_running: settings.operations.cancel_answers_false,
        },
        native_status: native::status,
        ..Options::default()
    }
}

/// What the journal keeps.
pub(super) fn retention(settings: &Settings) -> Retention {
    Retention {
        keep_operations: settings.journal.keep_operations,
        keep_for: settings.journal.keep_for,
        keep_events: u64::try_from(settings.journal.keep_events).unwrap_or(u64::MAX),
        ..Retention::default()
    }
}
