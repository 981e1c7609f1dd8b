//! Names that are more than names elsewhere: paths, pipes, devices, lines of a log. And places to resume from that never
//! were.

use std::path::{Path, PathBuf};

use prost::Message as _;
use tonic::Code;
use wsfc_client::v1;
use wsfc_proto::methods;
use wsfc_tests::{request as wanted, world};

use crate::asking::{Answer, Filling, ask, filled, framed, input, request, set_text};
use crate::everything;
use crate::target::Target;

/// What is in every one of the names, so that whatever they reach is found by it.
const TRACE: &str = "attack7f3a";

/// The names.
fn odd() -> Vec<String> {
    let long = "x".repeat(10_000 - TRACE.len());
    [
        "../../../../tmp/@",
        r"..\..\..\..\@",
        "/tmp/@",
        r"C:\@",
        r"\\host\pipe\@",
        r"\\.\pipe\@",
        r"\\?\C:\@",
        r"\\127.0.0.1\C$\@",
        "@\0.txt",
        "@\r\nSet-Cookie: a=b",
        "@\n2026-01-01T00:00:00Z ERROR wsfcd: Forged",
        "@\u{1b}[2J\u{1b}]0;owned\u{7}",
        "@\u{202e}gnp.exe",
        r"@\ud800",
        "@\u{fffd}\u{ffff}\u{10ffff}",
        "CON.@",
        "NUL:@",
        "@:stream:$DATA",
        "${jndi:ldap://@}",
        "%n%s%@",
        "$(touch @)",
        "'; DROP TABLE @; --",
        &format!("{long}@"),
        "@.",
        "@ ",
        "-@",
        "--@=x",
    ]
    .iter()
    .map(|name| name.replace('@', TRACE))
    .collect()
}

struct Everywhere<'a>(&'a str);

impl Filling for Everywhere<'_> {
    fn fills(&mut self) -> bool {
        true
    }

    fn text(&mut self) -> String {
        self.0.into()
    }

    fn number(&mut self) -> u64 {
        1
    }
}

/// What is called as the attacker's names are, anywhere below a folder.
fn traces(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // Folders of other tests come and go.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().contains(TRACE) {
            found.push(path.clone());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(traces(&path));
        }
    }
    found
}

/// Odd names in every text of every method's request, once in all of them and once with a cluster that there is; each name
/// for each method, where everything is asked for.
/// Each call is answered, no file comes to bear such a name, and no line of the log is broken by it.
#[tokio::test]
async fn names_that_are_paths_or_lines() {
    let target = Target::beside_over(world::production(), |settings| {
        settings.limits.calls_per_second = 0;
        settings.limits.changes_per_second = 0;
    })
    .await;
    let channel = target.daemon.channel().await;
    let mut told = 0;
    // A few for each method take long enough; everything is each for each.
    let step = if everything() { 1 } else { 4 };
    for (turn, method) in methods::ALL.iter().enumerate() {
        let descriptor = input(method.path);
        for name in odd().into_iter().skip(turn % step).step_by(step) {
            let mut message = filled(&descriptor, &mut Everywhere(&name));
            for cluster in [None, Some("prod")] {
                if let Some(cluster) = cluster {
                    set_text(&mut message, method.cluster, cluster);
                }
                let asked = request(method.path, framed(&message.encode_to_vec()));
                let answer = ask(&channel, asked).await;
                let short: String = name.chars().take(40).collect();
                let answer = answer.unwrap_or_else(|error| panic!("{} of {short:?}: {error}", method.path));
                assert!(
                    !answer.is_the_daemons_fault(),
                    "{} of {short:?}: {answer:?}",
                    method.path
                );
                told += 1;
            }
        }
    }
    eprintln!("{told} calls with odd names were answered");
    let here = std::env::current_dir().unwrap();
    let folders = [target.daemon.dir(), here.as_path(), Path::new("/tmp"), Path::new("/")];
    for folder in &folders[..2] {
        assert_eq!(traces(folder), [] as [PathBuf; 0]);
    }
    // Not below these, which belong to others.
    for folder in &folders[2..] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let found = entries.filter(|entry| entry.file_name().to_string_lossy().contains(TRACE));
        assert_eq!(found.count(), 0, "in {}", folder.display());
    }
    let log = target.daemon.logs().text();
    let broken: Vec<_> = log
        .split('\n')
        .filter(|line| line.contains(TRACE) || line.contains("Forged"))
        .filter(|line| line.contains(char::is_control) || line.starts_with("2026"))
        .collect();
    assert_eq!(broken, [] as [&str; 0], "lines of the log that a name has broken");
    target.finish().await;
}

