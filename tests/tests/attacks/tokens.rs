//! Bearer tokens that no issuer has signed, or not for this daemon.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use wsfc_tests::tokens::{AUDIENCE, Issuer};
use wsfcd::access::policy::{ADMINISTRATOR, Binding};

use crate::asking::{Answer, ask, framed, request};
use crate::target::Target;
use crate::wire::READ;
use crate::{seeded, tenth};

const ISSUER: &str = "https://id.example/realm";
/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

struct Tokens {
    target: Target,
    issuer: Issuer,
    /// A connection that shows no certificate.
    channel: Channel,
    _keys: TempDir,
}

impl Tokens {
    /// A daemon that takes the tokens of an issuer, whose user `ada` is an administrator.
    async fn start() -> Self {
        let (issuer, keys) = (Issuer::new(ISSUER), TempDir::new().unwrap());
        let bearer = issuer.settings(keys.path());
        let target = Target::measured(|settings| {
            settings.access.bearer = vec![bearer];
            settings.limits.calls_per_second = 0;
            settings.access.bindings.push(Binding {
                subject: format!("user:{ISSUER}#ada"),
                role: ADMINISTRATOR.into(),
                clusters: None,
            });
        })
        .await;
        let authority = Certificate::from_pem(target.daemon.authority().pem());
        let tls = ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name("localhost");
        let address = format!("https://{}", target.daemon.address());
        let endpoint = Endpoint::from_shared(address).unwrap().tls_config(tls).unwrap();
        Self {
            channel: endpoint.connect().await.unwrap(),
            target,
            issuer,
            _keys: keys,
        }
    }

    /// Calls with an authorization header.
    async fn show(&self, header: &str) -> Result<Answer, String> {
        let mut asked = request(READ, framed(b""));
        let header = HeaderValue::try_from(header).unwrap();
        asked.headers_mut().insert("authorization", header);
        ask(&self.channel, asked).await
    }

    async fn is_refused(&self, what: &str, token: &str, reason: &str) {
        let answer = self.show(&format!("Bearer {token}")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(
            (answer.code(), answer.reason().as_str()),
            (Code::Unauthenticated, reason),
            "{what}: {answer:?}"
        );
    }

    async fn finish(self) {
        // A token that is as it should be does get in.
        let good = format!("Bearer {}", self.issuer.token("ada", &[], LONG));
        let answer = self.show(&good).await.unwrap();
        assert_eq!(answer.code(), Code::Ok, "{answer:?}");
        drop(self.channel);
        self.target.finish().await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the daemon under test has the system's clock")]
fn in_seconds(seconds: f64) -> f64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_secs_f64() + seconds
}

/// What a good token says.
fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": in_seconds(600.0)})
}

/// As [`claims`], with one of them changed or, by null, left out.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    if claims[name].is_null() {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}")
}

/// Tokens with no signature, or one by a secret that everybody knows: the issuer's public key (RFC 8725 2.1).
#[tokio::test]
async fn tokens_that_nobody_signed() {
    let tokens = Tokens::start().await;
    for algorithm in [
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "ES256", "PS256", "A128KW", "dir",
    ] {
        let header = json!({"alg": algorithm, "kid": "k1", "typ": "JWT"});
        let signed = unsigned(&header, &claims());
        for signature in ["", "AAAA", &URL_SAFE_NO_PAD.encode([0; 64])] {
            let what = format!("{algorithm:?} with {signature:?}");
            tokens
                .is_refused(&what, &format!("{signed}.{signature}"), "TOKEN_INVALID")
                .await;
        }
        tokens.is_refused(algorithm, &signed, "TOKEN_INVALID").await;
        for secret in tokens.issuer.public_forms() {
            for (algorithm, name) in [
                (hmac::HMAC_SHA256, "HS256"),
                (hmac::HMAC_SHA384, "HS384"),
                (hmac::HMAC_SHA512, "HS512"),
            ] {
                let signed = unsigned(&json!({"alg": name, "kid": "k1", "typ": "JWT"}), &claims());
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), signed.as_bytes());
                let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
                tokens.is_refused(name, &token, "TOKEN_INVALID").await;
            }
        }
    }
    tokens.finish().await;
}

