//! Join tokens: guessed, with requests that are none or ask for more; and who is let into the handshake because one is alive.

use std::time::Duration;

use prost::Message as _;
use rcgen::{CertificateParams, KeyPair};
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use wsfc_client::{Client, ConnectOptions, EnrolOptions, Enrolled, Error, TlsOptions, enrol, v1};
use wsfc_proto::join_token::JoinToken;
use wsfc_proto::methods;
use wsfc_proto::v1::Permission;
use wsfc_tests::records::soon;
use wsfc_tests::{Builder, TestDaemon, UnderTest, world};
use wsfcd::access::init::init;
use wsfcd::access::policy::{ADMINISTRATOR, VIEWER};
use wsfcd::access::tokens::Grant;
use wsfcd::platform::Platform;
use wsfcd::settings::{Settings, Tls};

use crate::asking::{Answer, ask, framed, request};
use crate::{seeded, tenth, wire};

const ENROL: &str = "/wsfc.v1.IdentityService/Enrol";
const HOUR: Duration = Duration::from_secs(3_600);

fn grant(name: &str, role: &str) -> Grant {
    Grant {
        name: name.into(),
        role: role.into(),
        clusters: None,
    }
}

/// The settings of a daemon with an authority of its own, as far as setting it up regards them.
fn settings(builder: &Builder) -> Settings {
    let mut settings = Settings {
        data_dir: builder.data_dir().into(),
        tls: Some(Tls::own()),
        ..Settings::default()
    };
    settings.listen.address = ([127, 0, 0, 1], 0).into();
    settings
}

/// A daemon with an authority of its own, and its first administrator.
pub struct Joined {
    pub daemon: TestDaemon,
    pub administrator: Client,
    enrolled: Enrolled,
}

impl Joined {
    async fn start() -> Option<Self> {
        // The attacks are about tokens, not about how many calls there are.
        Self::start_as(|builder| {
            builder.settings(|settings| {
                settings.limits.calls_per_second = 0;
                settings.limits.changes_per_second = 0;
            })
        })
        .await
    }

    /// A daemon of this make; nothing where it cannot be in this process.
    pub async fn start_as(make: impl FnOnce(Builder) -> Builder) -> Option<Self> {
        let builder = TestDaemon::builder(world::machines(1)).settings(|settings| settings.tls = Some(Tls::own()));
        let builder = make(builder).in_process("the test's process sets the daemon up")?;
        let set_up = settings(&builder);
        let grant = grant("boss", ADMINISTRATOR);
        let invitation = init(&set_up, &[], grant, HOUR, &Platform::system(), || Ok(())).unwrap();
        let daemon = builder.start().await;
        let enrolled = join(&daemon, invitation.token).await.unwrap();
        let administrator = client(&daemon, &enrolled);
        Some(Self {
            daemon,
            administrator,
            enrolled,
        })
    }

    /// Makes a token.
    pub async fn token(&self, name: &str, role: &str) -> JoinToken {
        let create = v1::CreateTokenRequest {
            name: name.into(),
            role: role.into(),
            ..Default::default()
        };
        self.administrator
            .create_token(create)
            .await
            .unwrap()
            .token
            .parse()
            .unwrap()
    }

    /// A connection without a certificate.
    async fn stranger(&self) -> Channel {
        let authority = Certificate::from_pem(&self.enrolled.ca_pem);
        let tls = ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name("localhost");
        let address = format!("https://{}", self.daemon.address());
        let endpoint = Endpoint::from_shared(address).unwrap().tls_config(tls).unwrap();
        endpoint.connect().await.unwrap()
    }

    /// The administrator again, after a restart.
    pub fn reconnected(&self) -> Client {
        client(&self.daemon, &self.enrolled)
    }

    async fn finish(self) {
        self.administrator.get_host_state("").await.unwrap();
        self.daemon.finish().await;
    }
}

/// Gets a certificate for a token.
pub async fn join(daemon: &TestDaemon, token: JoinToken) -> Result<Enrolled, Error> {
    let options = EnrolOptions {
        server_name: Some("localhost".into()),
        ..EnrolOptions::new(daemon.address().to_string(), token)
    };
    soon("a certificate or a refusal", enrol(options)).await
}

fn shown(enrolled: &Enrolled) -> TlsOptions {
    TlsOptions {
        ca_pem: Some(enrolled.ca_pem.clone()),
        identity: Some(enrolled.identity.clone()),
        server_name: Some("localhost".into()),
    }
}

/// A client that shows what it has got.
pub fn client(daemon: &TestDaemon, enrolled: &Enrolled) -> Client {
    let options = ConnectOptions {
        tls: Some(shown(enrolled)),
        request_timeout: UnderTest::get().patience(Duration::from_secs(60)),
        ..daemon.connect_options()
    };
    Client::lazy(options).unwrap()
}

