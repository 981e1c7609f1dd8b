//! The installer and the archives of `tests/windows/package`: the installer's tables, and an installation under Wine.
//!
//! Wine installs files, service, registry and PATH. It has no firewall, so what is asserted about that is what the tables
//! say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use wsfc_tests::wine;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What Installer knows all versions of the product by. It never changes.
const UPGRADE_CODE: &str = "{24DC228A-2A97-42B4-8FFA-BF95100EE171}";

/// A file of the package.
fn packaged(ending: &str) -> PathBuf {
    let folder = wine::program("wsfcd.exe").parent().unwrap().with_file_name("packages");
    let path = folder.join(format!("wsfcd-{VERSION}-x64{ending}"));
    assert!(
        path.is_file(),
        "{} is not made: see tests/windows/package",
        path.display()
    );
    path
}

/// Runs a program of this machine and gives what it prints.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of a table of the installer, each column by its name.
fn table(name: &str) -> Vec<Row> {
    let text = printed("msiinfo", &["export", packaged(".msi").to_str().unwrap(), name]);
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let columns: Vec<_> = lines.next().unwrap().split('\t').map(str::to_owned).collect();
    // The types of the columns, and the name of the table with its keys.
    lines.by_ref().take(2).for_each(drop);
    lines
        .map(|line| {
            Row(columns
                .iter()
                .cloned()
                .zip(line.split('\t').map(str::to_owned))
                .collect())
        })
        .collect()
}

#[derive(Debug)]
struct Row(Vec<(String, String)>);

impl Row {
    fn get(&self, column: &str) -> &str {
        let cell = self.0.iter().find(|(name, _)| name == column);
        &cell.unwrap_or_else(|| panic!("no column {column}: {self:?}")).1
    }
}

