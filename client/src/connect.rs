//! Connections to a daemon: several endpoints tried in turn, dialled again when they break.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tower::{Service, ServiceExt as _, service_fn};

use crate::bearer::{BearerSource, Credentials};
use crate::error::{ConnectFailure, Error};
use crate::local::{LocalEndpoint, connect};

/// What calls go over: a connection that shows on each call who calls.
pub(crate) type Channel = InterceptedService<tonic::transport::Channel, Credentials>;

/// How to reach a daemon, and how patient to be.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// The addresses of one daemon, tried in turn: URIs (`https://host:7443`), or `host:port`, which is read as `https`
    /// when `tls` is given and as `http` otherwise; or the [local endpoint](LocalEndpoint) of a daemon of this host,
    /// `unix:/path/api.sock` or `pipe:\\\\.\\pipe\\wsfcd\\api`. Operations live in the journal of one daemon, so addresses
    /// of different daemons do not belong together.
    pub endpoints: Vec<String>,
    /// The certificates; `None` for `https` endpoints: the system's trusted authorities, and no client certificate.
    pub tls: Option<TlsOptions>,
    /// The token that each call shows. Never over `http`, where others could read it.
    pub bearer: Option<BearerSource>,
    /// Whether requests with secrets, passwords of accounts and keys of cloud witnesses, go to `http` endpoints, too: there
    /// whoever has the port or is on the way gets them. Only for simulated worlds and their daemons. Default `false`: such
    /// a request is refused before anything of it is sent while any of the endpoints is one of `http`.
    pub secrets_in_plain: bool,
    /// The longest time for one endpoint to be connected to. Default 5 seconds.
    pub connect_timeout: Duration,
    /// The longest time for an answer, repeated attempts included; for a start, until the daemon has accepted it.
    /// Default 30 seconds. Following an operation and waiting for it are not bounded by it.
    pub request_timeout: Duration,
    /// How often an idle connection is probed. Default 10 seconds.
    pub keep_alive_interval: Duration,
    /// How long a probe may stay unanswered before the connection counts as broken. Default 5 seconds.
    pub keep_alive_timeout: Duration,
    /// The pause before the first repeated attempt; it doubles with every further one. Default 200 milliseconds.
    pub retry_initial: Duration,
    /// The longest pause between two attempts. Default 10 seconds.
    pub retry_longest: Duration,
    /// How long following an operation and waiting for it outlast a daemon that cannot be reached. `None`, the default:
    /// for ever.
    pub follow_timeout: Option<Duration>,
    /// How long a progress stream may say nothing at all before it counts as broken; the daemon promises a sign of life
    /// every 5 seconds. Default 20 seconds.
    pub silence_timeout: Duration,
}

impl ConnectOptions {
    /// The default options for these endpoints.
    pub fn new(endpoints: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            tls: None,
            bearer: None,
            secrets_in_plain: false,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            keep_alive_interval: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(5),
            retry_initial: Duration::from_millis(200),
            retry_longest: Duration::from_secs(10),
            follow_timeout: None,
            silence_timeout: Duration::from_secs(20),
        }
    }
}

/// The certificates of a connection, all in PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// The authorities that the daemon's certificate is checked against. `None`: the system's trusted authorities.
    pub ca_pem: Option<Vec<u8>>,
    /// The certificate that the client shows.
    pub identity: Option<Identity>,
    /// The name that the daemon's certificate must carry. `None`: the host of the endpoint.
    pub server_name: Option<String>,
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, followed by any intermediate ones, in PEM.
    pub cert_pem: Vec<u8>,
    /// The private key in PEM.
    pub key_pem: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

type Dialled = Pin<Box<dyn Future<Output = Result<tonic::transport::Channel, tonic::transport::Error>> + Send>>;

/// Where a daemon is, and how it is spoken to there.
#[derive(Debug, Clone)]
struct Target {
    endpoint: Endpoint,
    /// In place of what the endpoint names.
    local: Option<LocalEndpoint>,
}

impl Target {
    /// Whether others may read what is said there, or be there in the daemon's place.
    fn is_plain(&self) -> bool {
        self.local.is_none() && self.endpoint.uri().scheme() != Some(&Scheme::HTTPS)
    }
}

