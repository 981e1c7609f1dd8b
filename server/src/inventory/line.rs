//! How an observer is spoken to: what it is asked for, and the line on which it is told to end.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use wsfc_clusapi::Error;
use wsfc_clusapi::notify::Closer;
use wsfc_proto::v1::ObjectKind;

/// What an observer is asked for.
#[derive(Debug)]
pub enum Order {
    /// To compare everything now. Answered when what was found is durable.
    Compare(oneshot::Sender<Result<(), Arc<Error>>>),
    /// To take every object of the cluster out of the inventory, and to end. Answered when that is durable.
    Forget(oneshot::Sender<()>),
    /// To read the objects of a kind again, of which notifications may not tell.
    Read(ObjectKind),
    /// To read the object of a kind and name, of which notifications may not have told yet. Answered when what was found is
    /// durable; not at all when it cannot be read.
    Learn(ObjectKind, String, oneshot::Sender<()>),
    /// To look whether it is to end.
    Wake,
}

/// The line on which an observer is told to end, also while it waits at its port.
#[derive(Debug, Default)]
pub struct Line(Mutex<Attached>);

#[derive(Debug, Default)]
struct Attached {
    stopped: bool,
    port: Option<Closer>,
}

impl Line {
    /// Tells the observer to end.
    pub fn stop(&self) {
        let mut attached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attached.stopped = true;
        if let Some(port) = attached.port.take() {
            port.close();
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }

    /// Lets the port be closed from the other side; false when it is too late to wait at it.
    pub(super) fn attach(&self, port: Closer) -> bool {
        let mut attached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        attached.port = Some(port);
        !attached.stopped
    }
}
