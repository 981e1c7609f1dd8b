//! Join tokens, certificates of the daemon's own authority, and roles that are given while it runs.

mod rights;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wsfc_client::v1::revoke_identity_request::Target;
use wsfc_client::{
    Client, Code, ConnectOptions, EnrolOptions, Enrolled, Error, JoinToken, Reason, TlsOptions, Watch, WatchItem,
    enrol, v1,
};
use wsfc_tests::folder::bytes_below;
use wsfc_tests::records::{assert_succeeded, soon, to_the_end};
use wsfc_tests::{Builder, TestDaemon, UnderTest, request, world};
use wsfcd::access::files::AccessFolder;
use wsfcd::access::init::init;
use wsfcd::access::tokens::Grant;
use wsfcd::platform::{Clock, Platform};
use wsfcd::settings::Tls;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that stands still, in the past.
struct Stopped(SystemTime);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        self.0
    }
}

/// A daemon that was set up some time ago, with a token for an administrator, good for an hour.
struct SetUp {
    daemon: TestDaemon,
    token: JoinToken,
}

async fn set_up(ago: Duration) -> Option<SetUp> {
    set_up_as(TestDaemon::builder(world::machines(2)), ago).await
}

async fn set_up_as(builder: Builder, ago: Duration) -> Option<SetUp> {
    let builder = builder.settings(|settings| settings.tls = Some(Tls::own()));
    let builder = builder.in_process("the test's process sets the daemon up")?;
    let mut token = None;
    let builder = builder.settings(|settings| {
        let platform = Platform {
            clock: Arc::new(Stopped(Platform::system().clock.now() - ago)),
            ..Platform::system()
        };
        let grant = Grant {
            name: "root".into(),
            role: "administrator".into(),
            clusters: None,
        };
        let invitation = init(settings, &[], grant, HOUR, &platform, || Ok(())).unwrap();
        token = Some(invitation.token);
    });
    Some(SetUp {
        daemon: builder.start().await,
        token: token.unwrap(),
    })
}

impl SetUp {
    async fn log_in(&self, token: &JoinToken) -> Result<Enrolled, Error> {
        enrol(EnrolOptions::new(self.daemon.address().to_string(), token.clone())).await
    }

    fn client(&self, enrolled: &Enrolled) -> Client {
        Client::lazy(self.options(enrolled)).unwrap()
    }

    fn options(&self, enrolled: &Enrolled) -> ConnectOptions {
        let mut options = ConnectOptions::new([enrolled.endpoint.clone()]);
        options.request_timeout = UnderTest::get().patience(Duration::from_secs(60));
        options.tls = Some(TlsOptions {
            ca_pem: Some(enrolled.ca_pem.clone()),
            identity: Some(enrolled.identity.clone()),
            server_name: None,
        });
        options
    }

    /// The administrator of the first token.
    async fn administrator(&self) -> Client {
        let enrolled = self.log_in(&self.token).await.unwrap();
        self.client(&enrolled)
    }
}

async fn token(client: &Client, name: &str, role: &str, clusters: &[&str]) -> JoinToken {
    let made = client.create_token(create_token(name, role, clusters)).await.unwrap();
    assert_eq!(made.details.as_ref().unwrap().name, name);
    made.token.parse().unwrap()
}

fn create_token(name: &str, role: &str, clusters: &[&str]) -> v1::CreateTokenRequest {
    v1::CreateTokenRequest {
        name: name.into(),
        role: role.into(),
        clusters: clusters.iter().map(ToString::to_string).collect(),
        ttl: None,
    }
}

#[track_caller]
fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    result.unwrap_err().reason().unwrap().clone()
}

