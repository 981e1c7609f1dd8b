//! The simulated daemon: journal, engine and services as in production, over a simulated disk, network and cluster.

use std::rc::Rc;
use std::sync::Arc;

use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use turmoil::net::TcpListener;
use wsfc_client::v1::OperationState;
use wsfc_clusapi::Clusapi;
use wsfcd::access::enrolment::Kept;
use wsfcd::daemon::Core;
use wsfcd::events::LoggedEvents;
use wsfcd::journal::{Journal, Opened, RedbStore};
use wsfcd::listen::connection::{Accepted, Peer};
use wsfcd::listen::refusals::Refusals;
use wsfcd::listen::registry::Connections;
use wsfcd::listen::serving::Serving;
use wsfcd::logging::chain;
use wsfcd::settings::current::Current;

use crate::stage::Stage;

/// The name of the daemon's host.
pub const HOST: &str = "daemon";

/// The port that it listens on.
pub const PORT: u16 = 7443;

/// How much of the store the daemon may keep in memory. Little, so that the disk is read.
const CACHE_BYTES: usize = 1 << 20;

type Failure = Box<dyn std::error::Error>;

/// Runs a daemon until its host crashes.
pub async fn run(stage: Rc<Stage>) -> turmoil::Result {
    if let Err(failure) = serve(&stage).await {
        stage.daemon.borrow_mut().failure = Some(chain(&*failure));
    }
    // A daemon that has failed ends its process; the simulation crashes its host at the next step.
    std::future::pending().await
}

async fn serve(stage: &Stage) -> Result<(), Failure> {
    let generation = stage.daemon.borrow().generation;
    let platform = stage.platform(generation);
    let store = RedbStore::on_backend(stage.disk.storage(), CACHE_BYTES)?;
    let Opened {
        journal,
        writer,
        unfinished,
        ..
    } = Journal::open(Box::new(store), stage.options(), platform.clone())?;
    tokio::spawn(writer.drive(stage.plan.pace));
    let api = Clusapi::from_provider(stage.simulation.clone());
    let kept = Kept::nothing(&platform);
    let core = Core::new(stage.settings(), journal.clone(), &unfinished, kept, api, platform).await?;
    for operation in unfinished
        .iter()
        .filter(|operation| operation.state() == OperationState::Running)
    {
        let id = operation.operation_id.parse()?;
        if journal.operation(id)?.state() == OperationState::Running {
            stage.complain(format!("P13: operation {id} is RUNNING after a restart"));
        }
    }
    let (_reporter, health) = tonic_health::server::health_reporter();
    let (routes, dispatch) = core.routes(health)?;
    tokio::spawn(dispatch);
    let access = core.access_layer(None);
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    stage.daemon.borrow_mut().journal = Some(journal.clone());
    let serving = Serving {
        routes,
        access,
        tls: None,
        settings: Current::new(stage.settings()),
        refusals: Refusals::new(Arc::new(LoggedEvents)),
    };
    let connections = Connections::new(serving.settings.clone(), Arc::new(core.access.clone()), Arc::default());
    let arrivals = arrivals(listener, connections.clone());
    let serving = serving.serve(arrivals, connections, CancellationToken::new());
    // Connections stay open after a failure, until the host crashes: their tasks would end in random order.
    tokio::task::spawn_local(serving);
    Err(journal.failure().await.into())
}

fn arrivals(listener: TcpListener, connections: Connections) -> impl Stream<Item = Accepted> {
    let accept = |(listener, connections): (TcpListener, Connections)| async move {
        loop {
            // A client that is gone at once is none, and neither is one that is refused.
            let Ok((stream, _address)) = listener.accept().await else {
                continue;
            };
            let Ok(guest) = connections.arrive(None) else { continue };
            let accepted = Accepted::plain(move || Ok(stream), Peer::plain(None), guest);
            return Some((accepted, (listener, connections)));
        }
    };
    futures_util::stream::unfold((listener, connections), accept)
}