/// The endpoints of a daemon and the connection that is in use.
pub(crate) struct Connections {
    endpoints: Vec<(String, Target)>,
    bearer: Option<BearerSource>,
    secrets_in_plain: bool,
    connect_timeout: Duration,
    dial: Box<dyn Fn(Target) -> Dialled + Send + Sync>,
    current: Mutex<Current>,
    /// Held while dialling, so that callers who find no connection share the next one.
    dialling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    channel: Option<tonic::transport::Channel>,
    /// Counts the connections, so that a caller discards the one that failed it and not a newer one.
    generation: u64,
    /// The endpoint to try first: the last one that worked.
    first: usize,
}

/// A connection, for one call.
pub(crate) struct Connection {
    pub(crate) channel: Channel,
    pub(crate) way: Way,
}

/// Which way a call went.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// The number of the connection.
    pub(crate) generation: u64,
    /// What the call showed.
    pub(crate) shown: Credentials,
}

impl Connections {
    pub(crate) fn new(options: &ConnectOptions) -> Result<Self, Error> {
        let dial = |target: Target| -> Dialled {
            Box::pin(async move {
                let Some(local) = target.local else {
                    return target.endpoint.connect().await;
                };
                let connector = service_fn(move |_uri: Uri| {
                    let local = local.clone();
                    async move { connect(&local).await.map(TokioIo::new) }
                });
                target.endpoint.connect_with_connector(connector).await
            })
        };
        Self::with_dial(options, Box::new(dial))
    }

    pub(crate) fn with_connector<C>(options: &ConnectOptions, connector: C) -> Result<Self, Error>
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C::Future: Send,
        tower::BoxError: From<C::Error> + Send,
    {
        let dial = move |target: Target| -> Dialled {
            let connector = connector.clone().map_response(TokioIo::new);
            Box::pin(async move { target.endpoint.connect_with_connector(connector).await })
        };
        let connections = Self::with_dial(options, Box::new(dial))?;
        if connections.endpoints.iter().any(|(_, target)| target.local.is_some()) {
            return Err(Error::Invalid {
                field: "endpoints",
                problem: "a local endpoint is reached without a connector".to_owned(),
            });
        }
        Ok(connections)
    }

