//! Settings that change while the daemon runs.

use std::sync::{Arc, PoisonError, RwLock};

use toml::{Table, Value};

use super::{Limits, Settings};

/// A value that is replaced as a whole while others read it. Clones share it.
#[derive(Debug)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    /// With its first value.
    pub fn new(value: impl Into<Arc<T>>) -> Self {
        Self(Arc::new(RwLock::new(value.into())))
    }

    /// The value now. Whoever goes on with what this gave sees no later change.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value.
    pub fn set(&self, value: impl Into<Arc<T>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value.into();
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What reading the settings again comes to.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// The settings that are in effect from now on: the new ones where they can change, and the old ones elsewhere.
    pub settings: Settings,
    /// The paths of the settings that change now.
    pub now: Vec<String>,
    /// The paths of the settings that take effect at the next start.
    pub at_next_start: Vec<String>,
    /// From now on everybody on the network has full control, which was not so before.
    pub opens_to_anybody: bool,
}

/// Compares the settings in effect with those that were read.
pub fn change(current: &Settings, read: &Settings) -> Change {
    let mut settings = current.clone();
    settings.operations.create_settle = read.operations.create_settle;
    settings.operations.verb_timeout = read.operations.verb_timeout;
    settings.operations.shutdown_grace = read.operations.shutdown_grace;
    settings.journal.keep_operations = read.journal.keep_operations;
    settings.journal.keep_for = read.journal.keep_for;
    settings.journal.keep_events = read.journal.keep_events;
    settings.inventory.clusters = read.inventory.clusters;
    // The services are made with the largest request.
    settings.limits = Limits {
        request_bytes: current.limits.request_bytes,
        ..read.limits.clone()
    };
    settings.log.filter.clone_from(&read.log.filter);
    settings.access.clone_from(&read.access);
    settings.access.bearer.clone_from(&current.access.bearer);
    // Certificates can be exchanged for others, wherever they come from; whether there is TLS at all is decided at the start.
    if settings.tls.is_some() && read.tls.is_some() {
        settings.tls.clone_from(&read.tls);
    }
    Change {
        now: differences(current, &settings),
        at_next_start: differences(&settings, read),
        opens_to_anybody: settings.serves_anybody() && !current.serves_anybody(),
        settings,
    }
}

/// The paths at which two settings differ, in the order of their names.
fn differences(one: &Settings, other: &Settings) -> Vec<String> {
    let mut paths = Vec::new();
    compare(&table(one), &table(other), "", &mut paths);
    paths.sort();
    paths
}

fn table(settings: &Settings) -> Table {
    // All settings have a form in TOML: they are shown in it and come from it.
    Table::try_from(settings).unwrap_or_default()
}

