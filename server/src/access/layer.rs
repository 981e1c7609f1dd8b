//! The layer in front of all services that decides each call, and ends streams that are no longer allowed.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tokio_stream::Stream as _;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use wsfc_proto::methods::{self, Method};
use wsfc_proto::reasons;
use wsfc_proto::v1::Permission;

use super::Access;
use super::identity::{Identity, Refusal};
use super::policy::{Decision, Reach, Rights, Scope};
use super::quotas::{self, Account, Quotas};
use super::request;
use super::unread::Share;
use crate::audit::{self, Audit, Began, Deferred, Held, Made, Outcome, Ticket};
use crate::grpc::status;
use crate::inventory::Clusters;
use crate::listen::connection::Peer;

/// The longest time that a timer is set for; longer ones are set again.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Who makes a call, and where it may act; handlers find it among the extensions of their request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who calls.
    pub identity: Arc<Identity>,
    /// Where the call is allowed.
    pub reach: Reach,
    /// What else the caller may do.
    pub rights: Arc<Rights>,
}

/// Puts an [`AccessGate`] in front of services.
#[derive(Clone)]
pub struct AccessLayer {
    access: Access,
    clusters: Clusters,
    quotas: Quotas,
    audit: Option<Audit>,
}

impl AccessLayer {
    /// Decides by this access; clusters are known by these, and these quotas are kept. What changes something is in the
    /// audit log before it is carried out; without one it is not written down.
    pub fn new(access: Access, clusters: Clusters, quotas: Quotas, audit: Option<Audit>) -> Self {
        Self {
            access,
            clusters,
            quotas,
            audit,
        }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = AccessGate<S>;

    fn layer(&self, inner: S) -> AccessGate<S> {
        AccessGate {
            inner,
            layer: self.clone(),
        }
    }
}

/// Decides each call before the service behind it sees it.
#[derive(Clone)]
pub struct AccessGate<S> {
    inner: S,
    layer: AccessLayer,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for AccessGate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        // The one that is ready answers; its copy is asked again next time.
        let ready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, ready);
        let layer = self.layer.clone();
        Box::pin(async move {
            Ok(layer
                .answer(inner, request)
                .await
                .unwrap_or_else(|refused| refused.into_http()))
        })
    }
}

/// What a path asks of its caller.
enum Asked {
    /// A method of the contract.
    Method(&'static Method),
    /// Of the protocol that says whether the daemon serves, and nothing else.
    Health { streams: bool },
    /// Of the protocol that says what the contract is.
    Reflection,
    /// Nothing that there is. Strangers do not learn that.
    Unknown,
}

impl Asked {
    fn of_path(path: &str) -> Self {
        if let Some(method) = methods::of_path(path) {
            Self::Method(method)
        } else if let Some(name) = path.strip_prefix("/grpc.health.v1.Health/") {
            Self::Health {
                streams: name == "Watch",
            }
        } else if path.starts_with("/grpc.reflection.") {
            Self::Reflection
        } else {
            Self::Unknown
        }
    }

    /// Whether it changes something.
    const fn changes(&self) -> bool {
        matches!(self, Self::Method(method) if method.changes)
    }

    /// Whether its client streams.
    const fn uploads(&self) -> bool {
        matches!(self, Self::Method(method) if method.uploads)
    }

    /// Whether its answer may be a stream.
    const fn streams(&self) -> bool {
        match self {
            Self::Method(method) => method.streams,
            Self::Health { streams } => *streams,
            Self::Reflection | Self::Unknown => true,
        }
    }