    fn with_dial(options: &ConnectOptions, dial: Box<dyn Fn(Target) -> Dialled + Send + Sync>) -> Result<Self, Error> {
        if options.endpoints.is_empty() {
            return Err(Error::Invalid {
                field: "endpoints",
                problem: "none is given".to_owned(),
            });
        }
        let endpoints = options
            .endpoints
            .iter()
            .map(|text| Ok((text.clone(), target(text, options)?)));
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, Error>>()?,
            bearer: options.bearer.clone(),
            secrets_in_plain: options.secrets_in_plain,
            connect_timeout: options.connect_timeout,
            dial,
            current: Mutex::default(),
            dialling: tokio::sync::Mutex::default(),
        })
    }

    /// The connection in use, or a new one to the first endpoint that answers. `failed` is the number of a connection
    /// that broke: it is not given again.
    pub(crate) async fn connection(&self, failed: Option<u64>) -> Result<Connection, Error> {
        if let Some(connection) = self.usable(failed) {
            return Ok(connection);
        }
        let _dialling = self.dialling.lock().await;
        if let Some(connection) = self.usable(failed) {
            return Ok(connection);
        }
        let first = self.locked().first;
        let mut failures = Vec::new();
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            let (name, target) = &self.endpoints[index];
            match tokio::time::timeout(self.connect_timeout, (self.dial)(target.clone())).await {
                Ok(Ok(channel)) => {
                    let mut current = self.locked();
                    current.channel = Some(channel.clone());
                    current.generation += 1;
                    current.first = index;
                    let generation = current.generation;
                    drop(current);
                    return Ok(self.showing(channel, generation));
                }
                Ok(Err(error)) => failures.push(ConnectFailure {
                    endpoint: name.clone(),
                    error: error.into(),
                }),
                Err(elapsed) => failures.push(ConnectFailure {
                    endpoint: name.clone(),
                    error: elapsed.into(),
                }),
            }
        }
        Err(Error::Connect { failures })
    }

    fn usable(&self, failed: Option<u64>) -> Option<Connection> {
        let mut current = self.locked();
        if failed == Some(current.generation) {
            current.channel = None;
        }
        let generation = current.generation;
        let channel = current.channel.clone()?;
        drop(current);
        Some(self.showing(channel, generation))
    }

    /// A connection whose call shows the token that there is now.
    fn showing(&self, channel: tonic::transport::Channel, generation: u64) -> Connection {
        let shown = self.credentials();
        Connection {
            channel: InterceptedService::new(channel, shown.clone()),
            way: Way { generation, shown },
        }
    }

    /// Whether a request with a secret in a field may be sent: no endpoint is plain, whichever is used in the end, or the
    /// options allow it.
    pub(crate) fn check_secret(&self, method: &'static str, field: &'static str) -> Result<(), Error> {
        let plain = self.endpoints.iter().find(|(_, target)| target.is_plain());
        match plain {
            Some((endpoint, _)) if !self.secrets_in_plain => Err(Error::SecretInPlain {
                method,
                field,
                endpoint: endpoint.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// What a call would show now.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::of(self.bearer.as_ref())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Current> {
        // Nothing panics while it is held, and each field stands on its own.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an endpoint and gives it the options.
fn target(text: &str, options: &ConnectOptions) -> Result<Target, Error> {
    let invalid = |problem: String| Error::Invalid {
        field: "endpoints",
        problem: format!("{text}: {problem}"),
    };
    let Some(local) = LocalEndpoint::parse(text) else {
        let endpoint = endpoint(text, options, invalid)?;
        return Ok(Target { endpoint, local: None });
    };
    let local = local.map_err(|problem| invalid(problem.to_owned()))?;
    if options.tls.is_some() {
        return Err(invalid("certificates are given, but the endpoint is local".to_owned()));
    }
    Ok(Target {
        // HTTP/2 wants some name; nobody looks it up.
        endpoint: patient(Endpoint::from_static("http://localhost"), options),
        local: Some(local),
    })
}

/// The same for an endpoint on the network.
fn endpoint(text: &str, options: &ConnectOptions, invalid: impl Fn(String) -> Error) -> Result<Endpoint, Error> {
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("{scheme}://{text}")
    };
    let uri: Uri = full
        .parse()
        .map_err(|error: http::uri::InvalidUri| invalid(error.to_string()))?;
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(invalid("only http, https, unix: and pipe: are known".to_owned())),
    };
    if uri.host().is_none_or(str::is_empty) {
        return Err(invalid("no host is named".to_owned()));
    }
    if options.tls.is_some() && !secure {
        return Err(invalid("certificates are given, but the endpoint is http".to_owned()));
    }
    let endpoint = patient(Endpoint::from(uri), options);
    if options.bearer.is_some() && !secure {
        return Err(Error::Invalid {
            field: "bearer",
            problem: format!("{text}: others could read the token; it is shown over https and local endpoints only"),
        });
    }
    if !secure {
        return Ok(endpoint);
    }
    let tls = options.tls.clone().unwrap_or_default();
    let mut config = ClientTlsConfig::new();
    config = match tls.ca_pem {
        Some(pem) => config.ca_certificate(Certificate::from_pem(pem)),
        None => config.with_enabled_roots(),
    };
    if let Some(identity) = tls.identity {
        config = config.identity(tonic::transport::Identity::from_pem(
            identity.cert_pem,
            identity.key_pem,
        ));
    }
    if let Some(name) = tls.server_name {
        config = config.domain_name(name);
    }
    endpoint.tls_config(config).map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        Error::Invalid {
            field: "tls",
            problem: cause.unwrap_or_else(|| error.to_string()),
        }
    })
}

