//! `wsfcctl audit`: a look at the files of an audit log, without the daemon.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::json;
use wsfc_audit::{Anchor, Entry, Lines, Report, Sealed, Verifier, files};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::tables;

/// The verbs of `wsfcctl audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether an audit log is as it was written, and where it is not.
    ///
    /// Ends with 0 when it is, and with 1 when an entry was edited, moved, added or taken out, when a file ends within a
    /// line, and when an anchor does not fit. That the end was cut off, and that everything was written anew, shows at an
    /// anchor only: event 603 in the event log of the daemon's host, or what an earlier `verify` has told. Keep anchors where
    /// whoever can write the files cannot.
    Verify(Verify),
    /// Show the entries of an audit log.
    Show(Show),
}

/// What is to be verified.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The folder of the log, `audit` in the daemon's data folder, or one file of it.
    path: PathBuf,
    /// A place in the log that was kept elsewhere; may be repeated.
    #[arg(long, value_name = "SEQUENCE:HASH")]
    anchor: Vec<Anchor>,
    /// Also ask for the beginning: nothing was removed or is kept elsewhere.
    #[arg(long)]
    whole: bool,
}

/// What is to be shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The folder of the log, `audit` in the daemon's data folder, or one file of it.
    path: PathBuf,
    /// Only what this principal asked for.
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Only methods whose path contains this, such as `GroupService/Move`.
    #[arg(long, value_name = "TEXT")]
    method: Option<String>,
    /// Only what was written from then on: a time such as 2026-01-31T12:00:00Z, or a duration until now such as 2h.
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<SystemTime>,
}

fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago =
        humantime::parse_duration(text).map_err(|_| "write a time as 2026-01-31T12:00:00Z, or a duration as 2h")?;
    now().checked_sub(ago).ok_or_else(|| "that is too long ago".to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the daemon's clock is for the daemon; this compares files with the time of whoever looks"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Verify(arguments) => verify(arguments, session),
        Verb::Show(arguments) => show(arguments, session),
    }
}

/// Reads the whole log; `sound` gets each entry that is as it was written.
fn read(path: &std::path::Path, anchors: &[Anchor], mut sound: impl FnMut(&Sealed)) -> Result<Report, Failure> {
    let cannot = |path: &std::path::Path, source| Failure::File {
        path: path.display().to_string(),
        source,
    };
    let mut verifier = Verifier::new(anchors);
    let files = files(path).map_err(|error| cannot(path, error))?;
    if files.is_empty() {
        return Err(cannot(
            path,
            io::Error::new(io::ErrorKind::NotFound, "it holds no audit log"),
        ));
    }
    for file in files {
        let read = Lines::of_file(&file.path).and_then(|lines| verifier.file(&file.name(), lines, &mut sound));
        read.map_err(|error| cannot(&file.path, error))?;
    }
    Ok(verifier.finish())
}

fn verify(arguments: &Verify, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let report = read(&arguments.path, &arguments.anchor, |_entry| {})?;
    let lacks_beginning = arguments.whole && report.first.is_some_and(|first| first > 1);
    let is_sound = report.is_sound() && !lacks_beginning;
    let mut value = serde_json::to_value(&report).map_err(|error| Failure::Format(error.into()))?;
    if let Some(object) = value.as_object_mut() {
        object.insert("sound".into(), json!(is_sound));
    }
    output::value_answer(
        &mut session.terminal.out,
        session.globals.output,
        &value,
        |out, _wide| verified(out, &report, lacks_beginning),
    )?;
    Ok(if is_sound { Exit::Ok } else { Exit::OperationFailed })
}

/// What a log comes to, for people.
fn verified(out: &mut dyn Write, report: &Report, lacks_beginning: bool) -> io::Result<()> {
    for finding in &report.findings {
        let sequence = finding
            .sequence
            .map_or(String::new(), |sequence| format!(", entry {sequence}"));
        writeln!(
            out,
            "{}, line {}{sequence}: {}",
            finding.file, finding.line, finding.fault
        )?;
    }
    if report.more_findings > 0 {
        writeln!(out, "and {} more", report.more_findings)?;
    }
    let (entries, count) = (report.entries, report.files);
    let last = report.last.map_or(String::new(), |last| last.to_string());
    match report.first {
        Some(first) if first > 1 && lacks_beginning => {
            writeln!(out, "The log begins with entry {first}: what was before is not there.")?;
        }
        Some(first) if first > 1 => {
            writeln!(
                out,
                "The log begins with entry {first}: what was before was removed, or is kept elsewhere."
            )?;
        }
        Some(_) | None => {}
    }
    if report.alarms > 0 {
        writeln!(
            out,
            "{} entries of the daemon itself tell of alarms or gaps; `wsfcctl audit show` has them.",
            report.alarms
        )?;
    }
    if report.is_sound() && !lacks_beginning {
        writeln!(out, "{entries} entries in {count} files are as they were written.")?;
    } else {
        writeln!(
            out,
            "The log is NOT as it was written. {entries} entries in {count} files are."
        )?;
    }
    if last.is_empty() {
        Ok(())
    } else {
        writeln!(out, "The anchor of its end: {last}")
    }
}

