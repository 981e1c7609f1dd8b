//! The C interface, judged by C programs that are compiled with mingw-w64's own headers (tests/windows/abi).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use wsfc_clusapi::sys::constants;
use wsfc_clusapi::sys::types::{CLUSTER_IP_ENTRY, CLUSTERVERSIONINFO, CREATE_CLUSTER_CONFIG};
use wsfc_tests::wine;

/// The C compiler for Windows, whose headers judge.
const COMPILER: &str = "x86_64-w64-mingw32-gcc";

/// Where C programs are built.
pub struct Workshop {
    folder: TempDir,
}

impl Workshop {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let newer = newer_half(&fs::read_to_string(header("clusapi.h")).unwrap());
        fs::write(folder.path().join("newer-half.h"), newer).unwrap();
        Self { folder }
    }

    /// A file of the workshop.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles sources of tests/windows/abi to a program or library.
    #[track_caller]
    pub fn compile(&self, target: &str, sources: &[&str], options: &[&str]) -> PathBuf {
        let out = self.path(target);
        let mut command = Command::new(COMPILER);
        command.args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"]);
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("windows/abi");
        command.args(sources.iter().map(|source| from.join(source)));
        // The folder of the workshop is where generated files are included from.
        command
            .arg("-I")
            .arg(self.folder.path())
            .arg("-o")
            .arg(&out)
            .args(options);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}\n{told}");
        out
    }
}

/// Takes the newer half alone where it is needed (see tests/windows/abi/README.md).
const NEWER: &str = "-DNEWER=\"newer-half.h\"";

