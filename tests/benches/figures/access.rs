//! What it costs to know who calls and what it may, for a call and for each record of a stream; and what it costs to write
//! a call down before it is carried out.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use prost::Message as _;
use tempfile::TempDir;
use tonic::body::Body;
use tower::{Layer as _, Service, ServiceExt as _};
use wsfc_clusapi::Clusapi;
use wsfc_proto::v1;
use wsfc_simulator::Simulation;
use wsfc_tests::certificates::Authority;
use wsfc_tests::tokens::Issuer;
use wsfcd::access::bearer::Bearer;
use wsfcd::access::certificate::ClientCertificate;
use wsfcd::access::enrolment::Kept;
use wsfcd::access::policy::{ADMINISTRATOR, Binding};
use wsfcd::audit::Audit;
use wsfcd::daemon::Core;
use wsfcd::journal::MemoryStore;
use wsfcd::listen::connection::{Medium, Peer};
use wsfcd::platform::Platform;
use wsfcd::settings::{BearerIssuer, Settings};

use crate::journals;
use crate::method::{Effort, Times, table, us};
use crate::served::{two_machines, unhurried};

/// Calls, or records, that one reading of the clock is about.
const BATCH: u32 = 1_000;
/// Who signs the bearer tokens here.
const ISSUER: &str = "https://id.test";
/// More tokens than the daemon remembers, so that it has forgotten each when it comes again.
const FORGOTTEN: u64 = 5_000;
/// The size of a record that tells the progress of a phase.
const RECORD_BYTES: usize = 200;

/// Takes the figures.
pub fn run(effort: Effort) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        calls(effort).await;
        records(effort).await;
        audited(effort).await;
    });
}

/// A daemon's core that knows the harness and so many others, and takes the tokens of an issuer.
async fn core(others: usize, issuer: Option<BearerIssuer>) -> Core {
    let mut settings = unhurried();
    let binding = |subject: String| Binding {
        subject,
        role: ADMINISTRATOR.into(),
        clusters: None,
    };
    settings.access.bindings = (0..others)
        .map(|number| binding(format!("dns:other-{number}.test")))
        .collect();
    settings.access.bindings.push(binding("dns:caller.test".into()));
    settings.access.bindings.push(binding(format!("user:{ISSUER}#caller")));
    settings.access.bearer.extend(issuer);
    let journal = journals::over(MemoryStore::new(), journals::options());
    let api = Clusapi::from_provider(Simulation::new(two_machines()).expect("a world"));
    let platform = Platform::system();
    let bearer = Bearer::of_settings(&settings, &*platform.clock).expect("keys in a file");
    let core = Core::new(settings, journal, &[], Kept::nothing(&platform), api, platform);
    let core = core.await.expect("the journal is open");
    if let Some(bearer) = bearer {
        core.access.take_tokens(bearer);
    }
    core
}

fn certified() -> Peer {
    let identity = Authority::new().issue("caller.test");
    let der = rustls_pki_types::pem::PemObject::from_pem_slice(&identity.cert_pem);
    let der: rustls_pki_types::CertificateDer<'_> = der.expect("a certificate");
    Peer {
        medium: Medium::Tls,
        certificate: Some(Arc::new(ClientCertificate::of_der(&der))),
        ..loopback()
    }
}

fn loopback() -> Peer {
    Peer::plain(Some(([127, 0, 0, 1], 50_000).into()))
}

fn secured() -> Peer {
    Peer {
        medium: Medium::Tls,
        ..loopback()
    }
}

/// Who calls, and what it shows.
struct Caller {
    peer: Peer,
    /// Each call shows the next of them, and after the last the first again.
    tokens: Vec<HeaderValue>,
}

impl Caller {
    fn with(peer: Peer) -> Self {
        let tokens = Vec::new();
        Self { peer, tokens }
    }

    /// A caller with so many tokens of an issuer, which all are good for an hour and more.
    fn of(issuer: &Issuer, tokens: u64) -> Self {
        let token = |number| issuer.token("caller", &[], Duration::from_secs(3_600 + number));
        let header = |token: String| format!("Bearer {token}").parse().expect("a header");
        Self {
            peer: secured(),
            tokens: (0..tokens).map(token).map(header).collect(),
        }
    }

    fn request(&self, number: usize) -> Request<Body> {
        let mut request = request("/wsfc.v1.ClusterService/GetHostState", &self.peer);
        if let Some(token) = self.tokens.get(number % self.tokens.len().max(1)) {
            request.headers_mut().insert(http::header::AUTHORIZATION, token.clone());
        }
        request
    }
}

fn request(path: &str, peer: &Peer) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = http::Method::POST;
    request
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    *request.uri_mut() = path.parse().expect("a path");
    request.extensions_mut().insert(peer.clone());
    request
}

/// An answer to a read: the framed bytes of a small message.
fn small() -> Body {
    const FRAMED: [u8; 64] = [0; 64];
    Body::new(http_body_util::Full::new(Bytes::from_static(&FRAMED)))
}

/// A service that answers at once with a body.
#[derive(Clone)]
struct Answers(fn() -> Body);