impl Show {
    fn wants(&self, entry: &Entry) -> bool {
        let is_theirs = |name: &String| entry.who.as_ref().is_some_and(|who| who.principal == *name);
        let is_of = |text: &String| {
            entry
                .call
                .as_ref()
                .is_some_and(|call| call.method.contains(text.as_str()))
        };
        self.principal.as_ref().is_none_or(is_theirs)
            && self.method.as_ref().is_none_or(is_of)
            && self.since.is_none_or(|since| entry.time >= since)
    }
}

fn show(arguments: &Show, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut wanted = Vec::new();
    let mut intents = std::collections::HashSet::new();
    let report = read(&arguments.path, &[], |sealed| {
        let entry = &sealed.entry;
        // An outcome belongs to its intent, which says who and what.
        if arguments.wants(entry) || entry.intent.is_some_and(|intent| intents.contains(&intent)) {
            intents.insert(entry.sequence);
            wanted.push(entry.clone());
        }
    })?;
    let out = &mut session.terminal.out;
    if session.globals.output.is_machine() {
        for entry in &wanted {
            let value = serde_json::to_value(entry).map_err(|error| Failure::Format(error.into()))?;
            output::value_item(out, session.globals.output, &value)?;
        }
    } else {
        let headings = ["ENTRY", "TIME", "KIND", "WHO", "FROM", "WHAT", "ON", "RESULT"];
        tables::rows(out, &headings, wanted.iter().map(row))?;
    }
    if report.is_sound() {
        return Ok(Exit::Ok);
    }
    let count = report.findings.len() as u64 + report.more_findings;
    writeln!(
        session.terminal.err,
        "warning: the log is not as it was written at {count} places; `wsfcctl audit verify` tells them"
    )?;
    Ok(Exit::OperationFailed)
}

