//! The settings of the daemon: what they are, their defaults, and whether they fit together.
//!
//! They come from a TOML file, the environment and flags, each later one over the earlier; see [`sources`].

pub mod access;
mod audit;
mod authority;
mod bearer;
pub mod current;
mod limits;
pub mod places;
pub mod sources;
mod thumbprint;
mod tls;
mod workloads;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wsfc_client::local;

pub use self::access::Access;
pub use self::audit::Audit;
pub use self::authority::TlsAuthority;
pub use self::bearer::BearerIssuer;
pub use self::limits::Limits;
pub use self::thumbprint::{NoThumbprint, Thumbprint};
pub use self::tls::{Tls, TlsVersion};
pub use self::workloads::Workloads;
use self::workloads::{PIPES, check_endpoint};

/// The longest time that a setting may ask for, but for how long the journal keeps things.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the journal is kept. One daemon has it at a time.
    pub data_dir: PathBuf,
    /// Where the daemon listens.
    pub listen: Listen,
    /// The certificates. Absent: no TLS, and then loopback only.
    pub tls: Option<Tls>,
    /// Who may call what.
    pub access: Access,
    /// Where the cluster API comes from.
    pub cluster_api: ClusterApi,
    /// How operations are run.
    pub operations: Operations,
    /// What the journal keeps.
    pub journal: Journal,
    /// Which clusters are observed.
    pub inventory: Inventory,
    /// Where resource DLLs connect.
    pub workloads: Workloads,
    /// Limits against peers that ask too much.
    pub limits: Limits,
    /// Where it is written down who asked for what.
    pub audit: Audit,
    /// What is logged, and how.
    pub log: Log,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: places::data_dir(),
            listen: Listen::default(),
            tls: None,
            access: Access::default(),
            cluster_api: ClusterApi::default(),
            operations: Operations::default(),
            journal: Journal::default(),
            inventory: Inventory::default(),
            workloads: Workloads::default(),
            limits: Limits::default(),
            audit: Audit::default(),
            log: Log::default(),
        }
    }
}

/// Where the daemon listens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address and port; port 0 takes a free one. Off loopback only with `tls`, and where callers can show who they are.
    pub address: SocketAddr,
    /// Listens off loopback without TLS all the same: whoever is on the way can read and change everything. Logged as a
    /// warning at each start.
    pub allow_plain: bool,
    /// Whether administrators of the host can connect at a socket or pipe of it, where the operating system says who they
    /// are: root or an administrator, or the daemon's own account.
    pub local: bool,
    /// The name of that pipe on Windows, else the path of that socket. Absent: `\\.\pipe\wsfcd\api`, else `api.sock` in
    /// `data_dir`; where that cannot be had, the daemon says so and tries again.
    pub local_endpoint: Option<String>,
    /// A file that gets the bound address, written whole, once the daemon serves. For scripts that use port 0.
    pub ready_file: Option<PathBuf>,
    /// Threads that serve connections; 0 is one for each core.
    pub threads: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7443)),
            allow_plain: false,
            local: true,
            local_endpoint: None,
            ready_file: None,
            threads: 0,
        }
    }
}

/// Where the cluster API comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterApi {
    /// A simulated world instead of the system's clusapi.dll: the name of a built-in scenario or the path of a scenario
    /// file (ends in `.toml`).
    pub simulate: Option<String>,
    /// Where the simulated world is kept, so that it outlives the daemon. Absent: `world.json` in `data_dir`.
    pub simulated_state: Option<PathBuf>,
    /// The loopback address where the simulated world is steered from, by `wsfcctl sim`. Everybody on the host can then
    /// steer it. Absent: nobody can.
    pub simulated_control: Option<SocketAddr>,
    /// The absolute path of another library with the same C functions. For tests; loading it is logged as a warning.
    pub library: Option<PathBuf>,
}

/// How operations are run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operations {
    /// The shortest time between the end of a CreateCluster and the first AddNode (the cluster API asks for 30 seconds).
    #[serde(with = "humantime_serde")]
    pub create_settle: Duration,
    /// Whether the daemon answers FALSE to the progress callback of a cancelled operation. What the cluster API makes of
    /// it is documented nowhere.
    pub cancel_answers_false: bool,
    /// How long the daemon follows a call that goes on in the cluster, such as a move or a drain. Afterwards the
    /// operation has failed with TIMED_OUT, and the cluster goes on.
    #[serde(with = "humantime_serde")]
    pub verb_timeout: Duration,
    /// How long a stopping daemon waits for running operations.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
}