/// Tokens that the issuer's key has not signed, though they say where the key is that did, or bring it along.
#[tokio::test]
async fn tokens_of_other_keys() {
    let tokens = Tokens::start().await;
    let stranger = Issuer::new(ISSUER);
    tokens
        .is_refused("another key", &stranger.token("ada", &[], LONG), "TOKEN_INVALID")
        .await;
    let elsewhere = Issuer::new("https://other.example");
    tokens
        .is_refused("another issuer", &elsewhere.token("ada", &[], LONG), "TOKEN_INVALID")
        .await;
    let own = &stranger.key_set()["keys"][0];
    for (name, value) in [
        ("jwk", own.clone()),
        ("jku", json!("https://elsewhere.example/keys.json")),
        ("x5u", json!("file:///etc/passwd")),
        ("x5c", json!(["AAAA"])),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("k1' OR '1'='1")),
        ("kid", json!("")),
        ("kid", json!(null)),
        ("kid", json!(["k1"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("alg", json!(["EdDSA", "none"])),
    ] {
        let mut header = json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"});
        header[name] = value;
        let token = stranger.sign(&header.to_string(), &claims().to_string());
        tokens.is_refused(&header.to_string(), &token, "TOKEN_INVALID").await;
    }
    tokens.finish().await;
}

/// Tokens that the issuer did sign: for others, for another time, or with claims that are no claims.
#[tokio::test]
async fn tokens_for_others() {
    let tokens = Tokens::start().await;
    let header = json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"}).to_string();
    for (claims, reason) in [
        (with("aud", json!("another-daemon")), "TOKEN_INVALID"),
        (with("aud", json!(["another-daemon", "and-another"])), "TOKEN_INVALID"),
        (with("aud", json!(format!("{AUDIENCE} "))), "TOKEN_INVALID"),
        (with("aud", json!(AUDIENCE.to_uppercase())), "TOKEN_INVALID"),
        (with("aud", json!([[AUDIENCE]])), "TOKEN_INVALID"),
        (with("aud", json!({"x": AUDIENCE})), "TOKEN_INVALID"),
        (with("aud", json!(null)), "TOKEN_INVALID"),
        (with("iss", json!(format!("{ISSUER}/"))), "TOKEN_INVALID"),
        (with("iss", json!(ISSUER.to_uppercase())), "TOKEN_INVALID"),
        (with("iss", json!([ISSUER])), "TOKEN_INVALID"),
        (with("iss", json!(null)), "TOKEN_INVALID"),
        (with("exp", json!(in_seconds(-600.0))), "TOKEN_EXPIRED"),
        (with("exp", json!(0)), "TOKEN_EXPIRED"),
        (with("exp", json!(-1)), "TOKEN_INVALID"),
        (with("exp", json!("tomorrow")), "TOKEN_INVALID"),
        (with("exp", json!(1e300)), "TOKEN_INVALID"),
        (with("exp", json!(null)), "TOKEN_INVALID"),
        (with("nbf", json!(in_seconds(600.0))), "TOKEN_INVALID"),
        (with("nbf", json!("yesterday")), "TOKEN_INVALID"),
        (with("sub", json!(null)), "TOKEN_INVALID"),
        (with("sub", json!(["ada"])), "TOKEN_INVALID"),
        (with("sub", json!("")), "TOKEN_INVALID"),
        (with("sub", json!("ada\u{0}")), "TOKEN_INVALID"),
        (with("sub", json!("ada\r\n")), "TOKEN_INVALID"),
        (with("sub", json!("a".repeat(5_000))), "TOKEN_INVALID"),
        (with("groups", json!([1, 2])), "TOKEN_INVALID"),
    ] {
        let token = tokens.issuer.sign(&header, &claims.to_string());
        tokens.is_refused(&claims.to_string(), &token, reason).await;
    }
    // Members that stand twice, and texts that are no objects.
    let good = claims().to_string();
    for claims in [
        good.replacen('{', r#"{"sub":"mallory","#, 1),
        good.replacen('{', r#"{"exp":0,"#, 1),
        format!("[{good}]"),
        format!("{good}{good}"),
        String::from("null"),
        String::new(),
        "[".repeat(4_000),
    ] {
        let token = tokens.issuer.sign(&header, &claims);
        let short: String = claims.chars().take(40).collect();
        tokens.is_refused(&short, &token, "TOKEN_INVALID").await;
    }
    // Known to the issuer, and to nobody here.
    for name in ["Ada", "ada ", " ada", "аda", "ada#x", "mallory"] {
        let header = format!("Bearer {}", tokens.issuer.token(name, &[], LONG));
        let answer = tokens.show(&header).await.unwrap();
        assert!(
            matches!(answer.reason().as_str(), "PERMISSION_MISSING" | "TOKEN_INVALID"),
            "{name}: {answer:?}"
        );
    }
    tokens.finish().await;
}

/// Headers that are not one bearer token, and tokens of 8 KB to 1 MB.
#[tokio::test]
async fn headers_that_are_no_token() {
    let tokens = Tokens::start().await;
    let good = tokens.issuer.token("ada", &[], LONG);
    for header in [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        good.clone(),
        format!("Basic {good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} "),
        format!("Bearer {good} {good}"),
        format!("Bearer {good},Bearer {good}"),
        format!("Bearer {good}="),
        format!("Bearer .{good}"),
        format!("Bearer {good}."),
        format!("Bearer {}", &good[..good.len() - 1]),
        format!("Bearer {}", good.replace('.', "..")),
    ] {
        let answer = tokens.show(&header).await.unwrap();
        // A blank at the end is none of HTTP's (RFC 9110 5.5).
        if header != format!("Bearer {good} ") {
            assert_eq!(answer.code(), Code::Unauthenticated, "{header}: {answer:?}");
        }
    }
    let twice = {
        let mut asked = request(READ, framed(b""));
        for _ in 0..2 {
            let header = HeaderValue::try_from(format!("Bearer {good}")).unwrap();
            asked.headers_mut().append("authorization", header);
        }
        ask(&tokens.channel, asked).await.unwrap()
    };
    assert_eq!(twice.code(), Code::Unauthenticated, "{twice:?}");
    for size in [8 * 1024 + 1, 16 * 1024, 64 * 1024, 1024 * 1024] {
        // Where it does not fit into a head, HTTP refuses it, or ends the connection.
        match tokens.show(&format!("Bearer {}", "a".repeat(size))).await {
            Ok(answer) => assert!(
                answer.code() == Code::Unauthenticated || !answer.http.is_success(),
                "{size}: {answer:?}"
            ),
            Err(error) => eprintln!("a token of {size} bytes: {error}"),
        }
    }
    tokens.finish().await;
}

/// 10,000 random tokens: any bytes, and good ones with some bytes changed.
#[tokio::test]
async fn tokens_of_anything() {
    let tokens = Tokens::start().await;
    let mut random = seeded("tokens of anything");
    let good = tokens.issuer.token("ada", &[], LONG);
    for count in 0..tenth(10_000) {
        let token = if random.bool() {
            let length = random.usize(..512);
            let letters = |random: &mut fastrand::Rng| char::from(random.u8(0x21..0x7F));
            std::iter::repeat_with(|| letters(&mut random)).take(length).collect()
        } else {
            let mut bytes = good.clone().into_bytes();
            // The last letter has bits that mean nothing; a decoder that is strict refuses those, too.
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = u8::try_from(random.alphanumeric()).unwrap();
            }
            String::from_utf8(bytes).unwrap()
        };
        if token != good {
            tokens
                .is_refused(&format!("{count}: {token}"), &token, "TOKEN_INVALID")
                .await;
        }
    }
    tokens.finish().await;
}