    const fn permission(&self) -> Permission {
        match self {
            Self::Method(method) => method.permission,
            Self::Health { .. } => Permission::Public,
            Self::Reflection | Self::Unknown => Permission::Authenticated,
        }
    }
}

impl AccessLayer {
    async fn answer<S>(self, mut inner: S, request: Request<Body>) -> Result<Response<Body>, Status>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let asked = Asked::of_path(request.uri().path());
        let generation = self.access.generation();
        let mut about = audit::call::about(&request, asked.permission());
        let caller = self.caller(&request, &asked, &mut about);
        let (mut caller, account) = caller.inspect_err(|refused| self.refused(&about, refused))?;
        let share = asked.streams().then(|| self.quotas.stream(&account)).transpose();
        let share = share.inspect_err(|refused| self.refused(&about, refused))?;
        let request = self.within_scope(&asked, &caller, request).await;
        let request = request.inspect_err(|refused| self.refused(&about, refused))?;
        let (mut request, ticket) = self.written_down(&asked, &mut about, request).await?;
        let guard = Guard {
            access: self.access.clone(),
            identity: Arc::clone(&caller.identity),
            reach: caller.reach.clone(),
            generation,
        };
        // The request may have taken its time, and what it asks for is no longer for this caller.
        if let Err(refused) = guard.still() {
            match ticket {
                Some(ticket) => ticket.outcome(audit::call::outcome_of(&refused), None, None),
                None => self.refused(&about, &refused),
            }
            return Err(refused);
        }
        // Handlers ask for more of them than for the permission of the method.
        if self.access.generation() != generation {
            let rights = self.access.rights(&caller.identity);
            caller.rights = Arc::new(rights.unwrap_or_default());
        }
        request.extensions_mut().insert(caller);
        let ticket = match ticket {
            // What such a call is about is in what comes later, and so is its outcome.
            Some(ticket) if asked.uploads() => {
                request.extensions_mut().insert(Held::new(ticket));
                None
            }
            ticket => ticket,
        };
        let answering = inner.call(request);
        let response = match ticket {
            // What changes something goes on to its end when its caller leaves, so that its outcome is known.
            Some(ticket) => {
                let carried_out = tokio::spawn(async move {
                    let Ok(response) = answering.await;
                    let began = response.extensions().get().map(|Began(id)| id.to_string());
                    let made = response.extensions().get().map(|Made(what)| what.clone());
                    ticket.outcome(audit::call::outcome(&response), began, made);
                    response
                });
                let carried_out = carried_out.await;
                carried_out.map_err(|_panicked| status::internal("the call panicked"))?
            }
            None => {
                let Ok(response) = answering.await;
                // Some handlers know better than this layer what a caller may not.
                self.told_refusal(&about, audit::call::outcome(&response));
                // The answer may have taken its time, too. What was changed is told in any case.
                if let Err(refused) = guard.still() {
                    self.refused(&about, &refused);
                    return Err(refused);
                }
                response
            }
        };
        match share {
            Some(share) => {
                let told = self.audit.map(|audit| (audit, about));
                Ok(response.map(|body| Body::new(GuardedBody::new(body, guard, share, told))))
            }
            None => {
                let answer = self.quotas.answer(&account, asked.changes(), response).await;
                answer.inspect_err(|refused| self.refused(&about, refused))
            }
        }
    }

    /// Who makes a call that needs a permission, if it has that anywhere, and where its quotas are kept. `about` gets who it
    /// is, whatever is decided.
    fn caller(
        &self,
        request: &Request<Body>,
        asked: &Asked,
        about: &mut audit::Asked,
    ) -> Result<(Caller, Account), Status> {
        let permission = asked.permission();
        let nobody = Peer::plain(None);
        let peer = request.extensions().get::<Peer>().unwrap_or(&nobody);
        let identity = match self.access.identify(peer, request.headers()) {
            // Who comes for a new certificate may be shown by one that is over.
            Err(_refused) if permission == Permission::Public => self.access.identify(&nobody, &HeaderMap::new()),
            identified => identified,
        };
        let identity = identity.map_err(|refusal| {
            // To look at what is refused costs more than the rest of a call.
            let limited = self.quotas.call(&quotas::refused_account(peer), false);
            limited.err().unwrap_or_else(|| status::refused(&refusal))
        })?;
        about.who = audit::call::who(&identity);
        let rights = self.access.rights(&identity);
        // A name that was taken away from whoever shows it does not use up what its owner may call.
        let account = match asked {
            Asked::Health { .. } => quotas::health_account(peer),
            _ => quotas::account(&identity, rights.is_ok(), peer),
        };
        self.quotas.call(&account, asked.changes()).inspect_err(|_limited| {
            if rights.is_err() {
                // In the audit log it would be a good name otherwise.
                about.who.method.clear();
            }
        })?;
        let rights = match rights {
            Err(_refused) if permission == Permission::Public => {
                // Of what changes nothing only a refusal is written down, which must not be one of a good name.
                if !asked.changes() {
                    about.who.method.clear();
                }
                Ok(Rights::default())
            }
            rights => rights,
        };
        let rights = rights.map_err(|refusal| status::refused(&refusal))?;
        let scope = match rights.decide(permission) {
            Decision::Granted(scope) => scope,
            Decision::Denied if identity.is_known() => return Err(status::permission_missing(permission, None)),
            Decision::Denied => return Err(status::refused(&Refusal::CredentialsRequired)),
        };
        let caller = Caller {
            identity: Arc::new(identity),
            reach: Reach { permission, scope },
            rights: Arc::new(rights),
        };
        Ok((caller, account))
    }