impl Default for Operations {
    fn default() -> Self {
        Self {
            create_settle: Duration::from_secs(30),
            cancel_answers_false: false,
            verb_timeout: Duration::from_secs(30 * 60),
            shutdown_grace: Duration::from_secs(20),
        }
    }
}

/// What the journal keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// How many ended operations are kept with their records.
    pub keep_operations: usize,
    /// How long ended operations are kept with their records.
    #[serde(with = "humantime_serde")]
    pub keep_for: Duration,
    /// How many events of clusters are kept, for `keep_for` at most.
    pub keep_events: usize,
    /// How many records are kept in memory for live streams.
    pub memory_records: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            keep_operations: 10_000,
            keep_for: Duration::from_secs(30 * 24 * 60 * 60),
            keep_events: 100_000,
            memory_records: 65_536,
        }
    }
}

/// Which clusters are observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Inventory {
    /// Whether clusters are observed at all. When not, each read reads the cluster itself, and no cluster can be watched
    /// (NOT_OBSERVED).
    pub observe: bool,
    /// How many clusters are observed at most: that of this host, those that clients and operations name, and those of
    /// `extra`. Each costs a thread and the memory for its objects.
    pub clusters: usize,
    /// Names of clusters to observe from the start, beside that of this host.
    pub extra: Vec<String>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self {
            observe: true,
            clusters: 16,
            extra: Vec::new(),
        }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// A filter such as `info` or `wsfcd=debug,h2=warn`. What the libraries h2, hyper and rustls warn of, since their peers
    /// can make them, is logged only when it names them.
    pub filter: String,
    /// Text for people, or JSON lines for machines.
    pub format: LogFormat,
    /// Whether the log goes to files as well. Absent: when the daemon is a service, which has no console.
    pub files: Option<bool>,
    /// The folder of the log files. A new one begins each day (UTC).
    pub dir: PathBuf,
    /// How many log files are kept, at least 2. Right after a start it is one less: room is made for the next day's, which
    /// must not be that of today.
    pub keep_files: usize,
}

impl Log {
    /// As a service logs: to files, unless it was told not to.
    #[must_use]
    pub fn of_service(mut self) -> Self {
        self.files.get_or_insert(true);
        self
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: String::from("info"),
            format: LogFormat::Text,
            files: None,
            dir: places::log_dir(),
            keep_files: 30,
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Settings that do not fit together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unfit {
    /// A plain listener off loopback would give the cluster to the network.
    #[error(
        "`listen.address` {address} is not a loopback address and `tls` is not set; run `wsfcd init`, or set `tls.certificate` and `tls.key`, or listen on 127.0.0.1"
    )]
    PlainOffLoopback {
        /// The address that was set.
        address: SocketAddr,
    },
    /// Certificates of the own authority, and of another one.
    #[error(
        "`tls.authority` is `own` and `{field}` is set; the own authority has files of its own, so set one of the two"
    )]
    TwoAuthorities {
        /// What else is set.
        field: &'static str,
    },
    /// TLS without a certificate.
    #[error(
        "`{field}` is not set; set `tls.certificate` and `tls.key`, or on Windows `tls.store_thumbprint` alone, or run `wsfcd init` and set `tls.authority` to `own`"
    )]
    NoCertificate {
        /// What is missing.
        field: &'static str,
    },
    /// A certificate from files, and one from the machine's store.
    #[error(
        "`tls.store_thumbprint` and `{field}` are both set; the certificate of the server comes from one place, so set one of the two"
    )]
    TwoCertificates {
        /// What else is set.
        field: &'static str,
    },
    /// A name that is none of a store of this machine.
    #[error(
        "`tls.store` {store:?} is no name of a store of this machine, such as \"MY\" or \"WebHosting\"; `Get-ChildItem Cert:\\LocalMachine` in PowerShell lists them"
    )]
    NotAStore {
        /// The value.
        store: String,
    },
    /// A store, and no certificate that is wanted of it.
    #[error("`tls.store` is set and `tls.store_thumbprint` is not; set both or neither")]
    NothingStored,
    /// Callers off loopback could not show who they are.
    #[error(
        "`listen.address` {address} is not a loopback address and callers cannot show who they are; run `wsfcd init`, set `tls.client_ca` or `access.bearer`, or listen on 127.0.0.1"
    )]
    NobodyKnown {
        /// The address that was set.
        address: SocketAddr,
    },
    /// Roles and bindings that make no sense.
    #[error("`{field}` {fault}")]
    Access {
        /// The setting.
        field: String,
        /// What is wrong.
        fault: String,
    },
    /// Two sources of the cluster API.
    #[error("`cluster_api.simulate` and `cluster_api.library` are both set; set one")]
    TwoApis,
    /// A control of nothing.
    #[error("`cluster_api.simulated_control` is set and `cluster_api.simulate` is not; set both or neither")]
    NothingSimulated,
    /// A relative path would be looked up in whatever folder the daemon runs in.
    #[error("`{field}` is {}, which is not absolute", path.display())]
    RelativePath {
        /// The setting.
        field: &'static str,
        /// Its value.
        path: PathBuf,
    },
    /// Lists of revoked certificates, and nobody who shows one.
    #[error("`tls.crl` is set and `tls.client_ca` is not, so nobody is asked for a certificate; set both or neither")]
    NobodyToRevoke,
    /// A name that is none of a pipe of this host.
    #[error("`{field}` {endpoint:?} does not begin with {PIPES:?}")]
    NotAPipe {
        /// The setting.
        field: &'static str,
        /// The value.
        endpoint: String,
    },
    /// A number that leaves no room to work.
    #[error("`{field}` must be at least {least}")]
    TooSmall {
        /// The setting.
        field: &'static str,
        /// The least sensible value.
        least: u64,
    },
    /// A number that is more than can be counted.
    #[error("`{field}` must be at most {most}")]
    TooMany {
        /// The setting.
        field: &'static str,
        /// The greatest value that can be kept.
        most: usize,
    },
    /// A time in which nothing can be done.
    #[error("`{field}` must be at least {}", humantime::format_duration(*least))]
    TooShort {
        /// The setting.
        field: &'static str,
        /// The least sensible value.
        least: Duration,
    },
    /// A time that is longer than anybody waits.
    #[error("`{field}` must be at most {}", humantime::format_duration(*most))]
    TooLong {
        /// The setting.
        field: &'static str,
        /// The greatest sensible value.
        most: Duration,
    },
    /// An issuer of bearer tokens that cannot be accepted so.
    #[error("`access.bearer` of issuer {issuer:?}: {problem}")]
    BearerIssuer {
        /// The issuer.
        issuer: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A filter that cannot be read.
    #[error("`log.filter` {filter:?} cannot be read: {reason}")]
    LogFilter {
        /// The value.
        filter: String,
        /// Why.
        reason: String,
    },
}

