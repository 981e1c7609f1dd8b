//! `list --watch`: a table that follows what happens.

use std::io::Write;

use wsfc_client::v1::{InventoryObject, ObjectKind, WatchFilter, WatchRequest, event};
use wsfc_client::{Cache, WatchItem, object};

use super::reads::Filters;
use super::watch::sentence;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::ctrl_c;
use crate::names::many;
use crate::output;
use crate::session::Session;
use crate::tables;

/// Shows objects of a kind, and goes on as they change, until Ctrl-C.
pub(crate) async fn list(kind: ObjectKind, filters: Filters, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("watch {}", many(kind));
    let cluster = session.cluster()?;
    let client = session.connect(&action).await?;
    let failed = |source| Failure::Call {
        action: action.clone(),
        source,
    };
    let request = WatchRequest {
        // A watch without a cluster is one of every cluster, and a list is not.
        cluster: client.cluster_name(cluster).await.map_err(failed)?,
        filter: Some(WatchFilter {
            kinds: vec![kind.into()],
            ..Default::default()
        }),
        snapshot: true,
        ..Default::default()
    };
    let mut watch = client.watch(request).resnapshot(true);
    let mut view = View {
        kind,
        filters,
        cache: Cache::new(),
        drawn: 0,
    };
    let mut interrupt = std::pin::pin!(ctrl_c());
    loop {
        let item = tokio::select! {
            biased;
            () = &mut interrupt => return Ok(Exit::CtrlC),
            item = watch.next() => item,
        };
        let Some(item) = item else {
            return Ok(Exit::Ok);
        };
        let item = item.map_err(failed)?;
        view.take(&item, session)?;
    }
}

/// What is shown.
struct View {
    kind: ObjectKind,
    filters: Filters,
    cache: Cache,
    /// How many lines the table on the terminal has.
    drawn: usize,
}

impl View {
    fn take(&mut self, item: &WatchItem, session: &mut Session<'_>) -> Result<(), Failure> {
        // What leaves the list by an event is news, too.
        let told = self.is_about_shown(item);
        let changed = self.cache.apply(item);
        let told = told || self.is_about_shown(item);
        if let WatchItem::Reconnecting { error, .. } = item {
            let why = crate::failure::chain(error);
            writeln!(session.terminal.err, "{why}; trying again")?;
            // The talk stands between the table and its next drawing.
            self.drawn = 0;
        }
        if !changed || !self.cache.is_complete() {
            return Ok(());
        }
        let format = session.globals.output;
        let out = &mut session.terminal.out;
        match item {
            // Programs get the objects, and then the events with the objects in them.
            WatchItem::SnapshotComplete { .. } if format.is_machine() => {
                for object in self.shown() {
                    output::item(out, format, object)?;
                }
            }
            WatchItem::Event(event) if format.is_machine() => {
                if told {
                    output::item(out, format, &**event)?;
                }
            }
            WatchItem::Event(event) if !session.terminal.live => {
                if let (true, Some(event::Event::Cluster(change))) = (told, &event.event) {
                    writeln!(out, "{}", sentence(change))?;
                }
            }
            _ => {
                let mut text = Vec::new();
                tables::objects(&mut text, self.kind, self.shown(), format.is_wide())?;
                if session.terminal.live && self.drawn > 0 {
                    write!(out, "\u{1b}[{}A\u{1b}[J", self.drawn)?;
                }
                self.drawn = text.iter().filter(|byte| **byte == b'\n').count();
                out.write_all(&text)?;
            }
        }
        Ok(out.flush()?)
    }

    fn shown(&self) -> Vec<&InventoryObject> {
        let all = self.cache.of_kind(self.kind);
        all.into_iter()
            .filter(|object| self.filters.let_through(object))
            .collect()
    }

    /// True for an event about an object that is shown as the cache has it now.
    fn is_about_shown(&self, item: &WatchItem) -> bool {
        let WatchItem::Event(told) = item else {
            return false;
        };
        let Some(event::Event::Cluster(change)) = &told.event else {
            return false;
        };
        let held = change
            .object
            .as_ref()
            .and_then(|object| self.cache.get(&object::key(object)));
        held.is_some_and(|object| object::kind(object) == self.kind && self.filters.let_through(object))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use wsfc_client::v1::{ChangeType, ClusterEvent, Event};

    use super::*;
    use crate::cli::Cli;
    use crate::session::Environment;
    use crate::tables::samples::group;
    use crate::terminal::tests::on_paper;

    fn moved(revision: u64, before: &str, owner: &str) -> WatchItem {
        WatchItem::Event(Box::new(Event {
            event: Some(event::Event::Cluster(ClusterEvent {
                revision,
                time: Some(prost_types::Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 0,
                }),
                cluster: "CL1".to_owned(),
                changes: vec![ChangeType::Owner.into()],
                object: Some(group("SQL", 1, owner)),
                owner_before: before.to_owned(),
                ..Default::default()
            })),
        }))
    }

    fn shown(format: &str, live: bool, filters: Filters) -> String {
        let cli = Cli::try_parse_from(["wsfcctl", "-o", format, "group", "list", "--watch"]).unwrap();
        let environment = Environment::default();
        let (mut terminal, out, _) = on_paper(None);
        terminal.live = live;
        let mut session = Session {
            globals: &cli.globals,
            environment: &environment,
            terminal: &mut terminal,
        };
        let mut view = View {
            kind: ObjectKind::Group,
            filters,
            cache: Cache::new(),
            drawn: 0,
        };
        for item in [
            WatchItem::Snapshot(Box::new(group("SQL", 1, "n1"))),
            WatchItem::SnapshotComplete { revision: 3 },
            moved(4, "n1", "n2"),
            moved(5, "n2", "n3"),
            WatchItem::Mark { revision: 5 },
        ] {
            view.take(&item, &mut session).unwrap();
        }
        out.text()
    }

    #[test]
    fn a_terminal_has_the_table_drawn_anew_and_a_pipe_a_line_for_each_change() {
        insta::assert_snapshot!(
            "live_terminal",
            shown("table", true, Filters::default()).replace('\u{1b}', "ESC")
        );
        insta::assert_snapshot!("live_pipe", shown("table", false, Filters::default()));
        let lines = shown("json", false, Filters::default());
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.contains("\"ownerBefore\":\"n1\""), "{lines}");
    }
    #[test]
    fn what_leaves_the_list_is_told_and_what_happens_to_it_then_is_not() {
        let on_n1 = Filters {
            owner_node: "n1".to_owned(),
            ..Default::default()
        };
        let told = shown("table", false, on_n1);
        assert!(told.ends_with("owner n1 -> n2\n"), "{told}");
    }
}