fn row(entry: &Entry) -> Vec<String> {
    let call = entry.call.as_ref();
    let what = call.map_or_else(
        || entry.detail.clone().or_else(|| entry.file.clone()).unwrap_or_default(),
        |call| {
            let method = call.method.strip_prefix("/wsfc.v1.").unwrap_or(&call.method);
            let check = if call.validate_only { " (check only)" } else { "" };
            format!("{method}{check}")
        },
    );
    let cluster = call.map_or("", |call| call.cluster.as_str());
    let objects = call.map_or(&[][..], |call| call.objects.as_slice());
    let on: Vec<&str> = std::iter::once(cluster)
        .chain(objects.iter().map(String::as_str))
        .chain(entry.operation_id.as_deref())
        .filter(|text| !text.is_empty())
        .collect();
    let result = entry.result.as_ref().map_or(String::new(), |result| {
        let times = entry.count.map_or(String::new(), |count| format!(" ({count} times)"));
        format!("{} {}{times}", result.code, result.reason).trim().to_owned()
    });
    let intent = entry.intent.map_or(String::new(), |intent| format!(" of {intent}"));
    [
        entry.sequence.to_string(),
        humantime::format_rfc3339_seconds(entry.time).to_string(),
        format!("{}{intent}", entry.kind.name()),
        entry.who.as_ref().map_or(String::new(), |who| who.principal.clone()),
        entry.from.as_ref().map_or(String::new(), |from| from.address.clone()),
        what,
        on.join(" "),
        result,
    ]
    // What callers wrote must not draw on the terminal.
    .map(|cell| cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    .into()
}

#[cfg(test)]
mod tests {
    use wsfc_audit::{Call, Digest, Kind, Origin, Outcome, Who, file_name, seal};

    use super::*;
    use crate::terminal::tests::on_paper;
    use crate::{Cli, Environment};

    /// A log of one file with a call that was carried out, and one that was refused.
    fn log() -> (tempfile::TempDir, Anchor) {
        let call = |group: &str| Call {
            method: "/wsfc.v1.GroupService/MoveGroup".into(),
            permission: "GROUP_OPERATE".into(),
            cluster: "CL1".into(),
            objects: vec![format!("group={group}")],
            ..Call::default()
        };
        let who = |principal: &str| {
            Some(Who {
                principal: principal.into(),
                ..Who::default()
            })
        };
        let mut intent = Entry::new(Kind::Intent);
        intent.who = who("anna");
        intent.from = Some(Origin {
            address: "10.0.0.1:50000".into(),
            medium: "tls".into(),
        });
        intent.call = Some(call("SQL\u{1b}[2J"));
        let mut outcome = Entry::new(Kind::Outcome);
        outcome.intent = Some(3);
        outcome.operation_id = Some("0198-operation".into());
        outcome.result = Some(Outcome {
            code: "OK".into(),
            reason: String::new(),
        });
        let mut refusal = Entry::new(Kind::Refusal);
        refusal.who = who("eve");
        refusal.call = Some(call("SQL"));
        refusal.count = Some(7);
        refusal.result = Some(Outcome {
            code: "PERMISSION_DENIED".into(),
            reason: "PERMISSION_MISSING".into(),
        });
        let mut last = Anchor {
            sequence: 0,
            hash: Digest::ZERO,
        };
        let mut text = Vec::new();
        for mut entry in [
            Entry::new(Kind::File),
            Entry::new(Kind::Started),
            intent,
            outcome,
            refusal,
        ] {
            entry.sequence = last.sequence + 1;
            entry.time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(entry.sequence * 3_600);
            entry.previous = last.hash;
            let (line, hash) = seal(&entry).unwrap();
            text.extend(line);
            last = Anchor {
                sequence: entry.sequence,
                hash,
            };
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file_name(1)), text).unwrap();
        (folder, last)
    }

    fn run(folder: &std::path::Path, arguments: &[&str]) -> (Exit, String, String) {
        use clap::Parser as _;
        let path = folder.to_str().unwrap();
        let words = ["wsfcctl", "audit"]
            .into_iter()
            .chain(arguments.iter().copied())
            .chain([path]);
        let cli = Cli::try_parse_from(words).unwrap();
        let (mut terminal, out, err) = on_paper(None);
        let exit = crate::run(&cli, &Environment::default(), &mut terminal);
        (exit, out.text(), err.text())
    }

    #[test]
    fn a_log_as_it_was_written_is_told_with_its_anchor() {
        let (folder, last) = log();
        let (exit, out, _err) = run(folder.path(), &["verify"]);
        assert_eq!(exit, Exit::Ok);
        assert_eq!(
            out,
            format!("5 entries in 1 files are as they were written.\nThe anchor of its end: {last}\n")
        );
        let (exit, out, _err) = run(
            folder.path(),
            &["verify", "--anchor", &last.to_string(), "-o", "json", "--whole"],
        );
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (exit, &told["sound"], &told["entries"]),
            (Exit::Ok, &json!(true), &json!(5))
        );
    }

    #[test]
    fn what_was_done_to_a_log_is_told_with_its_place() {
        let (folder, last) = log();
        let path = folder.path().join(file_name(1));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"eve\"", "\"ann\"")).unwrap();
        let (exit, out, _err) = run(folder.path(), &["verify"]);
        assert_eq!(exit, Exit::OperationFailed);
        assert!(
            out.starts_with("wsfcd-audit-00000001.jsonl, line 5, entry 5: edited: its hash is "),
            "{out}"
        );
        assert!(out.contains("NOT as it was written. 4 entries"), "{out}");
        let without_last: Vec<_> = text.lines().take(4).collect();
        std::fs::write(&path, without_last.join("\n") + "\n").unwrap();
        assert_eq!(run(folder.path(), &["verify"]).0, Exit::Ok);
        let (exit, out, _err) = run(folder.path(), &["verify", "-o", "json", "--anchor", &last.to_string()]);
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(exit, Exit::OperationFailed);
        assert_eq!(told["findings"][0]["fault"], "cut_off", "{told}");
        assert_eq!(told["findings"][0]["line"], 5, "{told}");
    }

    #[test]
    fn entries_are_shown_and_filtered_with_their_outcomes() {
        let (folder, _last) = log();
        let (exit, out, _err) = run(folder.path(), &["show"]);
        assert_eq!(exit, Exit::Ok);
        insta::assert_snapshot!("audit_show", out);
        let sequences = |arguments: &[&str]| -> Vec<u64> {
            let words: Vec<_> = ["show", "-o", "json"]
                .into_iter()
                .chain(arguments.iter().copied())
                .collect();
            let out = run(folder.path(), &words).1;
            out.lines()
                .map(|line| {
                    serde_json::from_str::<serde_json::Value>(line).unwrap()["sequence"]
                        .as_u64()
                        .unwrap()
                })
                .collect()
        };
        assert_eq!(sequences(&["--principal", "anna"]), [3, 4]);
        assert_eq!(
            sequences(&["--method", "MoveGroup", "--since", "1970-01-01T04:30:00Z"]),
            [5]
        );
        assert_eq!(sequences(&["--since", "1h"]), [0_u64; 0]);
    }

    #[test]
    fn nothing_is_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let (exit, _out, err) = run(folder.path(), &["verify"]);
        assert_eq!(exit, Exit::Usage);
        assert!(err.contains("holds no audit log"), "{err}");
    }
}