impl Service<Request<Body>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::new((self.0)())))
    }
}

async fn time_calls<S>(effort: Effort, mut service: S, caller: &Caller) -> Times
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut times = Times::default();
    let mut number = 0;
    for _ in 0..effort.rounds(600) {
        let requests: Vec<_> = (number..)
            .map(|number| caller.request(number))
            .take(BATCH as usize)
            .collect();
        number += requests.len();
        let began = Instant::now();
        for request in requests {
            let Ok(answer) = service.ready().await.expect("it cannot fail").call(request).await;
            assert!(!answer.headers().contains_key("grpc-status"), "the call is refused");
        }
        times.add(began.elapsed() / BATCH);
    }
    times
}

async fn calls(effort: Effort) {
    let folder = TempDir::new().expect("a folder");
    let issuer = Issuer::new(ISSUER);
    let taken = issuer.settings(folder.path());
    let bare = time_calls(effort, Answers(small), &Caller::with(loopback())).await;
    let mut rows = vec![vec![
        "no layer".into(),
        String::new(),
        us(bare.median()),
        us(bare.quantile(990)),
    ]];
    for (name, caller) in [
        ("from the host itself", Caller::with(loopback())),
        ("with a certificate", Caller::with(certified())),
        ("with a bearer token that was seen before", Caller::of(&issuer, 1)),
        ("with a bearer token for the first time", Caller::of(&issuer, FORGOTTEN)),
    ] {
        for others in [0, 1_000] {
            let core = core(others, Some(taken.clone())).await;
            let gate = core.access_layer(None).layer(Answers(small));
            let times = time_calls(effort, gate, &caller).await;
            rows.push(vec![
                name.into(),
                others.to_string(),
                us(times.median()),
                us(times.quantile(990)),
            ]);
        }
    }
    table(
        "A call that reads, without its handler: microseconds",
        &["caller", "other bindings", "median", "p99"],
        &rows,
    );
}

/// A call that changes something, so many of them at once, each timed for itself.
async fn time_changes<S>(effort: Effort, service: S, at_once: usize) -> Times
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    let message = v1::OnlineGroupRequest::default().encode_to_vec();
    let framed = Bytes::from([&[0], (message.len() as u32).to_be_bytes().as_slice(), &message].concat());
    let change = || async {
        let mut request = request("/wsfc.v1.GroupService/OnlineGroup", &loopback());
        *request.body_mut() = Body::new(http_body_util::Full::new(framed.clone()));
        let began = Instant::now();
        let Ok(answer) = service.clone().oneshot(request).await;
        assert!(!answer.headers().contains_key("grpc-status"), "the call is refused");
        began.elapsed()
    };
    let mut times = Vec::new();
    for _ in 0..effort.rounds(6_400) / at_once + 1 {
        times.extend(join_all((0..at_once).map(|_| change())).await);
    }
    times.into_iter().collect()
}

async fn audited(effort: Effort) {
    let mut rows = Vec::new();
    for at_once in [1, 64] {
        let folder = TempDir::new().expect("a folder");
        let core = core(0, None).await;
        let options = Settings {
            data_dir: folder.path().to_owned(),
            ..Settings::default()
        };
        let audit = Audit::start(options.audit_options(), &Platform::system()).expect("a thread");
        for (name, audit) in [("no audit log", None), ("audit log on disk", Some(&audit))] {
            let gate = core.access_layer(audit).layer(Answers(Body::empty));
            let times = time_changes(effort, gate, at_once).await;
            rows.push(vec![
                name.into(),
                at_once.to_string(),
                us(times.median()),
                us(times.quantile(990)),
            ]);
        }
        audit.stop().await;
    }
    table(
        "A call that changes something, without its handler: microseconds",
        &["", "calls at once", "median", "p99"],
        &rows,
    );
}

/// A stream of records that are there.
struct Records(u32);

impl http_body::Body for Records {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        static RECORD: [u8; RECORD_BYTES] = [0; RECORD_BYTES];
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&RECORD)))))
    }
}

async fn time_records<S>(effort: Effort, mut service: S) -> Times
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut times = Times::default();
    for _ in 0..effort.rounds(2_000) {
        let request = request("/wsfc.v1.EventService/Watch", &loopback());
        let Ok(answer) = service.ready().await.expect("it cannot fail").call(request).await;
        let mut body = answer.into_body();
        let began = Instant::now();
        let mut count = 0;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            count += u32::from(frame.expect("a record").is_data());
        }
        assert_eq!(count, BATCH, "records are missing");
        times.add(began.elapsed() / BATCH);
    }
    times
}

async fn records(effort: Effort) {
    let answers = Answers(|| Body::new(Records(BATCH)));
    let core = core(0, None).await;
    let bare = time_records(effort, answers.clone()).await;
    let guarded = time_records(effort, core.access_layer(None).layer(answers)).await;
    let row = |name: &str, times: &Times| vec![name.into(), us(times.median()), us(times.quantile(990))];
    table(
        "A record of a stream, without encoding and network: microseconds",
        &["stream", "median", "p99"],
        &[row("as the service gives it", &bare), row("guarded", &guarded)],
    );
}
