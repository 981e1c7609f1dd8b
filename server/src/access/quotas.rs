//! What one caller may ask for: how often, how much at once, and how much of it unread.

use std::net::IpAddr;
use std::sync::Arc;

use http::Response;
use http_body_util::BodyExt as _;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use wsfc_proto::v1::Permission;

use super::identity::Identity;
use super::unread::{Pieces, Share, Unread};
use crate::grpc::status;
use crate::listen::connection::Peer;
use crate::listen::counters::{Count, Counters};
use crate::listen::places::Origin;
use crate::listen::rate::{self, Rates};
use crate::settings::Settings;
use crate::settings::current::Current;

/// The largest request of somebody who need not be anybody: a join token and what a certificate is asked for with.
const PUBLIC_BYTES: usize = 8 * 1024;
/// What an answer takes beside its bytes: the buffer that it is encoded in, and its stream.
const COST: usize = 8 * 1024;

/// The quotas of all callers. Clones share them.
#[derive(Clone)]
pub struct Quotas {
    settings: Current<Settings>,
    /// What this is, is settled at the start.
    request_bytes: usize,
    rates: Arc<Rates>,
    unread: Unread,
    counters: Arc<Counters>,
}

/// Under which name a caller's quotas are kept.
pub(super) type Account = Arc<str>;

impl Quotas {
    /// Nobody has asked for anything yet; the limits are those of the settings at each call, and what is refused is
    /// counted in these.
    pub fn new(settings: Current<Settings>, counters: Arc<Counters>) -> Self {
        Self {
            request_bytes: settings.get().limits.request_bytes,
            rates: Arc::new(Rates::new(settings.clone())),
            unread: Unread::default(),
            counters,
            settings,
        }
    }

    /// How large a request may be that takes a permission.
    pub(super) fn request_bytes(&self, permission: Permission) -> usize {
        match permission {
            Permission::Public => self.request_bytes.min(PUBLIC_BYTES),
            _ => self.request_bytes,
        }
    }

    /// A call comes, which may be one that changes something.
    ///
    /// # Errors
    ///
    /// The caller makes too many.
    pub(super) fn call(&self, account: &Account, changes: bool) -> Result<(), Status> {
        let taken = self.rates.take(account, changes, Instant::now());
        taken.map_err(|retry_after| {
            self.counters.add(Count::RateLimited);
            rate::limited(retry_after)
        })
    }

    /// A stream begins. It counts as long as what this gives, which its chunks hold, too.
    ///
    /// # Errors
    ///
    /// The caller has too many.
    pub(super) fn stream(&self, account: &Account) -> Result<Share, Status> {
        let most = self.settings.get().limits.streams_per_identity;
        let share = self.unread.stream(account, most);
        share.ok_or_else(|| self.too_much_unread("the caller has too many streams"))
    }

    fn too_much_unread(&self, what: &str) -> Status {
        self.counters.add(Count::TooMuchUnread);
        status::too_much_unread(what)
    }

    /// An answer is there, and counts until the caller has taken it. Only what read something can be refused: what was
    /// changed is told, in few bytes.
    ///
    /// # Errors
    ///
    /// It is one too many.
    pub(super) async fn answer(
        &self,
        account: &Account,
        changes: bool,
        response: Response<Body>,
    ) -> Result<Response<Body>, Status> {
        if http_body::Body::is_end_stream(response.body()) {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let whole = body.collect().await?;
        let trailers = whole.trailers().cloned();
        let bytes = whole.to_bytes();
        let most = if changes {
            usize::MAX
        } else {
            self.settings.get().limits.unread_bytes
        };
        let share = self.unread.answer(account, bytes.len().saturating_add(COST), most);
        let share = share.ok_or_else(|| self.too_much_unread("the caller does not read its answers"))?;
        Ok(Response::from_parts(
            head,
            Body::new(Pieces::new(bytes, trailers, share)),
        ))
    }
}

/// The account of an identity. One that is good and has a name has its own; the others are told apart by where they come
/// from, so that none of them can use up what the others have.
pub(super) fn account(identity: &Identity, is_good: bool, peer: &Peer) -> Account {
    match peer.address {
        Some(address) if !(identity.is_known() && is_good) => {
            format!("{} {}", identity.principal, network(address.ip())).into()
        }
        _ => identity.principal.as_str().into(),
    }
}

/// The account of whoever asks whether the daemon serves. Supervisors have no name, and others on their host must not make
/// the daemon look dead to them.
pub(super) fn health_account(peer: &Peer) -> Account {
    let place = peer.address.map(|address| address.ip().to_canonical().to_string());
    format!("health {}", place.unwrap_or_default()).into()
}

/// The account of whoever shows credentials that are refused.
pub(super) fn refused_account(peer: &Peer) -> Account {
    let place = peer.address.map(|address| network(address.ip()));
    format!("refused {}", place.unwrap_or_default()).into()
}

/// Who shares a quota without a name. A program has any address of loopback that it likes, as a host has any of its IPv6
/// network.
fn network(address: IpAddr) -> String {
    Origin::of(address).map_or_else(|| "loopback".into(), |origin| origin.to_string())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;
    use crate::settings::Limits;

    #[tokio::test]
    async fn what_is_refused_is_counted() {
        let limits = Limits {
            calls_per_second: 1,
            call_burst: 1,
            streams_per_identity: 1,
            unread_bytes: 4_096,
            ..Limits::default()
        };
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        let counters = Arc::<Counters>::default();
        let quotas = Quotas::new(Current::new(settings), Arc::clone(&counters));
        let account = Account::from("anna");
        let counted = |count| counters.snapshot().get(count);

        while quotas.call(&account, false).is_ok() {}
        assert_eq!(counted(Count::RateLimited), 1);

        let _stream = quotas.stream(&account).unwrap();
        assert_eq!(counted(Count::TooMuchUnread), 0);
        quotas.stream(&account).unwrap_err();
        assert_eq!(counted(Count::TooMuchUnread), 1);

        let response = || Response::new(Body::new(Full::from("something")));
        let _unread = quotas.answer(&account, false, response()).await.unwrap();
        quotas.answer(&account, false, response()).await.unwrap_err();
        assert_eq!(counted(Count::TooMuchUnread), 2);
        quotas.answer(&account, true, response()).await.unwrap();
        assert_eq!(counted(Count::TooMuchUnread), 2, "what was changed is told");
    }

    #[test]
    fn addresses_that_one_program_has_are_one_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("127.0.0.1"), of("127.255.0.9"));
        assert_eq!(of("127.0.0.1"), of("::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