impl Settings {
    /// Checks what no single value shows.
    ///
    /// # Errors
    ///
    /// The first setting that does not fit, by its name, with what to do.
    pub fn check(&self) -> Result<(), Unfit> {
        if let Some(tls) = &self.tls {
            tls.check_authority()?;
        }
        let address = self.listen.address;
        if !address.ip().is_loopback() {
            if self.tls.is_none() && !self.listen.allow_plain {
                return Err(Unfit::PlainOffLoopback { address });
            }
            let tls = self.tls.as_ref();
            let is_known = self.own_authority().is_some()
                || tls.is_some_and(|tls| tls.client_ca.is_some() || !self.access.bearer.is_empty());
            if !is_known && self.access.unauthenticated_role.is_none() {
                return Err(Unfit::NobodyKnown { address });
            }
        }
        self.access.check()?;
        if self.cluster_api.simulate.is_some() && self.cluster_api.library.is_some() {
            return Err(Unfit::TwoApis);
        }
        if self.cluster_api.simulated_control.is_some() && self.cluster_api.simulate.is_none() {
            return Err(Unfit::NothingSimulated);
        }
        if let Some(path) = self.cluster_api.library.as_ref().filter(|path| path.is_relative()) {
            return Err(Unfit::RelativePath {
                field: "cluster_api.library",
                path: path.clone(),
            });
        }
        self.workloads.check()?;
        check_endpoint("listen.local_endpoint", self.listen.local_endpoint.as_deref())?;
        self.limits.check()?;
        if let Some(tls) = &self.tls {
            tls.check()?;
        }
        self.audit.check()?;
        for (field, value, least) in [
            ("journal.memory_records", self.journal.memory_records, 256),
            ("journal.keep_operations", self.journal.keep_operations, 1),
            ("journal.keep_events", self.journal.keep_events, 1_024),
            ("inventory.clusters", self.inventory.clusters, 1),
            ("log.keep_files", self.log.keep_files, 2),
        ] {
            if value < least {
                return Err(Unfit::TooSmall {
                    field,
                    least: least as u64,
                });
            }
        }
        for (field, value, most) in [
            ("operations.create_settle", self.operations.create_settle, LONGEST),
            ("operations.verb_timeout", self.operations.verb_timeout, LONGEST),
            ("operations.shutdown_grace", self.operations.shutdown_grace, LONGEST),
            ("journal.keep_for", self.journal.keep_for, 3_650 * LONGEST),
        ] {
            if value > most {
                return Err(Unfit::TooLong { field, most });
            }
        }
        if let Err(error) = crate::logging::filter_of(&self.log.filter) {
            return Err(Unfit::LogFilter {
                filter: self.log.filter.clone(),
                reason: error.to_string(),
            });
        }
        Ok(())
    }