/// The path of one of the compiler's own headers.
fn header(name: &str) -> PathBuf {
    let source = format!("#include <windows.h>\n#include <{name}>\n");
    let mut compiler = Command::new(COMPILER)
        .args(["-M", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut compiler.stdin.take().unwrap(), source.as_bytes()).unwrap();
    let output = compiler.wait_with_output().unwrap();
    assert!(output.status.success());
    let dependencies = String::from_utf8(output.stdout).unwrap();
    let found = dependencies
        .split_whitespace()
        .find(|path| path.ends_with(&format!("/{name}")));
    found.unwrap().into()
}

/// The part of clusapi.h that came with Windows Server 2008.
fn newer_half(header: &str) -> String {
    let begin = header.find("#if (_WIN32_WINNT >= 0x0600)").unwrap();
    let end = header.find("#if (_WIN32_WINNT >= 0x0601)").unwrap();
    // It defines again what other headers of the same compiler do.
    format!("#pragma GCC system_header\n{}", &header[begin..end])
}

/// Sizes, offsets and numbers by the names that C knows.
type Figures = BTreeMap<String, i64>;

/// Ours, of a struct with some of its fields.
macro_rules! layout {
    ($figures:ident, $type:ident { $($field:ident)* }) => {
        $figures.insert(stringify!($type).into(), number(size_of::<$type>()));
        $($figures.insert(
            concat!(stringify!($type), ".", stringify!($field)).into(),
            number(core::mem::offset_of!($type, $field)),
        );)*
    };
}

/// Ours, of modules of constants.
macro_rules! constants {
    ($figures:ident, $($module:ident)*) => {
        $(for &value in constants::$module::NUMBERS {
            let name = constants::$module::name(value).unwrap();
            $figures.insert(name.into(), number(value));
        })*
    };
}

fn number(value: impl TryInto<i64, Error: std::fmt::Debug>) -> i64 {
    value.try_into().unwrap()
}

/// What this workspace says of the structs of the older half.
fn our_older_structs() -> Figures {
    let mut figures = Figures::new();
    layout!(figures, CLUSTERVERSIONINFO {
        dwVersionInfoSize MajorVersion MinorVersion BuildNumber szVendorId szCSDVersion dwClusterHighestVersion
        dwClusterLowestVersion dwFlags dwReserved
    });
    figures
}

/// What this workspace says of the structs of the newer half.
fn our_newer_structs() -> Figures {
    let mut figures = Figures::new();
    layout!(figures, CLUSTER_IP_ENTRY { lpszIpAddress dwPrefixLength });
    layout!(figures, CREATE_CLUSTER_CONFIG {
        dwVersion lpszClusterName cNodes ppszNodeNames cIpEntries pIpEntries fEmptyCluster
    });
    figures
}

/// Every constant of this workspace.
fn our_numbers() -> Figures {
    let mut figures = Figures::new();
    constants!(figures,
        version setup_phase setup_phase_type setup_phase_severity upgrade_phase management_point_type
        management_point_restype cloud_type node_cluster_state node_state group_state resource_state pause_flags
        resume_failback access cluster_enum node_enum group_type object_flags control notify_object notify_cluster
        notify_group notify_resource notify_resource_type notify_network notify_network_interface notify_node
        notify_quorum notify_shared_volume notify_upgrade notify_groupset
    );
    figures
}

/// Has a C program print what a header says of the structs, and of those of our numbers that the header has.
fn theirs(workshop: &Workshop, half: &str, structs: &Figures, header: &str, options: &[&str]) -> Figures {
    let mut listed = String::new();
    for name in structs.keys() {
        match name.split_once('.') {
            Some((of, field)) => writeln!(listed, "OFFSET({of}, {field})").unwrap(),
            None => writeln!(listed, "SIZE({name})").unwrap(),
        }
    }
    let words: std::collections::BTreeSet<_> = header.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    for name in our_numbers().keys().filter(|name| words.contains(name.as_str())) {
        writeln!(listed, "NUMBER({name})").unwrap();
    }
    let list = format!("{half}.listed");
    fs::write(workshop.path(&list), listed).unwrap();
    let listed = format!("-DLISTED=\"{list}\"");
    let options: Vec<_> = options.iter().copied().chain([listed.as_str()]).collect();
    let program = workshop.compile(&format!("{half}.exe"), &["layouts.c"], &options);
    let printed = wine::run(&mut wine::command(program)).well().stdout;
    let pairs = printed.lines().map(|line| line.split_once(' ').unwrap());
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

/// Compares ours with theirs, number by number; flags may be signed on one side. Gives how many were compared.
#[track_caller]
fn compare(ours: &Figures, theirs: &Figures, expected_differences: &[(&str, i64, i64)]) -> usize {
    let bits = |value: i64| value & 0xFFFF_FFFF;
    let mut differences = Vec::new();
    for (name, &their) in theirs {
        let our = ours[name];
        if bits(our) != bits(their) {
            differences.push((name.as_str(), our, their));
        }
    }
    assert_eq!(differences, expected_differences, "(name, ours, theirs)");
    theirs.len()
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn layouts_and_numbers_are_those_of_the_strangers_header() {
    let workshop = Workshop::new();
    let whole = fs::read_to_string(header("clusapi.h")).unwrap();
    let newer = newer_half(&whole);
    let older = &whole[..whole.find("#if (_WIN32_WINNT >= 0x0600)").unwrap()];

    let mut ours = our_older_structs();
    let printed = theirs(&workshop, "older", &ours, older, &[]);
    ours.append(&mut our_numbers());
    let compared = compare(&ours, &printed, &[]);
    assert!(compared > 60, "only {compared} names of the older half are compared");

    let mut ours = our_newer_structs();
    let printed = theirs(&workshop, "newer", &ours, &newer, &[NEWER]);
    ours.append(&mut our_numbers());
    // The header's struct is that of 2008. Ours has the fields that came later, which are read only if dwVersion says
    // that they are there (facts 1.2).
    let compared = compare(&ours, &printed, &[("CREATE_CLUSTER_CONFIG", 88, 56)]);
    assert!(compared > 55, "only {compared} names of the newer half are compared");
}

/// The world of the C program.
fn scenario(workshop: &Workshop, switches: &str) -> String {
    let path = workshop.path("world.toml");
    let world = r#"
        [[networks]]
        name = "Cluster Network 1"
        subnet = "10.0.0.0"
        prefix = 24
        [[machines]]
        name = "n1"
        [[machines]]
        name = "n2"
        [[machines]]
        name = "n3"
    "#;
    fs::write(&path, format!("{switches}\n{world}")).unwrap();
    wine::windows_path(&path)
}

/// Runs the C program in a world; `by_name` is the library that it loads itself.
fn live(role: &str, switches: &str, by_name: Option<&Path>) {
    let workshop = Workshop::new();
    let mut command = match by_name {
        None => {
            let options = [NEWER, "-lclusapi"];
            wine::command(workshop.compile("setup.exe", &["setup.c", "reads.c"], &options))
        }
        Some(_) => {
            let options = [NEWER, "-DBY_NAME"];
            wine::command(workshop.compile("setup.exe", &["setup.c", "reads.c"], &options))
        }
    };
    command.arg(role).args(by_name.map(wine::windows_path));
    command.env("WSFC_SIMULATOR_SCENARIO", scenario(&workshop, switches));
    let ended = wine::run(&mut command).well();
    assert_eq!(ended.stdout.trim(), "0 failed");
    assert_eq!(ended.stderr, "");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_c_program_that_is_linked_lives_with_a_cluster() {
    live("caller", "", None);
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_c_program_that_looks_names_up_lives_with_a_cluster_and_foreign_threads() {
    let library = wine::program("clusapi.dll");
    live("worker", "callback_thread = \"worker\"", Some(&library));
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_c_callback_that_answers_false_ends_the_call() {
    live("cancel", "false_aborts = true", None);
}
