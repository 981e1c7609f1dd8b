use std::collections::VecDeque;
use std::sync::Mutex;

use ring::signature::KeyPair as _;
use serde_json::json;

use super::*;
use crate::access::bearer::fetch::tests::{answer, serve_by};

/// A clock that follows the runtime's time.
struct Following(Instant);

impl Clock for Following {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.0.elapsed()
    }
}

/// Gives one answer after the other, the last one for ever, and notes when it was asked.
#[derive(Clone)]
struct Scripted(Arc<Mutex<Script>>, Instant);

struct Script {
    answers: VecDeque<Option<Vec<u8>>>,
    asked: Vec<Duration>,
}

impl Source for Scripted {
    fn read(&self) -> Reading<'_> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(self.1.elapsed());
        let answer = if state.answers.len() > 1 {
            state.answers.pop_front()
        } else {
            state.answers.front().cloned()
        };
        let answer = answer.flatten().ok_or(SourceError::Discovery {
            uri: String::new(),
            problem: "it is down",
        });
        Box::pin(std::future::ready(answer))
    }
}

impl Scripted {
    fn new(answers: impl IntoIterator<Item = Option<Vec<u8>>>) -> Self {
        let script = Script {
            answers: answers.into_iter().collect(),
            asked: Vec::new(),
        };
        Self(Arc::new(Mutex::new(script)), Instant::now())
    }

    fn asked(&self) -> Vec<u64> {
        self.0.lock().unwrap().asked.iter().map(Duration::as_secs).collect()
    }
}

fn a_key() -> Vec<u8> {
    let pkcs8 = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let pair = ring::signature::Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let x = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, pair.public_key());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]})
        .to_string()
        .into_bytes()
}

struct Kept {
    issuer: Arc<Issuer>,
    clock: Arc<Following>,
    source: Scripted,
    _task: tokio::task::JoinHandle<()>,
}

fn keep(answers: impl IntoIterator<Item = Option<Vec<u8>>>) -> Kept {
    let source = Scripted::new(answers);
    let settings = BearerIssuer::new("https://id.example", "wsfcd");
    let issuer = Arc::new(Issuer::with_source(&settings, Box::new(source.clone())));
    let clock = Arc::new(Following(source.1));
    let task = tokio::spawn({
        let (issuer, clock) = (Arc::clone(&issuer), Arc::clone(&clock));
        async move { issuer.keep_current(&*clock).await }
    });
    Kept {
        issuer,
        clock,
        source,
        _task: task,
    }
}

impl Kept {
    fn generation(&self) -> Option<u64> {
        self.issuer.keys(self.clock.now()).map(|(_keys, generation)| generation)
    }
}

