//! What a command works with: the terminal, the settings, and the daemon that they lead to.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wsfc_client::local::LocalEndpoint;
use wsfc_client::{BearerSource, Client, ConnectOptions, Identity, TlsOptions};

use crate::cli::Globals;
use crate::contexts::{self, Context, Contexts};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// The endpoint when nothing else is said and no daemon of the host can be reached by its socket or pipe.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:7443";

/// The time now.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is no part of the simulated daemon"
)]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The environment variables that the program reads.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `WSFCCTL_ENDPOINT`: the endpoints, separated by commas.
    pub endpoint: Option<String>,
    /// `WSFCCTL_CONFIG`: the file with the contexts.
    pub config: Option<PathBuf>,
    /// Where daemons of this host listen for its administrators.
    pub local: Vec<LocalEndpoint>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self {
            endpoint: std::env::var("WSFCCTL_ENDPOINT").ok().filter(|text| !text.is_empty()),
            config: std::env::var_os("WSFCCTL_CONFIG")
                .filter(|text| !text.is_empty())
                .map(PathBuf::from),
            local: LocalEndpoint::usual(),
        }
    }
}

/// What a command works with.
pub(crate) struct Session<'a> {
    pub(crate) globals: &'a Globals,
    pub(crate) environment: &'a Environment,
    pub(crate) terminal: &'a mut Terminal,
}

impl Session<'_> {
    /// Connects to the daemon. `action` is what it is needed for.
    pub(crate) async fn connect(&self, action: &str) -> Result<Client, Failure> {
        let options = self.options()?;
        Client::connect(options).await.map_err(|source| Failure::Call {
            action: action.to_owned(),
            source,
        })
    }

    /// How the daemon is reached.
    pub(crate) fn options(&self) -> Result<ConnectOptions, Failure> {
        let context = self.context()?;
        let mut options = ConnectOptions::new(context.endpoints);
        if context.ca.is_some() || context.cert.is_some() || context.key.is_some() || context.server_name.is_some() {
            options.tls = Some(TlsOptions {
                ca_pem: context.ca.as_deref().map(read).transpose()?,
                identity: identity(context.cert.as_deref(), context.key.as_deref())?,
                server_name: context.server_name,
            });
        }
        options.bearer = context.token_file.map(BearerSource::file);
        options.secrets_in_plain = context.secrets_in_plain;
        if let Some(timeout) = self.globals.timeout {
            options.request_timeout = timeout;
            options.connect_timeout = options.connect_timeout.min(timeout).max(Duration::from_millis(1));
        }
        Ok(options)
    }

    /// The cluster that a command is about: that of the flag, else of the context; empty for the cluster of the daemon's
    /// host.
    pub(crate) fn cluster(&self) -> Result<String, Failure> {
        match &self.globals.cluster {
            Some(cluster) => Ok(cluster.clone()),
            None => Ok(self.context()?.cluster.unwrap_or_default()),
        }
    }

    /// The cluster that a command names by itself, else [`cluster`](Self::cluster).
    pub(crate) fn cluster_or(&self, named: &str) -> Result<String, Failure> {
        if named.is_empty() {
            self.cluster()
        } else {
            Ok(named.to_owned())
        }
    }

    /// The daemon that the flags, the environment and the contexts lead to, in that order. An endpoint from a flag or
    /// the environment leaves the contexts aside, unless `--context` names one: certificates meant for one daemon are
    /// not shown to another.
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        let globals = self.globals;
        let given = self.given_endpoints();
        let mut context = if globals.context.is_none() && !given.is_empty() {
            Context::default()
        } else {
            let contexts = Contexts::load(&self.contexts_path()?)?;
            match contexts.find(globals.context.as_deref()) {
                Ok((_, context)) => context.clone(),
                Err(contexts::Error::NoneInUse) => Context {
                    endpoints: vec![self.next_door()],
                    ..Default::default()
                },
                Err(error) => return Err(error.into()),
            }
        };
        if !given.is_empty() {
            context.endpoints = given;
            // What is allowed towards one daemon is not towards another.
            context.secrets_in_plain = false;
        }
        self.override_tls(&mut context);
        Ok(context)
    }

    /// The daemon of this host: by its socket or pipe, where this account may use it.
    fn next_door(&self) -> String {
        let local = self.environment.local.iter().find(|endpoint| endpoint.is_open());
        local.map_or_else(|| DEFAULT_ENDPOINT.to_owned(), ToString::to_string)
    }

    /// The endpoints of the flags, else of the environment.
    pub(crate) fn given_endpoints(&self) -> Vec<String> {
        if !self.globals.endpoint.is_empty() {
            return self.globals.endpoint.clone();
        }
        let text = self.environment.endpoint.as_deref().unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Puts what the flags say about certificates, tokens and secrets in place of what the context says.
    pub(crate) fn override_tls(&self, context: &mut Context) {
        let globals = self.globals;
        for (flag, field) in [
            (&globals.ca, &mut context.ca),
            (&globals.cert, &mut context.cert),
            (&globals.key, &mut context.key),
            (&globals.token_file, &mut context.token_file),
        ] {
            if flag.is_some() {
                field.clone_from(flag);
            }
        }
        if globals.server_name.is_some() {
            context.server_name.clone_from(&globals.server_name);
        }
        if let Some(allowed) = globals.secrets_in_plain {
            context.secrets_in_plain = allowed;
        }
    }

    /// Where the contexts are.
    pub(crate) fn contexts_path(&self) -> Result<PathBuf, Failure> {
        Ok(contexts::path(self.environment.config.as_deref())?)
    }
}

