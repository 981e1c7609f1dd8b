//! Settings that cannot be used, and settings that should not be.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

#[tokio::test]
async fn bad_settings_are_refused_with_the_reason_and_a_failing_exit_code() {
    for (arguments, reason) in [
        (vec!["run", "--listen", "0.0.0.0:0"], "not a loopback address"),
        (vec!["run", "--set", "operations.create_setle=1s"], "create_setle"),
        (vec!["run", "--config", "no-such-file.toml"], "no-such-file.toml"),
        (vec!["config", "check", "--set", "log.filter=wsfcd=loud"], "log.filter"),
        (vec!["run", "--simulate", "no-such-scenario"], "no-such-scenario"),
        (
            vec!["config", "check", "--simulate", "no-such-scenario"],
            "no-such-scenario",
        ),
        (
            vec!["config", "check", "--set", "cluster_api.library=/no/such/library"],
            "/no/such/library",
        ),
        (vec!["config", "check", "--set", "cluster_api.library=/"], "not a file"),
        (vec!["config", "check", "--set", "limits.unary=0s"], "limits.unary"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_wsfcd"))
            .args(&arguments)
            .stdin(Stdio::null())
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), run)
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains(reason), "{arguments:?}: {text}");
    }
}

/// A daemon that gives a role to whoever comes from the network says so, and so does the check of its settings.
#[tokio::test]
async fn open_control_is_said_aloud() {
    let folder = TempDir::new().unwrap();
    let pair = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let check = |client_ca: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsfcd"));
        command.args(["config", "check", "--simulate", "--listen", "0.0.0.0:0"]);
        command
            .arg("--tls-certificate")
            .arg(&certificate)
            .arg("--tls-key")
            .arg(&key);
        match client_ca {
            Some(path) => command.arg("--tls-client-ca").arg(path),
            None => command.env("WSFCD_ACCESS__UNAUTHENTICATED_ROLE", "viewer"),
        };
        command.stdin(Stdio::null()).output()
    };
    let open = check(None).await.unwrap();
    assert!(open.status.success(), "{open:?}");
    assert!(
        String::from_utf8_lossy(&open.stderr).contains("everybody who reaches the address has that role"),
        "{open:?}"
    );
    let closed = check(Some(&certificate)).await.unwrap();
    assert!(closed.status.success(), "{closed:?}");
    assert!(closed.stderr.is_empty(), "{closed:?}");
    let mut plain = Command::new(env!("CARGO_BIN_EXE_wsfcd"));
    plain
        .args(["config", "check", "--simulate", "--listen", "0.0.0.0:0"])
        .env("WSFCD_LISTEN__ALLOW_PLAIN", "true")
        .env("WSFCD_ACCESS__UNAUTHENTICATED_ROLE", "viewer");
    let plain = plain.stdin(Stdio::null()).output().await.unwrap();
    assert!(plain.status.success(), "{plain:?}");
    assert!(
        String::from_utf8_lossy(&plain.stderr).contains("whoever is on the way can read and change"),
        "{plain:?}"
    );
}
