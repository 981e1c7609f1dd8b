//! Certificate files while the daemon runs: what has changed is taken, what others hold of it is judged anew, and what
//! expires is told in time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::registry::Connections;
use super::tls::{Certificates, ClientCertificates, Secured, TlsError, server_config};
use crate::events::Event;
use crate::logging::chain;
use crate::platform::Platform;
use crate::settings::current::Current;
use crate::settings::{Settings, Tls};

/// How often it is told what expires.
const TELL_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before it does.
const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Keeps what connections are secured with as the files have it. Clones keep the same.
#[derive(Clone)]
pub struct Keeper {
    live: Current<Secured>,
    told: Current<Certificates>,
    connections: Connections,
    platform: Platform,
    state: Arc<Mutex<State>>,
}

struct State {
    client_certificates: ClientCertificates,
    /// How the files looked when they were read last.
    seen: Look,
    trouble: Trouble,
}

/// What came of the last look at files that had changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// They could not be used. Somebody may be replacing them one by one.
    New,
    /// They could not be used for some time, which was told.
    Told,
}

/// How files look from outside: when each was changed, and its size.
#[derive(Debug, PartialEq, Eq)]
struct Look(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl Look {
    fn at(tls: &Tls) -> Self {
        let paths = [&tls.certificate, &tls.key]
            .into_iter()
            .chain(&tls.client_ca)
            .chain(&tls.crl);
        let looked = paths.map(|path| {
            let found = std::fs::metadata(path).and_then(|found| Ok((found.modified()?, found.len())));
            (path.clone(), found.ok())
        });
        Self(looked.collect())
    }
}

/// The files as they were read for the first time.
#[derive(Debug)]
pub struct Files {
    seen: Look,
    secured: Secured,
    client_certificates: ClientCertificates,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn read(tls: &Tls, client_certificates: ClientCertificates) -> Result<Self, TlsError> {
        Ok(Self {
            // First the look: what changes while they are read is seen later.
            seen: Look::at(tls),
            secured: server_config(tls, client_certificates)?,
            client_certificates,
        })
    }
}

impl Keeper {
    /// Goes on from the files as they were read first. `told` gets until when they are good.
    pub fn new(files: Files, connections: Connections, told: Current<Certificates>, platform: Platform) -> Self {
        told.set(files.secured.certificates());
        Self {
            live: Current::new(files.secured),
            told,
            connections,
            platform,
            state: Arc::new(Mutex::new(State {
                client_certificates: files.client_certificates,
                seen: files.seen,
                trouble: Trouble::None,
            })),
        }
    }

    /// What new connections are secured with.
    pub fn live(&self) -> &Current<Secured> {
        &self.live
    }

    /// Reads the files again. Connections stay, but those whose certificate would be refused now are cut.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; nothing has changed then.
    pub fn reload(&self, tls: &Tls) -> Result<(), TlsError> {
        self.reload_as(tls, &mut self.state())
    }

    /// Whether clients must show a certificate from now on. Those that are there stay.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; nothing has changed then.
    pub fn ask(&self, tls: &Tls, client_certificates: ClientCertificates) -> Result<(), TlsError> {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.client_certificates, client_certificates);
        if before == client_certificates {
            return Ok(());
        }
        self.reload_as(tls, &mut state)
            .inspect_err(|_unchanged| state.client_certificates = before)
    }

    fn reload_as(&self, tls: &Tls, state: &mut State) -> Result<(), TlsError> {
        let seen = Look::at(tls);
        let secured = Arc::new(server_config(tls, state.client_certificates)?);
        self.told.set(secured.certificates());
        self.live.set(Arc::clone(&secured));
        state.seen = seen;
        state.trouble = Trouble::None;
        let cut = self.connections.cut_refused(|shown| secured.refuses(shown));
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "Connections are cut whose certificates are refused now"
            );
        }
        Ok(())
    }

    /// Looks at the files every now and then, takes what has changed, and tells once a day what expires.
    pub async fn watch(self, settings: Current<Settings>, stop: CancellationToken) {
        let look = async {
            loop {
                let Some(tls) = settings.get().tls.clone() else { return };
                tokio::time::sleep(tls.look_every).await;
                if let Some(tls) = &settings.get().tls {
                    self.look(tls);
                }
            }
        };
        let tell = async {
            loop {
                self.tell();
                tokio::time::sleep(TELL_EVERY).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = look => {}
            () = tell => {}
        }
    }

    fn look(&self, tls: &Tls) {
        let mut state = self.state();
        let looks = Look::at(tls);
        if looks == state.seen && state.trouble != Trouble::New {
            return;
        }
        let is_new = looks != state.seen;
        match self.reload_as(tls, &mut state) {
            Ok(()) => {
                tracing::info!("The certificate files have changed and were read again");
                self.platform.events.report(&Event::CertificatesReloaded);
            }
            // Of files that are replaced one by one the first alone may not do.
            Err(_unfinished) if is_new => {
                state.seen = looks;
                state.trouble = Trouble::New;
            }
            Err(error) => {
                state.trouble = Trouble::Told;
                let error = chain(&error);
                tracing::error!(
                    error,
                    "The certificate files have changed and cannot be used; the former ones stay"
                );
                self.platform.events.report(&Event::CertificatesRefused { error });
            }
        }
    }

    fn tell(&self) {
        for expiry in expiring(&self.told.get(), self.platform.clock.now()) {
            let Expiry { what, at, days } = expiry;
            let at = humantime::format_rfc3339_seconds(at).to_string();
            match days {
                Some(days) => tracing::warn!(what, at, days, "A certificate expires soon"),
                None => tracing::error!(what, at, "A certificate has expired"),
            }
            let event = match days {
                Some(days) => Event::CertificateExpires { what, at, days },
                None => Event::CertificateExpired { what, at },
            };
            self.platform.events.report(&event);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something that expires soon, or has expired.
#[derive(Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What, by the setting that names its file.
    pub what: &'static str,
    /// When.
    pub at: SystemTime,
    /// In how many days, begun ones not counted; absent when it has expired.
    pub days: Option<u64>,
}

/// What expires within thirty days, or has expired.
pub fn expiring(certificates: &Certificates, now: SystemTime) -> Vec<Expiry> {
    let Certificates {
        server_not_after,
        client_ca_not_after,
        crl_next_update,
    } = *certificates;
    [
        ("tls.certificate", server_not_after),
        ("tls.client_ca", client_ca_not_after),
        ("tls.crl", crl_next_update),
    ]
    .into_iter()
    .filter_map(|(what, at)| {
        let at = at?;
        let days = match at.duration_since(now) {
            // A list is replaced when it is due, not weeks before.
            Ok(left) if left > NOTICE || (what == "tls.crl" && !left.is_zero()) => return None,
            Ok(left) => Some(left.as_secs() / (24 * 60 * 60)),
            Err(_past) => None,
        };
        Some(Expiry { what, at, days })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expires_within_thirty_days_is_told() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let day = Duration::from_secs(24 * 60 * 60);
        let certificates = |server, authority, list| Certificates {
            server_not_after: Some(server),
            client_ca_not_after: Some(authority),
            crl_next_update: Some(list),
        };
        assert_eq!(expiring(&Certificates::default(), now), []);
        let all_good = certificates(now + 31 * day, now + 3_650 * day, now + day);
        assert_eq!(expiring(&all_good, now), []);
        let told = expiring(&certificates(now + 7 * day + day / 2, now - day, now - day), now);
        let told: Vec<_> = told.iter().map(|expiry| (expiry.what, expiry.days)).collect();
        assert_eq!(
            told,
            [("tls.certificate", Some(7)), ("tls.client_ca", None), ("tls.crl", None)]
        );
    }
}