    /// Lets a call through that stays where its caller may act, as far as names tell that. Nothing is asked for it: the
    /// account of the daemon goes nowhere because somebody without rights there names it. Who opens the cluster looks at
    /// the name that it has itself.
    async fn within_scope(
        &self,
        asked: &Asked,
        caller: &Caller,
        request: Request<Body>,
    ) -> Result<Request<Body>, Status> {
        let (Scope::Clusters(_), Asked::Method(method)) = (&caller.reach.scope, asked) else {
            return Ok(request);
        };
        if method.cluster.is_empty() {
            return if method.filtered {
                Ok(request)
            } else {
                Err(status::permission_missing(method.permission, None))
            };
        }
        let (parts, body) = request.into_parts();
        let bytes = self.whole(body, method).await?;
        let named = request::cluster(method, &bytes).map_err(|error| status::unreadable(&error))?;
        // The cluster of this host is known to be another one, or has to be asked.
        let is_within = match self.clusters.known(&named) {
            Some(known) => caller.reach.scope.holds(&known),
            None => named.is_empty() || caller.reach.scope.holds(&named),
        };
        let is_about_all = named.is_empty() && method.filtered;
        if !is_within && !is_about_all {
            return Err(status::permission_missing(method.permission, Some(&named)));
        }
        Ok(Request::from_parts(parts, Body::new(http_body_util::Full::new(bytes))))
    }

    /// Takes a whole request of one message off the network.
    async fn whole(&self, body: Body, method: &Method) -> Result<Bytes, Status> {
        let arrived = request::whole(body, self.quotas.request_bytes(method.permission)).await;
        arrived.map_err(|error| status::unreadable(&error))
    }

    /// Writes down a call that may change something, before a handler has it.
    async fn written_down(
        &self,
        asked: &Asked,
        about: &mut audit::Asked,
        request: Request<Body>,
    ) -> Result<(Request<Body>, Option<Ticket>), Status> {
        let (Some(audit), Asked::Method(method)) = (&self.audit, asked) else {
            return Ok((request, None));
        };
        if !method.changes {
            return Ok((request, None));
        }
        let request = if method.uploads {
            request
        } else {
            let (parts, body) = request.into_parts();
            let bytes = self.whole(body, method).await?;
            // What cannot be read is left to the handler, which refuses it.
            if let Some(message) = request::decode(method, &bytes) {
                audit::request::describe(&mut about.call, message);
            }
            Request::from_parts(parts, Body::new(http_body_util::Full::new(bytes)))
        };
        if method.permission == Permission::Public {
            let mut request = request;
            let deferred = Deferred::new(audit.clone(), about.clone());
            request.extensions_mut().insert(deferred);
            return Ok((request, None));
        }
        let ticket = audit.intent(about.clone()).await;
        let ticket = ticket.map_err(|error| status::audit(&error))?;
        Ok((request, Some(ticket)))
    }

    /// Writes down that a call is refused, if it is because of who asks.
    fn refused(&self, about: &audit::Asked, refused: &Status) {
        self.told_refusal(about, audit::call::outcome_of(refused));
    }

