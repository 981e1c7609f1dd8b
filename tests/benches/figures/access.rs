//! What it costs to know who calls and what it may: for a call, and for each record of a stream.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use tonic::body::Body;
use tower::{Layer as _, Service, ServiceExt as _};
use wsfc_clusapi::Clusapi;
use wsfc_simulator::Simulation;
use wsfc_tests::certificates::Authority;
use wsfcd::access::certificate::ClientCertificate;
use wsfcd::access::enrolment::Kept;
use wsfcd::access::policy::{ADMINISTRATOR, Binding};
use wsfcd::daemon::Core;
use wsfcd::journal::MemoryStore;
use wsfcd::listen::connection::{Medium, Peer};
use wsfcd::platform::Platform;
use wsfcd::settings::Settings;

use crate::journals;
use crate::method::{Effort, Times, table, us};
use crate::served::two_machines;

/// Calls, or records, that one reading of the clock is about.
const BATCH: u32 = 1_000;
/// The size of a record that tells the progress of a phase.
const RECORD_BYTES: usize = 200;

/// Takes the figures.
pub fn run(effort: Effort) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        calls(effort).await;
        records(effort).await;
    });
}

/// A daemon's core that knows the harness and so many others.
async fn core(others: usize) -> Core {
    let mut settings = Settings::default();
    settings.access.loopback_role = Some(ADMINISTRATOR.into());
    // As often as it can be called, with the rates that are kept all the same.
    settings.limits.calls_per_second = 1_000_000_000;
    settings.limits.call_burst = 1_000_000_000;
    let binding = |subject: String| Binding {
        subject,
        role: ADMINISTRATOR.into(),
        clusters: None,
    };
    settings.access.bindings = (0..others)
        .map(|number| binding(format!("dns:other-{number}.test")))
        .collect();
    settings.access.bindings.push(binding("dns:caller.test".into()));
    let journal = journals::over(MemoryStore::new(), journals::options());
    let api = Clusapi::from_provider(Simulation::new(two_machines()).expect("a world"));
    let platform = Platform::system();
    let core = Core::new(settings, journal, &[], Kept::nothing(&platform), api, platform);
    core.await.expect("the journal is open")
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

fn request(path: &str, peer: &Peer) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = http::Method::POST;
    request
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("application/grpc"));
    *request.uri_mut() = path.parse().expect("a path");
    request.extensions_mut().insert(peer.clone());
    request
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

async fn time_calls<S>(effort: Effort, mut service: S, peer: &Peer) -> Times
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let mut times = Times::default();
    for _ in 0..effort.rounds(600) {
        let requests: Vec<_> = (0..BATCH)
            .map(|_| request("/wsfc.v1.ClusterService/GetHostState", peer))
            .collect();
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
    let bare = time_calls(effort, Answers(Body::empty), &loopback()).await;
    let mut rows = vec![vec![
        "no layer".into(),
        String::new(),
        us(bare.median()),
        us(bare.quantile(990)),
    ]];
    for (caller, peer) in [
        ("from the host itself", loopback()),
        ("with a certificate", certified()),
    ] {
        for others in [0, 1_000] {
            let core = core(others).await;
            let gate = core.access_layer(None).layer(Answers(Body::empty));
            let times = time_calls(effort, gate, &peer).await;
            rows.push(vec![
                caller.into(),
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
    let core = core(0).await;
    let bare = time_records(effort, answers.clone()).await;
    let guarded = time_records(effort, core.access_layer(None).layer(answers)).await;
    let row = |name: &str, times: &Times| vec![name.into(), us(times.median()), us(times.quantile(990))];
    table(
        "A record of a stream, without encoding and network: microseconds",
        &["stream", "median", "p99"],
        &[row("as the service gives it", &bare), row("guarded", &guarded)],
    );
}
