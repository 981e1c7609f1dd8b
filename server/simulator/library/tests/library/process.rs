//! Processes of their own for tests.

use std::path::PathBuf;
use std::process::Command;

use wsfc_clusapi::Clusapi;

/// Set in the process that runs the body of a test.
const INSIDE: &str = "WSFC_TEST_INSIDE";

/// Where cargo has put the library: beside the programs of the tests.
pub fn library() -> PathBuf {
    let name = format!(
        "{}clusapi{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    std::env::current_exe().unwrap().with_file_name(name)
}

/// The library through the safe calls.
pub fn api() -> Clusapi {
    Clusapi::library(&library()).unwrap()
}

/// Whether this is the process of its own that a test has asked for.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs one test of this program in a process of its own with these variables, expects it to pass, and gives what it
/// printed to the standard error stream.
#[track_caller]
pub fn run(test: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{test} is no test: {stdout}");
    stderr
}

/// A scenario file with three machines in which nothing takes time, and with these lines before them.
pub fn scenario(lines: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    let machines = "
        [[networks]]
        name = \"Cluster Network 1\"
        subnet = \"10.0.0.0\"
        prefix = 24
        [[machines]]
        name = \"n1\"
        [[machines]]
        name = \"n2\"
        [[machines]]
        name = \"n3\"
        os = \"2016\"
    ";
    std::fs::write(&path, format!("{lines}\n{machines}")).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}