fn identity(cert: Option<&Path>, key: Option<&Path>) -> Result<Option<Identity>, Failure> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some(Identity {
            cert_pem: read(cert)?,
            key_pem: read(key)?,
        })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Failure::Usage("a certificate needs its key: give --key".to_owned())),
        (None, Some(_)) => Err(Failure::Usage("a key needs its certificate: give --cert".to_owned())),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::File {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::terminal::tests::on_paper;

    /// The daemon that a command line leads to, beside a context `lab` in use and the contexts `prod` and `sim`.
    fn lead(arguments: &[&str], endpoint: Option<&str>) -> Result<Context, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contexts.toml");
        let text = "current = 'lab'\n\
            [contexts.lab]\nendpoints = ['https://lab:1']\nca = 'lab.pem'\n\
            [contexts.prod]\nendpoints = ['https://prod:1', 'https://prod:2']\nca = 'prod.pem'\n\
            [contexts.sim]\nendpoints = ['http://sim:1']\nsecrets_in_plain = true\n";
        std::fs::write(&file, text).unwrap();
        let line = ["wsfcctl", "cluster", "list"]
            .into_iter()
            .chain(arguments.iter().copied());
        let cli = Cli::try_parse_from(line).unwrap();
        let environment = Environment {
            endpoint: endpoint.map(ToOwned::to_owned),
            config: Some(file),
            ..Environment::default()
        };
        let (mut terminal, _, _) = on_paper(None);
        Session {
            globals: &cli.globals,
            environment: &environment,
            terminal: &mut terminal,
        }
        .context()
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_context() {
        assert_eq!(lead(&[], None).unwrap().endpoints, ["https://lab:1"]);
        assert_eq!(
            lead(&[], Some("http://e:1, http://f:1")).unwrap().endpoints,
            ["http://e:1", "http://f:1"]
        );
        let both = lead(
            &["--endpoint", "http://a:1", "--endpoint", "http://b:1"],
            Some("http://e:1"),
        )
        .unwrap();
        assert_eq!(both.endpoints, ["http://a:1", "http://b:1"]);
    }

    #[test]
    fn certificates_of_one_daemon_are_not_shown_to_another() {
        assert_eq!(lead(&["--endpoint", "https://a:1"], None).unwrap().ca, None);
        let named = lead(&["--endpoint", "https://a:1", "--context", "prod"], None).unwrap();
        assert_eq!(
            (named.endpoints, named.ca),
            (vec!["https://a:1".to_owned()], Some("prod.pem".into()))
        );
        assert_eq!(lead(&["--ca", "mine.pem"], None).unwrap().ca, Some("mine.pem".into()));
        assert!(matches!(
            lead(&["--context", "nope"], None),
            Err(Failure::Contexts(contexts::Error::Unknown(_)))
        ));
    }

    #[test]
    fn without_any_word_it_is_the_daemon_next_door() {
        let cli = Cli::try_parse_from(["wsfcctl", "cluster", "list"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [other, local] = ["other.sock", "api.sock"].map(|name| LocalEndpoint::Socket(folder.path().join(name)));
        let environment = Environment {
            endpoint: None,
            config: Some(folder.path().join("none.toml")),
            local: vec![other, local],
        };
        let (mut terminal, _, _) = on_paper(None);
        let session = Session {
            globals: &cli.globals,
            environment: &environment,
            terminal: &mut terminal,
        };
        assert_eq!(session.context().unwrap().endpoints, [DEFAULT_ENDPOINT]);
        #[cfg(unix)]
        {
            let socket = folder.path().join("api.sock");
            let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
            let local = format!("unix:{}", socket.display());
            assert_eq!(session.context().unwrap().endpoints, [local]);
            drop(listener);
            assert_eq!(session.context().unwrap().endpoints, [DEFAULT_ENDPOINT]);
        }
    }

    #[test]
    fn the_cluster_is_that_of_the_flag_else_of_the_context() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contexts.toml");
        let text = "current = 'lab'\n[contexts.lab]\nendpoints = ['https://lab:1']\ncluster = 'CL1'\n";
        std::fs::write(&file, text).unwrap();
        let environment = Environment {
            endpoint: None,
            config: Some(file),
            ..Environment::default()
        };
        let cluster = |arguments: &[&str]| {
            let line = ["wsfcctl", "group", "list"]
                .into_iter()
                .chain(arguments.iter().copied());
            let cli = Cli::try_parse_from(line).unwrap();
            let (mut terminal, _, _) = on_paper(None);
            let session = Session {
                globals: &cli.globals,
                environment: &environment,
                terminal: &mut terminal,
            };
            (session.cluster().unwrap(), session.cluster_or("CL3").unwrap())
        };
        assert_eq!(cluster(&[]), ("CL1".to_owned(), "CL3".to_owned()));
        assert_eq!(cluster(&["-c", "CL2"]).0, "CL2");
        // Another daemon knows another cluster.
        assert_eq!(cluster(&["--endpoint", "http://a:1"]).0, "");
    }

    #[test]
    fn a_token_is_of_its_context_or_of_the_flag() {
        let of = |arguments: &[&str]| lead(arguments, None).unwrap().token_file;
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["--token-file", "/t"]), Some("/t".into()));
        assert_eq!(
            of(&["--endpoint", "https://a:1", "--token-file", "t"]),
            Some("t".into())
        );
    }

    #[test]
    fn secrets_go_over_plain_tcp_only_where_that_is_said_of_the_daemon() {
        let of = |arguments: &[&str]| lead(arguments, None).unwrap().secrets_in_plain;
        assert!(!of(&[]));
        assert!(of(&["--secrets-in-plain"]));
        assert!(of(&["--context", "sim"]));
        assert!(!of(&["--context", "sim", "--secrets-in-plain=false"]));
        // The permission is for the endpoints of the context.
        assert!(!of(&["--context", "sim", "--endpoint", "http://a:1"]));
        assert!(of(&["--endpoint", "http://a:1", "--secrets-in-plain"]));
    }

    #[test]
    fn a_certificate_without_key_is_refused() {
        assert!(matches!(identity(Some(Path::new("a")), None), Err(Failure::Usage(_))));
        assert!(matches!(identity(None, Some(Path::new("a"))), Err(Failure::Usage(_))));
        assert!(matches!(
            identity(Some(Path::new("a")), Some(Path::new("b"))),
            Err(Failure::File { .. })
        ));
    }
}
