//! `COVERAGE.md`: that every function of `clusapi.dll` and every cmdlet of the PowerShell module has its row, and that
//! the rows are true.
//!
//! The page is made of the list of C functions, the descriptor set of the contract, the commands of `wsfcctl`, and the two
//! tables in `tests/coverage`. `WSFC_UPDATE_COVERAGE=1 cargo test -p wsfc-tests --test coverage` writes it anew.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "how a test fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use prost_reflect::DescriptorPool;
use wsfc_clusapi::sys::{FUNCTIONS, LEFT_OUT};

/// What `windows-sys` lists for clusapi.dll, and what the PowerShell module of Windows Server 2025 has.
const OF_CLUSAPI: usize = 280;
const CMDLETS: usize = 132;

/// A row of one of the tables: a name, the calls of the contract, and the other columns.
struct Row {
    name: &'static str,
    rpcs: &'static str,
    rest: Vec<&'static str>,
}

fn rows(table: &'static str) -> Vec<Row> {
    let parse = |line: &'static str| {
        let mut columns = line.split('\t');
        Row {
            name: columns.next().unwrap(),
            rpcs: columns.next().unwrap(),
            rest: columns.collect(),
        }
    };
    table.lines().skip(1).map(parse).collect()
}

fn functions() -> Vec<Row> {
    rows(include_str!("../coverage/functions.tsv"))
}

fn cmdlets() -> Vec<Row> {
    rows(include_str!("../coverage/cmdlets.tsv"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every call of the contract, as `Service.Method`.
fn contract() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services().collect::<Vec<_>>();
    let methods = services.iter().flat_map(|service| {
        let name = service.name().to_owned();
        service.methods().map(move |method| format!("{name}.{}", method.name()))
    });
    methods.collect()
}

/// The calls that a cell names; none where it says something else in words.
fn named(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([',', ' ']).filter(|word| word.contains("Service."))
}

/// Everything that the safe layer says, without its tests, to look names up in.
fn safe_layer(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !matches!(name, "sys" | "trace" | "fake") {
                safe_layer(&path, text);
            }
        } else if !matches!(name, "fake.rs" | "tests.rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// True when a text has the name as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name)
        .any(|(at, _)| !is_word(text[..at].chars().next_back()) && !is_word(text[at + name.len()..].chars().next()))
}

#[test]
fn every_function_of_the_library_has_a_row() {
    let listed: BTreeSet<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    let rows: BTreeSet<_> = functions().iter().map(|row| row.name).collect();
    assert_eq!(listed.symmetric_difference(&rows).collect::<Vec<_>>(), [&""; 0]);

    let official: BTreeSet<_> = include_str!("../../server/clusapi/src/sys/clusapi_280.txt")
        .lines()
        .collect();
    assert_eq!(official.len(), OF_CLUSAPI);
    let left_out: BTreeSet<_> = LEFT_OUT.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.intersection(&left_out).collect::<Vec<_>>(), [&""; 0]);
    let missing = official
        .iter()
        .filter(|name| !listed.contains(*name) && !left_out.contains(*name));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0]);
}

#[test]
fn a_function_without_a_reason_is_called_by_the_safe_layer() {
    let mut text = String::new();
    safe_layer(&root().join("server/clusapi/src"), &mut text);
    let unused: Vec<_> = functions()
        .iter()
        .filter(|row| !row.rest[0].starts_with('-') && !mentions(&text, row.name))
        .map(|row| row.name)
        .collect();
    assert_eq!(unused, [""; 0]);
}

#[test]
fn every_row_has_a_call_of_the_contract_or_a_reason() {
    let contract = contract();
    for row in functions().iter().chain(&cmdlets()) {
        let reason = row.rest.last().is_some_and(|note| note.starts_with("- "));
        assert!(reason != (row.rpcs.len() > 1), "{}: a reason or a call", row.name);
        for call in named(row.rpcs) {
            assert!(contract.contains(call), "{}: the contract has no {call}", row.name);
        }
    }
}

#[test]
fn every_cmdlet_that_is_served_has_a_command() {
    let rows = cmdlets();
    let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
    assert_eq!((rows.len(), names.len()), (CMDLETS, CMDLETS));
    let program = wsfcctl::Cli::command();
    for row in &rows {
        let command = row.rest[0];
        assert_eq!(
            command.is_empty(),
            row.rpcs.is_empty(),
            "{}: calls and commands go together",
            row.name
        );
        let mut at = &program;
        for word in command.split_whitespace() {
            at = at
                .find_subcommand(word)
                .unwrap_or_else(|| panic!("{}: wsfcctl has no command {command:?}", row.name));
        }
    }
}

/// The page.
fn page() -> String {
    let mut page = String::from(
        "# Coverage\n\nMade by `WSFC_UPDATE_COVERAGE=1 cargo test -p wsfc-tests --test coverage` from the list of C \
         functions, the contract and the commands of `wsfcctl`; the same test, without the variable, checks that every \
         row is true.\n",
    );
    let rows = functions();
    let reached = rows.iter().filter(|row| !row.rest[0].starts_with('-')).count();
    let official = include_str!("../../server/clusapi/src/sys/clusapi_280.txt");
    let _ = write!(
        page,
        "\n## Functions of clusapi.dll\n\nOf the {OF_CLUSAPI} functions that `windows-sys` lists, {} stand in the table \
         of C functions and {} are left out of it; {} more are in the table because newer headers or `GetLastError` \
         have them. Of those in the table, calls of the contract reach {reached}; the others say why not.\n\n\
         | function | since | reached by |\n| --- | --- | --- |\n",
        official
            .lines()
            .filter(|name| rows.iter().any(|row| row.name == *name))
            .count(),
        LEFT_OUT.len(),
        rows.iter()
            .filter(|row| !official.lines().any(|name| name == row.name))
            .count(),
    );
    let mut table = BTreeMap::new();
    for function in FUNCTIONS {
        let row = rows.iter().find(|row| row.name == function.name).unwrap();
        let reached = match row.rest[0].strip_prefix("- ") {
            Some(reason) => format!("not reached: {reason}"),
            None => row.rpcs.to_owned(),
        };
        table.insert(function.name, (function.since.to_string(), reached));
    }
    for (name, reason) in LEFT_OUT {
        table.insert(name, (String::from("-"), format!("left out: {reason}")));
    }
    for (name, (since, reached)) in table {
        let _ = writeln!(page, "| `{name}` | {since} | {reached} |");
    }
    let rows = cmdlets();
    let served = rows.iter().filter(|row| !row.rpcs.is_empty()).count();
    let _ = write!(
        page,
        "\n## Cmdlets of the module FailoverClusters\n\nOf the {CMDLETS} cmdlets of Windows Server 2025, {served} are \
         served; the others do not work through the cluster API, or say why not.\n\n\
         | cmdlet | call | command |\n| --- | --- | --- |\n",
    );
    for row in rows {
        let (call, command) = match row.rest[1].strip_prefix("- ") {
            Some(reason) => (format!("none: {reason}"), String::new()),
            None => {
                let note = if row.rest[1].is_empty() {
                    String::new()
                } else {
                    format!(" ({})", row.rest[1])
                };
                (format!("{}{note}", row.rpcs), format!("`wsfcctl {}`", row.rest[0]))
            }
        };
        let _ = writeln!(page, "| `{}` | {call} | {command} |", row.name);
    }
    page
}

#[test]
fn the_page_is_up_to_date() {
    let path = root().join("COVERAGE.md");
    let page = page();
    if std::env::var_os("WSFC_UPDATE_COVERAGE").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "COVERAGE.md is not what the tables say; see the head of this test"
    );
}
