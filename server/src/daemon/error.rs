//! Why a daemon does not start, and why it does not take settings that were read again.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::bearer::BearerError;
use crate::access::enrolment;
use crate::daemon::own::FreshenError;
use crate::journal::{AppendError, OpenError};
use crate::listen::host::ListenError;
use crate::listen::tls::TlsError;
use crate::settings::Unfit;
use crate::settings::sources::SettingsError;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that do not fit together.
    #[error("the settings do not fit together")]
    Settings(#[from] Unfit),
    /// Certificates.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// Issuers of bearer tokens.
    #[error("bearer tokens cannot be taken")]
    Bearer(#[from] BearerError),
    /// The own authority.
    #[error("the daemon has no certificate of its own authority")]
    Own(#[from] FreshenError),
    /// What was granted and issued before.
    #[error("what was granted before cannot be known")]
    Access(#[from] enrolment::OpenError),
    /// The journal.
    #[error("the journal in {} cannot be opened", path.display())]
    Journal {
        /// The data directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: OpenError,
    },
    /// What a former daemon left cannot be settled.
    #[error("the operations of the last run cannot be settled")]
    Recover(#[source] AppendError),
    /// The socket.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The endpoint of resource DLLs.
    #[error("resource DLLs cannot connect at {endpoint}")]
    Channel {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ListenError,
    },
    /// The endpoint of administrators of the host.
    #[error("administrators of this host cannot connect at {endpoint}")]
    Local {
        /// The endpoint.
        endpoint: String,
        /// Why.
        #[source]
        source: ListenError,
    },
    /// The ready file.
    #[error("cannot write the ready file {}", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The reflection service.
    #[error("the contract's own descriptor set cannot be read, which is a defect of the build")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// A thread.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
}

/// Why settings that were read again are not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They cannot be had.
    #[error("the settings cannot be read")]
    Settings(#[from] SettingsError),
    /// Certificates.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
}
