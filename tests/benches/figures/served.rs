//! Something that serves on a loopback port: the daemon's core, or a bare stream to compare it with.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use wsfc_clusapi::Clusapi;
use wsfc_simulator::scenario::Machine;
use wsfc_simulator::{Release, Scenario, Simulation};
use wsfcd::access::enrolment::Kept;
use wsfcd::access::policy::ADMINISTRATOR;
use wsfcd::daemon::Core;
use wsfcd::events::LoggedEvents;
use wsfcd::journal::Journal;
use wsfcd::listen::accept;
use wsfcd::listen::refusals::Refusals;
use wsfcd::listen::registry::Connections;
use wsfcd::listen::serving::Serving;
use wsfcd::platform::Platform;
use wsfcd::settings::current::Current;
use wsfcd::settings::{Limits, Settings};

use crate::journals::thread;

/// A world of two machines in which nothing takes time.
pub fn two_machines() -> Scenario {
    Scenario {
        machines: ["n1", "n2"].map(|name| Machine::new(name, Release::Server2022)).into(),
        ..Scenario::default()
    }
}

/// Lets a daemon be called as often as it can be, for operations that wait too; what keeps the rates runs all the same.
pub fn lift_rates(limits: &mut Limits) {
    (limits.calls_per_second, limits.call_burst) = (1_000_000_000, 1_000_000_000);
    (limits.changes_per_second, limits.change_burst) = (1_000_000_000, 1_000_000_000);
    limits.waiting_operations = 1_000_000_000;
    limits.streams_per_identity = 0;
}

/// The settings of a daemon that may be called as often as it can be.
pub fn unhurried() -> Settings {
    let mut settings = Settings::default();
    settings.access.loopback_role = Some(ADMINISTRATOR.into());
    lift_rates(&mut settings.limits);
    settings
}

/// Serves a journal as the daemon does: its core, one serving thread with its own runtime, real sockets. Serves to the
/// end of the process.
pub fn serve(journal: &Journal) -> SocketAddr {
    let journal = journal.clone();
    on_a_thread("serve", async |listener| {
        let api = Clusapi::from_provider(Simulation::new(two_machines()).expect("a world"));
        let settings = unhurried();
        let platform = Platform::system();
        let kept = Kept::nothing(&platform);
        let core = Core::new(settings.clone(), journal, &[], kept, api, platform);
        let core = core.await.expect("the journal is open");
        let (_, health) = tonic_health::server::health_reporter();
        let (routes, dispatch) = core.routes(health).expect("a whole descriptor set");
        tokio::spawn(dispatch);
        let access = core.access_layer(None);
        let settings = Current::new(settings);
        let connections = Connections::new(settings.clone(), Arc::new(core.access.clone()), Arc::default());
        let stop = CancellationToken::new();
        let (sender, accepted) = accept::channel();
        tokio::spawn(accept::accept(
            listener,
            vec![sender],
            connections.clone(),
            stop.clone(),
        ));
        let serving = Serving {
            routes,
            access,
            tls: None,
            settings,
            refusals: Refusals::new(Arc::new(LoggedEvents)),
        };
        serving.serve(ReceiverStream::new(accepted), connections, stop).await;
        Ok(())
    })
}

/// Serves on a loopback port, on a thread with a runtime of its own.
pub fn on_a_thread<S>(name: &str, serve: S) -> SocketAddr
where
    S: AsyncFnOnce(TcpListener) -> Result<(), tonic::transport::Error> + Send + 'static,
{
    let (bound, address) = std::sync::mpsc::channel();
    thread(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
            bound
                .send(listener.local_addr().expect("a bound socket"))
                .expect("somebody waits");
            serve(listener).await.expect("serves to the end");
        });
    });
    address.recv().expect("the thread does not panic")
}
