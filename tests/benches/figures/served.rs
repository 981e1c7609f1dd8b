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
use wsfcd::settings::Settings;
use wsfcd::settings::current::Current;

use crate::journals::thread;

/// A world of two machines in which nothing takes time.
pub fn two_machines() -> Scenario {
    Scenario {
        machines: ["n1", "n2"].map(|name| Machine::new(name, Release::Server2022)).into(),
        ..Scenario::default()
    }
}

/// Serves a journal as the daemon does: its core, one serving thread with its own runtime, real sockets. Serves to the
/// end of the process.
pub fn serve(journal: &Journal) -> SocketAddr {
    let journal = journal.clone();
    on_a_thread("serve", async |listener| {
        let api = Clusapi::from_provider(Simulation::new(two_machines()).expect("a world"));
        let mut settings = Settings::default();
        settings.access.loopback_role = Some(ADMINISTRATOR.into());
        let platform = Platform::system();
        let kept = Kept::nothing(&platform);
        let core = Core::new(settings.clone(), journal, &[], kept, api, platform);
        let core = core.await.expect("the journal is open");
        let (_, health) = tonic_health::server::health_reporter();
        let (routes, dispatch) = core.routes(health).expect("a whole descriptor set");
        tokio::spawn(dispatch);
        let access = core.access_layer(None);
        let settings = Current::new(settings);
        let connections = Connections::new(settings.clone(), Arc::new(core.access.clone()));
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
