//! Wine itself: what the other tests take for granted.

use std::path::Path;

use wsfc_tests::wine;

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn paths_have_two_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file.txt");
    std::fs::write(&file, "seen\n").unwrap();
    assert_eq!(wine::unix_path(&wine::windows_path(&file)), file);
    let system = wine::windows_path(&wine::system32());
    assert_eq!(system, "C:\\windows\\system32");
    assert_eq!(wine::unix_path(&system), wine::system32());
    let typed = wine::run(wine::command("cmd").args(["/c", "type", &wine::windows_path(&file)])).well();
    assert_eq!(typed.stdout, "seen\n");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn exit_codes_pass() {
    let ended = wine::run(wine::command("cmd").args(["/c", "exit", "7"]));
    assert_eq!(ended.status.code(), Some(7));
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_programs_start() {
    for program in ["wsfcd.exe", "wsfcctl.exe"] {
        let ended = wine::run(wine::command(wine::program(program)).arg("--version")).well();
        let name = Path::new(program).file_stem().unwrap().to_str().unwrap();
        assert_eq!(ended.stdout, format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_program_can_be_terminated() {
    let data = tempfile::tempdir().unwrap();
    let program = serving(data.path());
    program.terminate();
    assert!(!program.ended().status.success());
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn ctrl_c_ends_a_program_in_order() {
    let data = tempfile::tempdir().unwrap();
    let program = serving(data.path());
    program.interrupt();
    program.ended().well();
}

/// A daemon that serves a simulated world.
fn serving(folder: &Path) -> wine::Running {
    let mut command = wine::command(wine::program("wsfcd.exe"));
    command.args(["run", "--simulate", "--listen", "127.0.0.1:0", "--data-dir"]);
    let mut program = wine::Running::start(command.arg(wine::windows_path(&folder.join("data"))));
    program.line_with("127.0.0.1:");
    program
}