/// Whether bytes lie somewhere in others.
fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn the_secret_of_a_token_is_found_nowhere() {
    // The libraries speak when they are named.
    let builder = TestDaemon::builder(world::machines(1)).log("trace,h2=trace,hyper=trace,rustls=trace");
    let Some(mut stage) = set_up_as(builder, Duration::ZERO).await else {
        return;
    };
    let root = stage.administrator().await;
    let used = token(&root, "anna", "viewer", &[]).await;
    let unused = token(&root, "berta", "viewer", &[]).await;
    stage.log_in(&used).await.unwrap();
    assert_eq!(reason(stage.log_in(&used).await), Reason::TokenInvalid);
    stage.daemon.stop().await;
    let log = stage.daemon.logs().text();
    assert!(log.contains("h2::codec"), "the log is as full as it can be");
    let mut all = bytes_below(stage.daemon.dir());
    all.extend(log.into_bytes());
    assert!(holds(&all, used.id.as_bytes()), "the search finds something");
    for token in [&stage.token, &used, &unused] {
        let secret = token.secret.expose();
        let text = token.expose();
        let in_base64 = text.rsplit('.').next().unwrap();
        let in_hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [secret.as_slice(), in_base64.as_bytes(), in_hex.as_bytes()] {
            assert!(!holds(&all, form), "the secret of {}", token.id);
        }
    }
    // What so full a log warns of is none of this test's business.
    stage.daemon.logs().expect("");
    stage.daemon.finish().await;
}

/// What a watch ends with.
async fn end_of(watch: &mut Watch) -> Error {
    soon("the end of the watch", async {
        loop {
            match watch.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("the watch ended without a word"),
            }
        }
    })
    .await
}

fn named(name: &str) -> v1::RevokeIdentityRequest {
    v1::RevokeIdentityRequest {
        target: Some(Target::Name(name.into())),
    }
}

#[tokio::test]
async fn a_token_makes_a_client_with_its_role_and_no_other() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let enrolled = room.log_in(&room.token).await.unwrap();
    assert_eq!(
        (enrolled.name.as_str(), enrolled.role.as_str()),
        ("root", "administrator")
    );
    let root = room.client(&enrolled);
    let who = root.who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    assert_eq!(who.principal, enrolled.principal);
    assert!(
        who.principal.starts_with("uri:wsfcd://") && who.principal.ends_with("/user/root"),
        "{}",
        who.principal
    );
    assert!(
        who.permissions
            .iter()
            .any(|granted| granted.permission == "cluster_destroy")
    );
    let operation = root
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    assert_eq!(operation.get().await.unwrap().principal, enrolled.principal);

    let viewer = token(&root, "anna", "viewer", &["cl1"]).await;
    let viewer = room.log_in(&viewer).await.unwrap();
    assert_eq!(
        (viewer.role.as_str(), viewer.clusters),
        ("viewer", vec!["cl1".to_owned()])
    );
    let anna = room.client(&Enrolled {
        clusters: Vec::new(),
        ..viewer
    });
    assert_eq!(anna.get_cluster("CL1").await.unwrap().name, "CL1");
    let refused = anna.add_node(request::add_node("CL1", "n2")).await;
    assert_eq!(refused.unwrap_err().reason(), Some(&Reason::PermissionMissing));
    assert_eq!(
        reason(anna.list_tokens(v1::ListTokensRequest {}).await),
        Reason::PermissionMissing
    );
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_token_works_once_and_strangers_are_let_in_no_longer_than_that() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    // The first is used up, and the door is open for the second.
    let second = token(&root, "anna", "viewer", &[]).await;
    assert_eq!(reason(room.log_in(&room.token).await), Reason::TokenInvalid);
    room.log_in(&second).await.unwrap();
    // Now nobody is awaited: who shows no certificate does not even come to say a token.
    let error = room.log_in(&second).await.unwrap_err();
    assert!(matches!(error, Error::NotAwaited { .. }), "{error:?}");
    let third = token(&root, "berta", "viewer", &[]).await;
    assert_eq!(reason(room.log_in(&second).await), Reason::TokenInvalid);
    let request = v1::RevokeTokenRequest { id: third.id.clone() };
    root.revoke_token(request.clone()).await.unwrap();
    assert!(room.log_in(&third).await.is_err());
    assert_eq!(reason(root.revoke_token(request).await), Reason::TokenNotFound);
    room.daemon.finish().await;
}