    fn told_refusal(&self, about: &audit::Asked, outcome: Outcome) {
        if let Some(audit) = self.audit.as_ref().filter(|_| audit::call::is_refusal(&outcome)) {
            audit.refused(about.clone(), outcome);
        }
    }
}

/// What a call was allowed by.
struct Guard {
    access: Access,
    identity: Arc<Identity>,
    reach: Reach,
    /// The policy that was asked last.
    generation: u64,
}

impl Guard {
    /// Whether the call is still allowed where it was: the identity is not over, and the policy, which is asked again when
    /// it is another.
    fn still(&self) -> Result<(), Status> {
        let Reach { permission, scope } = &self.reach;
        if *permission == Permission::Public {
            return Ok(());
        }
        let in_time = self.identity.check_time(self.access.now());
        in_time.map_err(|refusal| status::refused(&refusal))?;
        if self.access.generation() == self.generation {
            return Ok(());
        }
        let decision = self.access.decide(&self.identity, *permission);
        match decision.map_err(|refusal| status::refused(&refusal))? {
            Decision::Granted(still) if still.covers(scope) => Ok(()),
            Decision::Granted(_) | Decision::Denied => Err(status::permission_missing(*permission, None)),
        }
    }

    /// How long it is until the identity should be over.
    fn until_expiry(&self) -> Option<Duration> {
        let left = self
            .identity
            .expires?
            .duration_since(self.access.now())
            .unwrap_or_default();
        Some(left.min(LONGEST_SLEEP))
    }
}

/// The body of a stream, which ends as soon as what allowed it is gone.
struct GuardedBody {
    inner: Body,
    guard: Guard,
    policies: WatchStream<u64>,
    /// Fires when the identity is over.
    expiry: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    /// Hears of it when the stream is ended for what its caller may do no longer.
    told: Option<(Audit, audit::Asked)>,
    /// Each chunk holds it, too: the connection may have the last of them when this body is gone.
    share: Arc<Share>,
}

impl GuardedBody {
    fn new(inner: Body, guard: Guard, share: Share, told: Option<(Audit, audit::Asked)>) -> Self {
        let policies = guard.access.generations();
        let expiry = guard.until_expiry().map(|left| Box::pin(tokio::time::sleep(left)));
        Self {
            inner,
            guard,
            policies,
            expiry,
            has_ended: false,
            told,
            share: Arc::new(share),
        }
    }

    /// Whether the stream is still allowed; registers to be woken when that may change.
    fn poll_still(&mut self, cx: &mut Context<'_>) -> Result<(), Status> {
        while let Poll::Ready(Some(generation)) = Pin::new(&mut self.policies).poll_next(cx) {
            self.guard.still()?;
            self.guard.generation = generation;
        }
        while let Some(expiry) = &mut self.expiry
            && expiry.as_mut().poll(cx).is_ready()
        {
            // The wall clock decides, which may have been set meanwhile.
            let now = self.guard.access.now();
            self.guard
                .identity
                .check_time(now)
                .map_err(|refusal| status::refused(&refusal))?;
            self.expiry = self.guard.until_expiry().map(|left| Box::pin(tokio::time::sleep(left)));
        }
        Ok(())
    }
}

impl http_body::Body for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Err(refused) = self.poll_still(cx) {
            self.has_ended = true;
            // What is behind it may wait for a reader who is gone now.
            self.inner = Body::empty();
            let outcome = audit::call::outcome_of(&refused);
            // That tokens and certificates come to their end is no refusal: their holders come back with the next.
            let is_over = [reasons::TOKEN_EXPIRED, reasons::CERTIFICATE_EXPIRED].contains(&outcome.reason.as_str());
            if let Some((audit, about)) = self.told.take().filter(|_| !is_over) {
                audit.refused(about, outcome);
            }
            let mut trailers = HeaderMap::new();
            return match refused.add_header(&mut trailers) {
                Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Err(unfit) => Poll::Ready(Some(Err(unfit))),
            };
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(|chunk| self.share.hold(chunk)))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