fn compare(one: &Table, other: &Table, prefix: &str, paths: &mut Vec<String>) {
    let mut keys: Vec<_> = one.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    let empty = Table::new();
    for key in keys {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match (one.get(key), other.get(key)) {
            (one, other) if one == other => {}
            (Some(Value::Table(one)), Some(Value::Table(other))) => compare(one, other, &path, paths),
            (Some(Value::Table(part)), None) | (None, Some(Value::Table(part))) => compare(part, &empty, &path, paths),
            _ => paths.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use super::*;
    use crate::access::policy::Binding;
    use crate::settings::BearerIssuer;
    use crate::settings::access::Role;
    use crate::settings::{
        Access, Audit, ClusterApi, Inventory, Journal, Listen, Log, LogFormat, Operations, Tls, TlsAuthority,
        TlsVersion, Workloads,
    };

    fn tls(certificate: &str) -> Option<Tls> {
        Some(Tls::new(certificate, "/k.pem"))
    }

    #[test]
    fn what_can_change_changes_and_the_rest_waits() {
        let current = Settings::default();
        let mut read = current.clone();
        read.log.filter = "debug".into();
        read.log.format = LogFormat::Json;
        read.operations.shutdown_grace = Duration::from_secs(1);
        read.operations.cancel_answers_false = true;
        read.listen.address.set_port(1);
        let change = change(&current, &read);
        assert_eq!(change.now, ["log.filter", "operations.shutdown_grace"]);
        assert_eq!(
            change.at_next_start,
            ["listen.address", "log.format", "operations.cancel_answers_false"]
        );
        assert_eq!(change.settings.log.filter, "debug");
        assert_eq!(change.settings.listen.address, current.listen.address);
    }

    #[test]
    fn certificates_can_be_exchanged_but_not_begun_or_ended() {
        let with = |certificate: Option<&str>| Settings {
            tls: certificate.and_then(tls),
            ..Settings::default()
        };
        let exchanged = change(&with(Some("/old.pem")), &with(Some("/new.pem")));
        assert_eq!(exchanged.now, ["tls.certificate"]);
        assert!(exchanged.at_next_start.is_empty());
        for (current, read) in [(Some("/c.pem"), None), (None, Some("/c.pem"))] {
            let waits = change(&with(current), &with(read));
            assert!(waits.now.is_empty());
            let of_files = waits.at_next_start.iter().all(|path| path.starts_with("tls."));
            assert!(of_files && waits.at_next_start.contains(&"tls.certificate".into()));
        }
    }

    #[test]
    fn a_listener_that_gives_everybody_a_role_from_now_on_is_told_of_once() {
        let mut closed = Settings {
            tls: tls("/c.pem"),
            ..Settings::default()
        };
        closed.listen.address = SocketAddr::from(([192, 0, 2, 1], 7443));
        let mut open = closed.clone();
        open.access.unauthenticated_role = Some("viewer".into());
        assert!(change(&closed, &open).opens_to_anybody);
        assert!(!change(&open, &open).opens_to_anybody);
        assert!(!change(&open, &closed).opens_to_anybody);
        open.listen.address = SocketAddr::from(([127, 0, 0, 1], 7443));
        closed.listen.address = open.listen.address;
        assert!(!change(&closed, &open).opens_to_anybody);
    }

    /// Settings in which every value is another one than in the defaults, or than `/old` for certificates.
    fn all_changed() -> (Settings, Settings) {
        let old = Settings {
            tls: tls("/old.pem"),
            ..Settings::default()
        };
        let second = Duration::from_secs(1);
        let new = Settings {
            data_dir: "/new".into(),
            listen: Listen {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                allow_plain: true,
                local: false,
                local_endpoint: Some("/new".into()),
                ready_file: Some("/new".into()),
                threads: 1,
            },
            tls: Some(Tls {
                authority: TlsAuthority::Own,
                certificate: "/new".into(),
                key: "/new".into(),
                store_thumbprint: Some([7; 20].into()),
                store: "new".into(),
                client_ca: Some("/new".into()),
                crl: vec!["/new".into()],
                minimum_version: TlsVersion::V1_2,
                look_every: second * 2,
            }),
            access: Access {
                loopback_role: Some("viewer".into()),
                unauthenticated_role: Some("viewer".into()),
                roles: [(
                    "NAME".into(),
                    Role {
                        permissions: Vec::new(),
                    },
                )]
                .into(),
                bindings: vec![Binding {
                    subject: "uri:new".into(),
                    role: "viewer".into(),
                    clusters: None,
                }],
                bearer: vec![BearerIssuer::new("https://new", "new")],
            },
            cluster_api: ClusterApi {
                simulate: Some("new".into()),
                simulated_state: Some("/new".into()),
                simulated_control: Some(([127, 0, 0, 1], 7444).into()),
                library: Some("/new".into()),
            },
            operations: Operations {
                create_settle: second,
                cancel_answers_false: true,
                verb_timeout: second,
                shutdown_grace: second,
            },
            journal: Journal {
                keep_operations: 1,
                keep_for: second,
                keep_events: 1,
                memory_records: 1,
            },
            inventory: Inventory {
                observe: false,
                clusters: 1,
                extra: vec!["new".into()],
            },
            workloads: Workloads {
                listen: false,
                endpoint: Some("/new".into()),
            },
            limits: Limits {
                request_bytes: 1,
                connections: 1,
                administrators_percent: 1,
                connections_per_address: 1,
                connections_per_identity: 1,
                unauthenticated_per_address: 1,
                handshakes: 1,
                streams_per_connection: 1,
                streams_per_identity: 1,
                unread_bytes: 1,
                handshake: second,
                first_bytes: second,
                request_body: second,
                idle: second,
                connection_age: second,
                unary: second,
                mark_every: second,
                calls_per_second: 1,
                call_burst: 1,
                changes_per_second: 1,
                change_burst: 1,
                waiting_operations: 1,
            },
            audit: Audit {
                dir: Some("/new".into()),
                max_file_bytes: 1,
                keep_files: Some(2),
            },
            log: Log {
                filter: "debug".into(),
                format: LogFormat::Json,
                files: Some(true),
                dir: "/new".into(),
                keep_files: 2,
            },
        };
        (old, new)
    }

    #[test]
    fn the_readme_names_every_setting_and_what_changes_while_the_daemon_runs() {
        let (old, new) = all_changed();
        let change = change(&old, &new);
        let readme = include_str!("../../../README.md");
        let rows = readme
            .lines()
            .skip_while(|line| !line.starts_with("| setting |"))
            .take_while(|line| line.starts_with('|'))
            .skip(2);
        let (mut live, mut waits) = (Vec::new(), Vec::new());
        for row in rows {
            let cells: Vec<_> = row.split(" | ").collect();
            let names = cells[0].split('`').skip(1).step_by(2).map(String::from);
            let group = if row.contains("; live") { &mut live } else { &mut waits };
            group.extend(names);
        }
        live.sort();
        waits.sort();
        assert_eq!(live, change.now);
        assert_eq!(waits, change.at_next_start);
    }

    #[test]
    fn nothing_changes_when_nothing_was_changed() {
        let change = change(&Settings::default(), &Settings::default());
        assert!(change.now.is_empty() && change.at_next_start.is_empty());
    }

    #[test]
    fn a_value_that_is_replaced_is_seen_by_all_clones() {
        let live = Current::new(1);
        let (clone, before) = (live.clone(), live.get());
        live.set(2);
        assert_eq!((*before, *clone.get()), (1, 2));
    }
}