    /// Whether everybody on the network has a role.
    pub fn serves_anybody(&self) -> bool {
        !self.listen.address.ip().is_loopback() && self.access.unauthenticated_role.is_some()
    }

    /// Where administrators of the host connect.
    pub fn local_endpoint(&self) -> String {
        self.listen.local_endpoint.clone().unwrap_or_else(|| {
            if cfg!(windows) {
                local::PIPE.into()
            } else {
                self.data_dir.join(local::SOCKET).to_string_lossy().into_owned()
            }
        })
    }

    /// Whether what is said off loopback can be read and changed by whoever is on the way.
    pub fn serves_in_plain(&self) -> bool {
        !self.listen.address.ip().is_loopback() && self.tls.is_none()
    }

    /// Where the simulated world is kept.
    pub fn simulated_state(&self) -> PathBuf {
        self.cluster_api
            .simulated_state
            .clone()
            .unwrap_or_else(|| self.data_dir.join("world.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn off_loopback_only_with_tls_and_callers_who_can_be_known() {
        let mut settings = Settings::default();
        settings.listen.address = "0.0.0.0:7443".parse().unwrap();
        assert!(matches!(settings.check(), Err(Unfit::PlainOffLoopback { .. })));
        let tls = |client_ca: Option<&str>| Tls {
            client_ca: client_ca.map(PathBuf::from),
            ..Tls::new("/c.pem", "/k.pem")
        };
        settings.tls = Some(tls(None));
        assert!(matches!(settings.check(), Err(Unfit::NobodyKnown { .. })));
        settings.tls = Some(tls(Some("/ca.pem")));
        assert_eq!(settings.check(), Ok(()));
        settings.tls = Some(Tls::own());
        assert_eq!(settings.check(), Ok(()));
        assert!(!settings.serves_anybody());
        settings.tls = Some(tls(None));
        settings.access.bearer = vec![BearerIssuer::new("https://id.example", "wsfcd")];
        assert_eq!(settings.check(), Ok(()));
        settings.listen.allow_plain = true;
        settings.tls = None;
        assert!(matches!(settings.check(), Err(Unfit::NobodyKnown { .. })));
    }

    #[test]
    fn the_overrides_are_words_of_their_own() {
        let mut settings = Settings::default();
        settings.listen.address = "[2001:db8::1]:7443".parse().unwrap();
        settings.listen.allow_plain = true;
        assert!(matches!(settings.check(), Err(Unfit::NobodyKnown { .. })));
        settings.access.unauthenticated_role = Some("viewer".into());
        assert_eq!(settings.check(), Ok(()));
        assert!(settings.serves_anybody() && settings.serves_in_plain());
        settings.listen.allow_plain = false;
        assert!(matches!(settings.check(), Err(Unfit::PlainOffLoopback { .. })));
    }

    #[test]
    fn a_library_is_named_by_absolute_path_and_alone() {
        let mut settings = Settings::default();
        settings.cluster_api.library = Some("clusapi.dll".into());
        assert!(matches!(
            settings.check(),
            Err(Unfit::RelativePath {
                field: "cluster_api.library",
                ..
            })
        ));
        settings.cluster_api.simulate = Some("demo".into());
        assert_eq!(settings.check(), Err(Unfit::TwoApis));
    }

    #[test]
    fn times_are_bounded() {
        let mut settings = Settings::default();
        settings.operations.create_settle = Duration::MAX;
        assert!(matches!(
            settings.check(),
            Err(Unfit::TooLong {
                field: "operations.create_settle",
                ..
            })
        ));
    }

    #[test]
    fn a_bad_log_filter_is_named() {
        let mut settings = Settings::default();
        settings.log.filter = "wsfcd=loud".into();
        assert!(matches!(settings.check(), Err(Unfit::LogFilter { .. })));
    }
}