/// The row of a table whose first column has a value.
fn row(name: &str, key: &str) -> Row {
    let found = table(name).into_iter().find(|row| row.0[0].1 == key);
    found.unwrap_or_else(|| panic!("no {key} in {name}"))
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_installer_holds_the_programs_and_their_texts() {
    let mut files: Vec<_> = table("File").iter().map(|row| row.get("FileName").to_owned()).collect();
    files.sort();
    let expected = [
        "LICENSE",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "LICENSES-OF-LIBRARIES.txt",
        "README.md",
        "WINDOWS.md",
        "wsfcctl.exe",
        "wsfcd.exe",
        "wsfcres.dll",
    ];
    assert_eq!(files, expected);
    // Without versions, an upgrade would leave nothing in place of the programs it removes.
    let release = VERSION.split('-').next().unwrap();
    for program in ["wsfcd.exe", "wsfcctl.exe", "wsfcres.dll"] {
        assert_eq!(row("File", program).get("Version"), format!("{release}.0"));
    }
    assert_eq!(row("Property", "ProductVersion").get("Value"), release);
    assert_eq!(row("Property", "ALLUSERS").get("Value"), "1");
    let summary = printed("msiinfo", &["suminfo", packaged(".msi").to_str().unwrap()]);
    assert!(summary.contains("Template: x64;1033"), "{summary}");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_installer_makes_the_service() {
    let service = row("ServiceInstall", "Service");
    assert_eq!(service.get("Name"), "wsfcd");
    assert_eq!(service.get("ServiceType"), "16", "a process of its own");
    assert_eq!(service.get("StartType"), "2", "automatic");
    assert_eq!(service.get("Arguments"), "service run");
    assert_eq!(
        service.get("Dependencies"),
        "",
        "the daemon is needed most when the cluster service is down"
    );
    assert_eq!(service.get("StartName"), "[ACCOUNT]");
    assert_eq!(row("Property", "MsiHiddenProperties").get("Value"), "ACCOUNTPASSWORD");
    let start = row("ServiceControl", "Start");
    assert_eq!((start.get("Event"), start.get("Wait")), ("1", "0"));
    // Stop at install and uninstall, delete at uninstall.
    let stop = row("ServiceControl", "Stop");
    assert_eq!((stop.get("Event"), stop.get("Wait")), ("162", "1"));
    // The rest of it, by the daemon's own installation, which `service` tests.
    let configured = row("CustomAction", "ConfigureService");
    assert_eq!(
        (configured.get("Source"), configured.get("Target")),
        ("wsfcd.exe", "service install")
    );
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_installer_opens_no_port_and_removes_no_data() {
    let rule = row("CustomAction", "AddRule");
    assert!(rule.get("Target").contains(" enable=no "), "{rule:?}");
    assert!(rule.get("Target").contains(r#"name="wsfcd (gRPC)""#), "{rule:?}");
    // Somebody may have enabled it; an upgrade leaves it alone.
    let added = row("InstallExecuteSequence", "AddRule");
    assert!(added.get("Condition").contains("NOT WIX_UPGRADE_DETECTED"), "{added:?}");
    let removed = row("InstallExecuteSequence", "RemoveRule");
    assert!(
        removed.get("Condition").contains("NOT UPGRADINGPRODUCTCODE"),
        "{removed:?}"
    );
    let folders = table("Directory");
    let mut folders: Vec<_> = folders.iter().map(|row| row.get("Directory")).collect();
    folders.sort_unstable();
    assert_eq!(folders, ["InstallFolder", "ProgramFiles64Folder", "TARGETDIR"]);
    assert!(table("RemoveFile").is_empty() && table("CreateFolder").is_empty());
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn what_changes_the_system_stands_between_begin_and_end() {
    let at = |action| {
        row("InstallExecuteSequence", action)
            .get("Sequence")
            .parse::<u32>()
            .unwrap()
    };
    let order = [
        "AppSearch",
        "KeepAccount",
        "DefaultAccount",
        "LaunchConditions",
        "CostFinalize",
        "FindNetsh",
        "InstallInitialize",
        // Within the transaction: an upgrade that fails brings the former version back.
        "RemoveExistingProducts",
        "StopServices",
        "DeleteServices",
        "RemoveRule",
        "RemoveEnvironmentStrings",
        "RemoveFiles",
        "InstallFiles",
        "WriteRegistryValues",
        "WriteEnvironmentStrings",
        "InstallServices",
        "ConfigureService",
        "AddRule",
        "StartServices",
        "InstallFinalize",
    ];
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
    }
    // Deferred (1024), without impersonation (2048), its answer ignored (64), a program named by a property (50) or
    // installed (18).
    for (action, kind) in [("AddRule", 50), ("RemoveRule", 50), ("ConfigureService", 18)] {
        assert_eq!(
            row("CustomAction", action).get("Type"),
            (1024 + 2048 + 64 + kind).to_string()
        );
    }
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_newer_version_replaces_an_older_one_and_not_the_other_way() {
    let release = VERSION.split('-').next().unwrap();
    assert_eq!(row("Property", "UpgradeCode").get("Value"), UPGRADE_CODE);
    let rows = table("Upgrade");
    let by_property = |name: &str| rows.iter().find(|row| row.get("ActionProperty") == name).unwrap();
    let older = by_property("WIX_UPGRADE_DETECTED");
    assert_eq!(
        (older.get("UpgradeCode"), older.get("VersionMax")),
        (UPGRADE_CODE, release)
    );
    let newer = by_property("WIX_DOWNGRADE_DETECTED");
    assert_eq!(
        (newer.get("UpgradeCode"), newer.get("VersionMin")),
        (UPGRADE_CODE, release)
    );
    assert_eq!(
        newer.get("Attributes"),
        "2",
        "only told, for the condition that refuses it"
    );
    assert!(
        table("LaunchCondition")
            .iter()
            .any(|row| row.get("Condition") == "NOT WIX_DOWNGRADE_DETECTED")
    );
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn the_archives_hold_what_their_names_say() {
    let holds = |ending: &str| {
        let archive = packaged(ending);
        let listed = printed("zip", &["-sf", archive.to_str().unwrap()]);
        listed
            .lines()
            .filter_map(|line| line.trim().split_once('/'))
            .map(|(_, file)| file.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        holds(".zip"),
        [
            "LICENSE",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "LICENSES-OF-LIBRARIES.txt",
            "README.md",
            "WINDOWS.md",
            "wsfcctl.exe",
            "wsfcd.exe",
            "wsfcres.dll",
        ]
    );
    // Apart, so that nobody lays the simulated cluster beside the daemon by accident.
    let simulator = holds("-simulator.zip");
    assert!(simulator.iter().any(|file| file == "clusapi.dll"), "{simulator:?}");
    assert_eq!(
        holds("-debug.zip"),
        [
            "clusapi.dll.debug",
            "wsfcctl.exe.debug",
            "wsfcd.exe.debug",
            "wsfcres.dll.debug"
        ]
    );
    let msi = packaged(".msi");
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(msi.parent().unwrap())
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(String::from_utf8(checked.stdout).unwrap().lines().count(), 4);
}

/// The installation as the system shows it.
struct Installed;

impl Installed {
    fn service(what: &str) -> wine::Ended {
        wine::run(wine::command("sc").args([what, "wsfcd"]))
    }

    fn registry(key: &str, value: &str) -> Option<String> {
        let ended = wine::run(wine::command("reg").args(["query", key, "/v", value]));
        ended.status.success().then_some(ended.stdout)
    }

    fn path() -> String {
        Self::registry(
            r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment",
            "PATH",
        )
        .unwrap()
    }
}

fn msiexec(what: &str, package: &Path) -> bool {
    // Processes that Wine starts for the installer outlive it, and would keep pipes open.
    let mut command = wine::command("msiexec");
    command.args([what, &wine::windows_path(package), "/qn"]);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

const SERVICE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\wsfcd";
const EVENT_SOURCE: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\wsfcd";

/// One test, since there is one list of installed products.
#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn it_installs_upgrades_and_uninstalls() {
    let programs = wine::prefix().join("drive_c/Program Files/wsfcd");
    let data = wine::prefix().join("drive_c/ProgramData/wsfcd");
    // The settings of an administrator who was here before: a port that is free, and a file that says which.
    std::fs::create_dir_all(&data).unwrap();
    let _removed_in_the_end = Removed(&data);
    std::fs::write(
        data.join("wsfcd.toml"),
        "[listen]\naddress = \"127.0.0.1:0\"\nready_file = 'C:\\ProgramData\\wsfcd\\address'\n",
    )
    .unwrap();

    // What a failed run has left would be repaired, not installed.
    let _nothing_there = msiexec("/x", &packaged(".msi"));
    assert!(msiexec("/i", &packaged(".msi")));
    for file in [
        "wsfcd.exe",
        "wsfcctl.exe",
        "wsfcres.dll",
        "README.md",
        "LICENSES-OF-LIBRARIES.txt",
    ] {
        assert!(programs.join(file).is_file(), "{file}");
    }
    Installed::service("query").well();
    let image = Installed::registry(SERVICE, "ImagePath").unwrap();
    assert!(
        image.contains(r#""C:\Program Files\wsfcd\wsfcd.exe" service run"#),
        "{image}"
    );
    let account = Installed::registry(SERVICE, "ObjectName").unwrap();
    assert!(account.contains("LocalSystem"), "{account}");
    let messages = Installed::registry(EVENT_SOURCE, "EventMessageFile").unwrap();
    assert!(messages.contains(r"C:\Program Files\wsfcd\wsfcd.exe"), "{messages}");
    assert!(Installed::path().contains(r"C:\Program Files\wsfcd"));
    wait_until("the daemon serves", || data.join("address").is_file());
    let kept = data.join("kept");
    std::fs::write(&kept, "").unwrap();

    let newer = newer_package();
    assert!(msiexec("/i", &newer.path().join("newer.msi")));
    Installed::service("query").well();
    assert!(programs.join("wsfcd.exe").is_file() && kept.is_file());
    assert_eq!(Installed::path().matches(r"C:\Program Files\wsfcd").count(), 1);
    let products = wine::run(wine::command("reg").args([
        "query",
        r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall",
        "/s",
        "/v",
        "DisplayName",
    ]));
    let products = products
        .stdout
        .lines()
        .filter(|line| line.trim().ends_with("wsfcd"))
        .count();
    assert_eq!(products, 1, "the upgrade has left the older version");

    assert!(msiexec("/x", &newer.path().join("newer.msi")));
    assert!(!programs.join("wsfcd.exe").exists() && !programs.join("wsfcctl.exe").exists());
    assert!(!Installed::service("query").status.success());
    assert!(Installed::registry(EVENT_SOURCE, "EventMessageFile").is_none());
    assert!(!Installed::path().contains("wsfcd"));
    assert!(kept.is_file() && data.join("wsfcd.toml").is_file() && data.join("data").is_dir());
}

/// A folder that no other test of this machine finds, however this one ends.
struct Removed<'path>(&'path Path);

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(self.0));
    }
}

/// The same package with a higher version, as the next release will be. Installer's major versions end at 255, Wine's at 127.
fn newer_package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("newer.msi");
    std::fs::copy(packaged(".msi"), &package).unwrap();
    let release = VERSION.split('-').next().unwrap();
    let queries = [
        "UPDATE Property SET Value = '127.0.0' WHERE Property = 'ProductVersion'".into(),
        "UPDATE Property SET Value = '{C8C2D5C6-7D0B-4C36-9D1C-2B1E5A4F9E11}' WHERE Property = 'ProductCode'".into(),
        format!("DELETE FROM Upgrade WHERE VersionMax = '{release}'"),
        format!("DELETE FROM Upgrade WHERE VersionMin = '{release}'"),
        format!(
            "INSERT INTO Upgrade (UpgradeCode, VersionMax, Attributes, ActionProperty) \
             VALUES ('{UPGRADE_CODE}', '127.0.0', 1, 'WIX_UPGRADE_DETECTED')"
        ),
        "UPDATE File SET Version = '127.0.0.0' WHERE Language = '1033'".to_owned(),
    ];
    for query in queries {
        printed("msibuild", &[package.to_str().unwrap(), "-q", &query]);
    }
    folder
}

/// Waits for what the service does by itself: it is started without waiting, and gives no signal here.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let pause = Duration::from_millis(100);
    for _ in 0..wine::PATIENCE.as_millis() / pause.as_millis() {
        if done() {
            return;
        }
        std::thread::park_timeout(pause);
    }
    panic!("{what}: not within {:?}", wine::PATIENCE);
}
