//! The threads that serve.

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::health_server::{Health, HealthServer};

use crate::daemon::{Daemon, StartError};
use crate::listen::connection::Accepted;
use crate::listen::serving::Serving;

impl Daemon {
    /// Starts one serving thread: a runtime of its own with the connections that are dealt out to it.
    pub(super) fn serve(
        &self,
        index: usize,
        accepted: mpsc::Receiver<Accepted>,
        health: HealthServer<impl Health>,
    ) -> Result<oneshot::Receiver<()>, StartError> {
        let (connections, stop, cut) = (self.connections.clone(), self.core.stop.clone(), self.cut.clone());
        let (routes, dispatch) = self.core.routes(health).map_err(StartError::Reflection)?;
        let serving = Serving {
            routes,
            access: self.core.access_layer(Some(&self.audit)),
            tls: self.tls.as_ref().map(|keeper| keeper.live().clone()),
            settings: self.core.settings.clone(),
            refusals: self.refusals.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let (done, ended) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                tokio::spawn(dispatch);
                let arrivals = ReceiverStream::new(accepted);
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = serving.serve(arrivals, connections, stop) => {}
                }
            });
            // What its tasks hold of the journal goes with the runtime, and with that the lock on the data directory.
            drop(runtime);
            // Nobody waits when the daemon did not come up.
            let _ = done.send(());
        };
        self.platform
            .threads
            .spawn(&format!("wsfcd-serve-{index}"), Box::new(serve))
            .map_err(StartError::Thread)?;
        Ok(ended)
    }
}

/// How many threads serve; one for each processor when 0 are asked for.
pub(super) fn thread_count(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        asked => asked,
    }
}