/// Bytes that are no text where a text should be: surrogates by themselves, bytes too many and too few.
#[tokio::test]
async fn texts_that_are_none() {
    let target = Target::beside(|_settings| {}).await;
    let channel = target.daemon.channel().await;
    for text in [
        &b"\xED\xA0\x80"[..],
        b"\xED\xBF\xBF",
        b"\xC0\x80",
        b"\xC0\xAF",
        b"\xF4\x90\x80\x80",
        b"\xFF",
        b"\xE2\x82",
        b"a\x80",
    ] {
        for method in methods::ALL.iter().filter(|method| !method.cluster.is_empty()) {
            // The text, in as many messages as lead to it.
            let mut message = text.to_vec();
            for number in method.cluster.iter().rev() {
                let mut field = vec![
                    u8::try_from(number << 3 | 2).unwrap(),
                    u8::try_from(message.len()).unwrap(),
                ];
                field.append(&mut message);
                message = field;
            }
            let answer = ask(&channel, request(method.path, framed(&message))).await.unwrap();
            assert_eq!(
                (answer.code(), answer.reason().as_str()),
                (Code::InvalidArgument, "REQUEST_MALFORMED"),
                "{} with {text:02x?}: {answer:?}",
                method.path
            );
        }
    }
    target.finish().await;
}

async fn asked(target: &Target, path: &str, message: &impl prost::Message) -> Answer {
    let channel = target.daemon.channel().await;
    ask(&channel, request(path, framed(&message.encode_to_vec())))
        .await
        .unwrap()
}

/// Places to resume from that never were: beyond the end, and where a negative number would be.
#[tokio::test]
async fn places_that_never_were() {
    let target = Target::beside(|_settings| {}).await;
    let client = target.daemon.client();
    let operation = client
        .create_cluster(wanted::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    wsfc_tests::records::to_the_end(&operation).await;
    for place in [u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, 1 << 32, 1_000_000] {
        let watch = v1::WatchOperationRequest {
            operation_id: operation.id().into(),
            after_sequence: place,
            ..Default::default()
        };
        let answer = asked(&target, "/wsfc.v1.OperationService/WatchOperation", &watch).await;
        assert_eq!(answer.code(), Code::OutOfRange, "{place}: {answer:?}");
        let watch = v1::WatchRequest {
            after_revision: Some(place),
            operations: true,
            ..Default::default()
        };
        let answer = asked(&target, "/wsfc.v1.EventService/Watch", &watch).await;
        assert_eq!(answer.code(), Code::OutOfRange, "{place}: {answer:?}");
        assert_eq!(answer.reason(), "REVISION_IN_FUTURE", "{answer:?}");
    }
    for token in ["", "A", "AAAA", "////", "=", "..", &"A".repeat(10_000)] {
        let list = v1::ListOperationsRequest {
            page_token: token.into(),
            page_size: i32::MIN,
            ..Default::default()
        };
        let answer = asked(&target, "/wsfc.v1.OperationService/ListOperations", &list).await;
        assert_eq!(answer.code(), Code::InvalidArgument, "{token}: {answer:?}");
        let list = v1::ListOperationsRequest {
            page_token: token.into(),
            ..Default::default()
        };
        let answer = asked(&target, "/wsfc.v1.OperationService/ListOperations", &list).await;
        let expected = if token.is_empty() {
            Code::Ok
        } else {
            Code::InvalidArgument
        };
        assert_eq!(answer.code(), expected, "{token}: {answer:?}");
    }
    target.finish().await;
}