#[tokio::test]
async fn of_many_that_use_a_token_at_once_one_gets_a_certificate() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    let shared = token(&root, "anna", "viewer", &[]).await;
    // Another one keeps the door open, so that all of them come to say the token.
    token(&root, "berta", "viewer", &[]).await;
    let tries: Vec<_> = (0..64)
        .map(|_| {
            let options = EnrolOptions::new(room.daemon.address().to_string(), shared.clone());
            tokio::spawn(enrol(options))
        })
        .collect();
    let mut won = 0;
    for tried in tries {
        match tried.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.reason(), Some(&Reason::TokenInvalid), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    let listed = root
        .list_identities(v1::ListIdentitiesRequest::default())
        .await
        .unwrap();
    let anna = listed
        .identities
        .iter()
        .find(|identity| identity.name == "anna")
        .unwrap();
    assert_eq!(anna.certificates.len(), 1);
    room.daemon.finish().await;
}

#[tokio::test]
async fn an_expired_token_gives_nothing_and_an_old_certificate_of_the_daemon_is_renewed_at_its_start() {
    let Some(room) = set_up(70 * DAY).await else { return };
    // Nobody is awaited, so a stranger is not let in.
    let error = room.log_in(&room.token).await.unwrap_err();
    assert!(matches!(error, Error::NotAwaited { .. }), "{error:?}");
    let mut room = room;
    room.daemon.stop().await;
    let platform = Platform::system();
    let grant = Grant {
        name: "root".into(),
        role: "administrator".into(),
        clusters: None,
    };
    let settings = wsfcd::settings::Settings {
        data_dir: room.daemon.data_dir().to_owned(),
        tls: Some(Tls::own()),
        ..Default::default()
    };
    let invitation = wsfcd::access::init::invite(&settings, grant, HOUR, &platform).unwrap();
    let expired = std::mem::replace(&mut room.token, invitation.token);
    room.daemon.restart().await;
    assert_eq!(
        reason(room.log_in(&expired).await),
        Reason::TokenInvalid,
        "it is forgotten"
    );
    let root = room.administrator().await;
    let who = root.who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    let expires = SystemTime::try_from(who.server_certificate_expire_time.unwrap()).unwrap();
    assert!(expires > platform.clock.now() + 80 * DAY);
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_token_whose_time_is_over_is_told_apart() {
    let Some(room) = set_up(2 * HOUR).await else { return };
    let mut room = room;
    let access = AccessFolder::of(room.daemon.data_dir());
    room.daemon.stop().await;
    assert!(access.register().exists());
    let settings = wsfcd::settings::Settings {
        data_dir: room.daemon.data_dir().to_owned(),
        tls: Some(Tls::own()),
        ..Default::default()
    };
    let grant = Grant {
        name: "anna".into(),
        role: "viewer".into(),
        clusters: None,
    };
    // Somebody is awaited, so the expired one can be said.
    wsfcd::access::init::invite(&settings, grant, HOUR, &Platform::system()).unwrap();
    room.daemon.restart().await;
    assert_eq!(reason(room.log_in(&room.token).await), Reason::TokenExpired);
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_daemon_of_another_authority_never_hears_of_the_token() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let mut other = room.token.clone();
    other.pin[0] ^= 1;
    let error = room.log_in(&other).await.unwrap_err();
    let Error::Connect { failures } = &error else {
        panic!("{error:?}")
    };
    assert!(
        failures[0].error.to_string().contains("the token was not sent"),
        "{failures:?}"
    );
    // A wrong token would have counted, and the right one is unused.
    room.log_in(&room.token).await.unwrap();
    room.daemon.finish().await;
}

#[tokio::test]
async fn guesses_are_few() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let guess = JoinToken {
        id: "0123456789ab".into(),
        ..room.token.clone()
    };
    for _ in 0..5 {
        assert_eq!(reason(room.log_in(&guess).await), Reason::TokenInvalid);
    }
    let error = room.log_in(&guess).await.unwrap_err();
    let rejection = error.rejection().unwrap();
    assert_eq!(
        (&rejection.reason, rejection.code),
        (&Reason::TooManyTries, Code::ResourceExhausted)
    );
    let wait = rejection.retry_delay.unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60), "{wait:?}");
    // Whoever has the right one does not wait for those who have none.
    room.log_in(&room.token).await.unwrap();
    room.daemon.finish().await;
}