/// A certificate signing request for a key, which asks for a name of its own choice.
fn signing_request() -> Vec<u8> {
    let params = CertificateParams::new(["administrator.test".to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    params.serialize_request(&key).unwrap().der().to_vec()
}

async fn try_token(channel: &Channel, id: &str, secret: &[u8], request_der: &[u8]) -> Answer {
    let enrol = v1::EnrolRequest {
        token_id: id.into(),
        token_secret: secret.to_vec(),
        certificate_request: request_der.to_vec(),
    };
    ask(channel, request(ENROL, framed(&enrol.encode_to_vec())))
        .await
        .unwrap()
}

/// A certificate is for the name of its token, whatever the request asks for.
#[tokio::test]
async fn a_request_for_another_name() {
    let Some(joined) = Joined::start().await else {
        return;
    };
    let token = joined.token("anna", VIEWER).await;
    let enrolled = join(&joined.daemon, token).await.unwrap();
    assert_eq!((enrolled.name.as_str(), enrolled.role.as_str()), ("anna", VIEWER));
    let anna = client(&joined.daemon, &enrolled);
    let who = anna.who_am_i(v1::WhoAmIRequest::default()).await.unwrap();
    assert!(who.principal.ends_with("/user/anna"), "{who:?}");

    let token = joined.token("bob", VIEWER).await;
    let channel = joined.stranger().await;
    let enrol = v1::EnrolRequest {
        token_id: token.id.clone(),
        token_secret: token.secret.expose().to_vec(),
        certificate_request: signing_request(),
    };
    let mut service = v1::identity_service_client::IdentityServiceClient::new(channel);
    let issued = service.enrol(enrol).await.unwrap().into_inner().certificate.unwrap();
    assert!(issued.principal.ends_with("/user/bob"), "{issued:?}");
    let asked_for = b"administrator.test";
    let is_in = issued
        .certificate
        .windows(asked_for.len())
        .any(|part| part == asked_for);
    assert!(!is_in, "the certificate has the name that was asked for");
    joined.finish().await;
}

/// 10,000 guesses at the secret of a token that is alive. None gets a certificate, five at most are looked at, an
/// administrator works meanwhile, and so does who has the token, from the same address.
#[tokio::test]
async fn guesses() {
    let Some(joined) = Joined::start().await else {
        return;
    };
    let token = joined.token("anna", VIEWER).await;
    let channel = joined.stranger().await;
    let mut random = seeded("guesses");
    let (mut looked_at, asked) = (0, signing_request());
    for count in 0..tenth(10_000) {
        let secret: [u8; 16] = std::array::from_fn(|_| random.u8(..));
        let id = if random.bool() {
            token.id.clone()
        } else {
            format!("{:012x}", random.u64(..1 << 48))
        };
        let answer = try_token(&channel, &id, &secret, &asked).await;
        match (answer.code(), answer.reason().as_str()) {
            (Code::Unauthenticated, "TOKEN_INVALID") => looked_at += 1,
            (Code::ResourceExhausted, "TOO_MANY_TRIES") => {}
            _ => panic!("{answer:?}"),
        }
        if count % 100 == 0 {
            joined.administrator.get_host_state("").await.unwrap();
        }
    }
    // The tries of a minute, and those of the next if it took that long.
    assert!((1..=15).contains(&looked_at), "{looked_at} guesses were looked at");
    assert_eq!(join(&joined.daemon, token).await.unwrap().name, "anna");
    joined.finish().await;
}

/// Requests that are none, with a token that is good: nothing is issued for them.
#[tokio::test]
async fn requests_that_are_none() {
    let Some(joined) = Joined::start().await else {
        return;
    };
    let mut random = seeded("requests that are none");
    let good = signing_request();
    for count in 0..40 {
        let token = joined.token(&format!("user{count}"), VIEWER).await;
        let channel = joined.stranger().await;
        let bad = match count % 5 {
            0 => Vec::new(),
            1 => std::iter::repeat_with(|| random.u8(..)).take(300).collect(),
            2 => {
                // Of the names and the key, which are signed; the frame around them could lose a bit unharmed.
                let mut damaged = good.clone();
                let at = random.usize(8..damaged.len() / 2);
                damaged[at] ^= 1 << random.u8(..8);
                damaged
            }
            3 => vec![0x30; 5_000],
            // More than a stranger may say at once.
            _ => vec![0x30; 200_000],
        };
        let answer = try_token(&channel, &token.id, token.secret.expose(), &bad).await;
        let is_refused = if bad.len() > 8 * 1024 {
            (answer.code(), answer.reason().as_str()) == (Code::OutOfRange, "MESSAGE_TOO_LARGE")
        } else {
            matches!(
                answer.code(),
                Code::InvalidArgument | Code::Unauthenticated | Code::ResourceExhausted
            )
        };
        assert!(is_refused, "{count}: {answer:?}");
    }
    joined.finish().await;
}

/// While a token is alive a stranger gets through the handshake, and gets nothing but Enrol; while none is, not even that.
#[tokio::test]
async fn strangers_while_a_token_is_alive() {
    let Some(joined) = Joined::start().await else {
        return;
    };
    let stranger = TlsOptions {
        identity: None,
        ..shown(&joined.enrolled)
    };
    let address = joined.daemon.address();
    assert!(!wire::is_spoken_to(address, &stranger).await, "no token is alive");
    let token = joined.token("anna", VIEWER).await;
    let channel = joined.stranger().await;
    for method in methods::ALL
        .iter()
        .filter(|method| method.permission != Permission::Public)
    {
        let answer = ask(&channel, request(method.path, framed(b""))).await.unwrap();
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::Unauthenticated, "CREDENTIALS_REQUIRED"),
            "{}: {answer:?}",
            method.path
        );
    }
    let revoke = v1::RevokeTokenRequest { id: token.id.clone() };
    joined.administrator.revoke_token(revoke).await.unwrap();
    assert!(
        !wire::is_spoken_to(address, &stranger).await,
        "no token is alive any more"
    );
    join(&joined.daemon, token).await.unwrap_err();
    joined.finish().await;
}