fn patient(endpoint: Endpoint, options: &ConnectOptions) -> Endpoint {
    endpoint
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, tls: bool) -> Result<String, String> {
        let mut options = ConnectOptions::new([text]);
        options.tls = tls.then(TlsOptions::default);
        target(text, &options)
            .map(|target| {
                target
                    .local
                    .map_or(target.endpoint.uri().to_string(), |local| local.to_string())
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_bare_address_takes_the_scheme_from_the_certificates() {
        assert_eq!(read("127.0.0.1:7443", false).unwrap(), "http://127.0.0.1:7443/");
        assert_eq!(read("[::1]:7443", false).unwrap(), "http://[::1]:7443/");
        assert_eq!(read("node1.example:7443", true).unwrap(), "https://node1.example:7443/");
    }

    #[test]
    fn endpoints_that_cannot_work_are_refused_before_anything_is_sent() {
        assert_eq!(
            read("http://h:1", true).unwrap_err(),
            "endpoints: http://h:1: certificates are given, but the endpoint is http"
        );
        assert_eq!(
            read("ftp://h:1", false).unwrap_err(),
            "endpoints: ftp://h:1: only http, https, unix: and pipe: are known"
        );
        assert_eq!(
            read("unix:/api.sock", true).unwrap_err(),
            "endpoints: unix:/api.sock: certificates are given, but the endpoint is local"
        );
        assert_eq!(
            read(r"pipe:\\node1\pipe\api", false).unwrap_err(),
            r"endpoints: pipe:\\node1\pipe\api: the name of the pipe does not begin with \\.\pipe\"
        );
        assert!(read("http://", false).is_err());
        assert!(read("a b", false).is_err());
        let none = ConnectOptions::new(Vec::<String>::new());
        assert!(matches!(
            Connections::new(&none),
            Err(Error::Invalid { field: "endpoints", .. })
        ));
    }

    #[test]
    fn a_local_endpoint_needs_no_host() {
        assert_eq!(read("unix:///run/api.sock", false).unwrap(), "unix:/run/api.sock");
        assert_eq!(read(r"pipe:\\.\pipe\api", false).unwrap(), r"pipe:\\.\pipe\api");
    }

    #[test]
    fn tokens_are_not_shown_where_others_could_read_them() {
        let made = |endpoints: &[&str]| {
            let mut options = ConnectOptions::new(endpoints.iter().copied());
            options.bearer = Some(BearerSource::token("hunter2"));
            assert!(!format!("{options:?}").contains("hunter2"));
            Connections::new(&options).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(made(&["https://h:1", "unix:/api.sock", r"pipe:\\.\pipe\api"]), Ok(()));
        for plain in ["http://127.0.0.1:1", "h:1"] {
            let refused = made(&["https://h:1", plain]).unwrap_err();
            assert!(refused.starts_with("bearer: "), "{refused}");
        }
    }

    #[test]
    fn secrets_go_where_nobody_else_can_be() {
        let checked = |endpoints: &[&str], secrets_in_plain| {
            let mut options = ConnectOptions::new(endpoints.iter().copied());
            options.secrets_in_plain = secrets_in_plain;
            let connections = Connections::new(&options).unwrap();
            let checked = connections.check_secret("CreateCluster", "credentials");
            checked.map_err(|error| error.to_string())
        };
        let safe = ["https://h:1", "unix:/api.sock", r"pipe:\\.\pipe\api"];
        assert_eq!(checked(&safe, false), Ok(()));
        for plain in ["http://127.0.0.1:1", "h:1", "HTTP://h:1"] {
            let refused = checked(&["https://h:1", plain], false).unwrap_err();
            assert!(refused.contains(plain) && refused.contains("credentials"), "{refused}");
            assert_eq!(checked(&["https://h:1", plain], true), Ok(()));
        }
    }

    #[tokio::test]
    async fn a_bad_certificate_is_named() {
        let mut options = ConnectOptions::new(["https://h:1"]);
        let identity = Identity {
            cert_pem: b"x".to_vec(),
            key_pem: b"secret".to_vec(),
        };
        assert!(!format!("{identity:?}").contains("secret"));
        options.tls = Some(TlsOptions {
            identity: Some(identity),
            ..Default::default()
        });
        assert!(matches!(
            Connections::new(&options),
            Err(Error::Invalid { field: "tls", .. })
        ));
    }
}