#[tokio::test]
async fn who_is_revoked_is_out_at_once_and_stays_out() {
    let Some(mut room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.log_in(&room.token).await.unwrap();
    let anna = token(&room.client(&root), "anna", "viewer", &[]).await;
    let anna = room.log_in(&anna).await.unwrap();
    let client = room.client(&anna);
    let mut watch = client.watch(v1::WatchRequest::default());
    assert!(matches!(watch.next().await, Some(Ok(WatchItem::Mark { .. }))));
    let revoked = room.client(&root).revoke_identity(named("anna")).await.unwrap();
    assert_eq!((revoked.certificates, revoked.roles, revoked.tokens), (1, 1, 0));
    // The stream ends with the reason, and nothing that comes after it is answered.
    let ended = end_of(&mut watch).await;
    assert_eq!(ended.reason(), Some(&Reason::CertificateRevoked), "{ended:?}");
    assert_eq!(reason(client.get_host_state("").await), Reason::CertificateRevoked);
    assert_eq!(reason(client.renew_certificate().await), Reason::CertificateRevoked);
    let again = room.client(&root).revoke_identity(named("anna")).await;
    assert_eq!(reason(again), Reason::IdentityNotFound);
    // A restart remembers.
    room.daemon.restart().await;
    let moved = |enrolled: &Enrolled| {
        let mut enrolled = enrolled.clone();
        enrolled.endpoint = format!("https://{}", room.daemon.address());
        room.client(&enrolled)
    };
    assert_eq!(
        reason(moved(&anna).get_host_state("").await),
        Reason::CertificateRevoked
    );
    moved(&root).get_host_state("").await.unwrap();
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_certificate_is_renewed_by_itself_and_its_former_ones_go() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let first = room.log_in(&room.token).await.unwrap();
    let second = room.client(&first).renew_certificate().await.unwrap();
    assert_eq!((&second.name, &second.principal), (&first.name, &first.principal));
    assert_ne!(second.identity.key_pem, first.identity.key_pem);
    // Both are good: the answer might have been lost.
    for enrolled in [&first, &second] {
        let who = room.client(enrolled).who_am_i(v1::WhoAmIRequest {}).await.unwrap();
        assert_eq!(who.principal, first.principal);
        assert_eq!(who.roles[0].role, "administrator");
    }
    // As if it had been: asked again, the former answer is worth nothing.
    let third = room.client(&first).renew_certificate().await.unwrap();
    let lost = room.client(&second).get_host_state("").await;
    assert_eq!(reason(lost), Reason::CertificateRevoked);
    // Whoever goes on with the new one has no need of the first.
    room.client(&third).renew_certificate().await.unwrap();
    let first = room.client(&first).get_host_state("").await;
    assert_eq!(reason(first), Reason::CertificateRevoked);
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_token_is_not_a_way_to_rights_of_somebody_else() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    let refused = |request| {
        let root = root.clone();
        async move { reason(root.create_token(request).await) }
    };
    assert_eq!(
        refused(create_token("root", "viewer", &[])).await,
        Reason::IdentityInUse
    );
    assert_eq!(
        refused(create_token("root", "administrator", &["CL1"])).await,
        Reason::IdentityInUse
    );
    for (name, role, clusters) in [
        ("../root", "viewer", &[][..]),
        ("", "viewer", &[]),
        ("anna", "root", &[]),
        ("anna", "Viewer", &[]),
        ("anna", "viewer", &[""]),
        ("anna", "viewer", &["a\nb"]),
    ] {
        let refused = refused(create_token(name, role, clusters)).await;
        assert_eq!(refused, Reason::InvalidField, "{name:?} {role} {clusters:?}");
    }
    for (seconds, nanos) in [(i64::MIN, 0), (-1, 0), (0, -1), (1, i32::MAX), (59, 0), (i64::MAX, 0)] {
        let mut request = create_token("anna", "viewer", &[]);
        request.ttl = Some(prost_types::Duration { seconds, nanos });
        assert_eq!(refused(request).await, Reason::InvalidField, "{seconds} {nanos}");
    }
    // Of just the same rights there may be another token: it is for another machine of the same person.
    let again = token(&root, "root", "administrator", &[]).await;
    let again = room.log_in(&again).await.unwrap();
    room.client(&again).list_tokens(v1::ListTokensRequest {}).await.unwrap();
    room.daemon.finish().await;
}

#[tokio::test]
async fn identities_are_listed_page_by_page() {
    let Some(room) = set_up(Duration::ZERO).await else {
        return;
    };
    let root = room.administrator().await;
    for index in 0..5 {
        let subject = format!("email:u{index}@example.org");
        let binding = v1::RoleBinding {
            subject,
            role: "viewer".into(),
            clusters: Vec::new(),
        };
        root.bind_role(v1::BindRoleRequest { binding: Some(binding) })
            .await
            .unwrap();
    }
    let mut subjects = Vec::new();
    let mut request = v1::ListIdentitiesRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut pages = 0;
    loop {
        let page = root.list_identities(request.clone()).await.unwrap();
        pages += 1;
        subjects.extend(page.identities.into_iter().map(|identity| identity.subject));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((pages, subjects.len()), (3, 6));
    assert!(subjects.is_sorted());
    let odd = v1::ListIdentitiesRequest {
        page_token: "%".into(),
        ..Default::default()
    };
    assert_eq!(reason(root.list_identities(odd).await), Reason::PageTokenInvalid);
    room.daemon.finish().await;
}

#[tokio::test]
async fn a_damaged_register_ends_the_start() {
    let Some(mut room) = set_up(Duration::ZERO).await else {
        return;
    };
    room.administrator().await;
    room.daemon.stop().await;
    let path = AccessFolder::of(room.daemon.data_dir()).register();
    let whole = std::fs::read(&path).unwrap();
    let cases = [Vec::new(), whole[..whole.len() / 2].to_vec()];
    for damaged in cases {
        std::fs::write(&path, damaged).unwrap();
        let error = room.daemon.start_again().await.unwrap_err().to_string();
        assert!(
            error.contains("register.json") && error.contains("wsfcd init"),
            "{error}"
        );
    }
    std::fs::remove_file(&path).unwrap();
    let error = room.daemon.start_again().await.unwrap_err().to_string();
    assert!(error.contains("is missing"), "{error}");
    std::fs::write(&path, whole).unwrap();
    room.daemon.restart().await;
    room.daemon.finish().await;
}

#[tokio::test]
async fn without_an_authority_there_are_no_tokens_but_roles() {
    let daemon = TestDaemon::builder(world::machines(1)).start().await;
    let root = daemon.client();
    assert_eq!(
        reason(root.create_token(create_token("anna", "viewer", &[])).await),
        Reason::AuthorityAbsent
    );
    assert_eq!(reason(root.renew_certificate().await), Reason::AuthorityAbsent);
    let binding = v1::RoleBinding {
        subject: "dns:anna".into(),
        role: "viewer".into(),
        clusters: Vec::new(),
    };
    if daemon.is_secured() {
        let anna = daemon.client_of("anna");
        assert_eq!(reason(anna.get_host_state("").await), Reason::PermissionMissing);
        root.bind_role(v1::BindRoleRequest { binding: Some(binding) })
            .await
            .unwrap();
        anna.get_host_state("").await.unwrap();
    }
    daemon.finish().await;
}