/// Lets the runtime's time, which is not that of the world, go on to so many seconds after the start.
async fn until(kept: &Kept, seconds: u64) {
    sleep_until(kept.source.1 + Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_at_once_and_then_on_a_schedule() {
    let key = a_key();
    let kept = keep([Some(key.clone()), Some(key), Some(a_key())]);
    assert_eq!(kept.generation(), None);
    until(&kept, 1).await;
    assert_eq!(kept.generation(), Some(1));
    until(&kept, 901).await;
    assert_eq!(kept.generation(), Some(1), "the same keys are no others");
    until(&kept, 1_801).await;
    assert_eq!(kept.generation(), Some(2));
    assert_eq!(kept.source.asked(), [0, 900, 1_800]);
}

#[tokio::test(start_paused = true)]
async fn however_often_keys_are_wanted_they_are_read_once_a_minute() {
    let kept = keep([Some(a_key())]);
    for second in 1..200 {
        until(&kept, second).await;
        kept.issuer.want();
    }
    assert_eq!(kept.source.asked(), [0, 60, 120, 180]);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_is_asked_less_and_less_often() {
    let kept = keep([None]);
    until(&kept, 1_500).await;
    assert_eq!(kept.source.asked(), [0, 5, 15, 35, 75, 155, 315, 615, 915, 1_215]);
    assert_eq!(kept.generation(), None);
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_read_again_are_kept_for_a_day() {
    let kept = keep([Some(a_key()), Some(b"{}".to_vec()), None]);
    until(&kept, 24 * 60 * 60).await;
    assert_eq!(kept.generation(), Some(1));
    until(&kept, 24 * 60 * 60 + 1).await;
    assert_eq!(kept.generation(), None);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_up_again_is_used_again() {
    let kept = keep([None, Some(a_key()), Some(a_key())]);
    until(&kept, 6).await;
    assert_eq!(kept.generation(), Some(1));
    until(&kept, 906).await;
    assert_eq!(kept.source.asked(), [0, 5, 905]);
}

#[test]
fn a_file_is_read_at_the_start_or_the_start_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let clock = crate::platform::SystemClock;
    let mut settings = BearerIssuer::new("https://id.example", "wsfcd");
    settings.jwks_file = Some(path.clone());
    let open = || Issuer::new(&settings, &clock);
    assert!(matches!(open().map(drop), Err(SourceError::File { .. })));
    std::fs::write(&path, "{}").unwrap();
    assert!(matches!(open().map(drop), Err(SourceError::Keys(_))));
    std::fs::write(&path, vec![b' '; MOST_BYTES + 1]).unwrap();
    let error = chain(&open().map(drop).unwrap_err());
    assert!(error.contains("longer than"), "{error}");
    std::fs::write(&path, a_key()).unwrap();
    assert!(open().unwrap().keys(clock.now()).is_some());
}

#[test]
fn what_an_issuer_says_must_be_of_itself() {
    let said = |issuer: &str, rest: &str| {
        let document = format!(r#"{{"issuer":"{issuer}"{rest}}}"#);
        keys_address(document.as_bytes(), "https://id.example")
    };
    let there = r#","jwks_uri":"https://keys.example/jwks""#;
    assert_eq!(said("https://id.example", there).unwrap(), "https://keys.example/jwks");
    assert!(said("https://id.example/", there).is_err());
    assert!(said("https://id.example", "").is_err());
    assert!(said("https://id.example", r#","issuer":"https://id.example","jwks_uri":"x""#).is_err());
    assert!(keys_address(b"[]", "https://id.example").is_err());
}

#[tokio::test]
async fn the_keys_are_where_the_issuer_says_that_they_are() {
    let keys = a_key();
    let published = keys.clone();
    let server = serve_by(move |port, head| {
        let here = format!("https://localhost:{port}");
        match head.split(' ').nth(1).unwrap() {
            "/realm/.well-known/openid-configuration" => {
                let document = json!({"issuer": format!("{here}/realm"), "jwks_uri": format!("{here}/keys")});
                answer("200 OK", "", document.to_string().as_bytes())
            }
            "/keys" => answer("200 OK", "", &published),
            // Where they may be fetched without being secured.
            "/plain/.well-known/openid-configuration" => {
                let document = json!({"issuer": format!("{here}/plain"), "jwks_uri": "http://localhost/keys"});
                answer("200 OK", "", document.to_string().as_bytes())
            }
            _ => answer("404 Not Found", "", b""),
        }
    })
    .await;
    let read = async |issuer: &str, keys: Option<&str>| {
        let here = format!("https://localhost:{}", server.port);
        let mut settings = BearerIssuer::new(format!("{here}{issuer}"), "wsfcd");
        settings.jwks_url = keys.map(|path| format!("{here}{path}"));
        settings.ca_file = Some(server.ca.path().to_owned());
        Issuer::new(&settings, &crate::platform::SystemClock)
            .unwrap()
            .source
            .read()
            .await
    };
    assert_eq!(read("/realm", None).await.unwrap(), keys);
    assert_eq!(read("/other", Some("/keys")).await.unwrap(), keys);
    assert!(matches!(read("/other", None).await, Err(SourceError::Fetch { .. })));
    let plain = read("/plain", None).await.unwrap_err();
    assert!(chain(&plain).contains("does not begin with https://"), "{plain}");
}
