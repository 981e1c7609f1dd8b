//! Certificates while the daemon runs: what has changed is taken, what others hold of it is judged anew, and what
//! expires is told in time.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::certificate_store::CertificateStore;
use super::registry::Connections;
use super::tls::{Certificates, ClientCertificates, Secured, TlsError, server_config};
use crate::blocking::Blocking;
use crate::events::Event;
use crate::logging::chain;
use crate::platform::Platform;
use crate::settings::Tls;
use crate::settings::current::Current;

/// How often it is told what expires.
const TELL_EVERY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long before it does.
const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A store is read at every so many looks, or so often: it shows nothing from outside, and may ask the network.
const STORE_READ: Often = Often {
    looks: 60,
    time: Duration::from_secs(60),
};
/// For how many looks, or how long, certificates that were changed may be of no use before it is told.
const UNFINISHED: Often = Often {
    looks: 10,
    time: Duration::from_secs(10),
};

/// A number of looks, or a time that fewer looks fill.
struct Often {
    looks: u32,
    time: Duration,
}

impl Often {
    /// How many looks it is when they are so far apart.
    fn looks(&self, apart: Duration) -> u32 {
        let filling = self.time.as_millis() / apart.as_millis().max(1);
        u32::try_from(filling).unwrap_or(u32::MAX).min(self.looks)
    }
}

/// Keeps what connections are secured with as files and store have it. Clones keep the same.
#[derive(Clone)]
pub struct Keeper {
    live: Current<Secured>,
    told: Current<Certificates>,
    connections: Connections,
    platform: Platform,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Where they came from when they were read last. The settings in effect may be behind for a moment.
    tls: Tls,
    client_certificates: ClientCertificates,
    /// How the files looked when they were read last.
    seen: Look,
    /// How many looks there were since a store was read.
    unread_looks: u32,
    trouble: Trouble,
}

/// What came of the last look at certificates that had changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// They could not be used. Somebody may be replacing them one by one; so many looks are left before it is told.
    New {
        left: u32,
    },
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

/// The certificates as they were read for the first time.
#[derive(Debug)]
pub struct Files {
    tls: Tls,
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
    pub fn read(
        tls: &Tls,
        client_certificates: ClientCertificates,
        store: &dyn CertificateStore,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            // First the look: what changes while they are read is seen later.
            seen: Look::at(tls),
            tls: tls.clone(),
            secured: server_config(tls, client_certificates, store)?,
            client_certificates,
        })
    }
}

impl Keeper {
    /// Goes on from the certificates as they were read first. `told` gets until when they are good.
    pub fn new(files: Files, connections: Connections, told: Current<Certificates>, platform: Platform) -> Self {
        told.set(files.secured.certificates());
        Self {
            live: Current::new(files.secured),
            told,
            connections,
            platform,
            state: Arc::new(Mutex::new(State {
                tls: files.tls,
                client_certificates: files.client_certificates,
                seen: files.seen,
                unread_looks: 0,
                trouble: Trouble::None,
            })),
        }
    }

    /// What new connections are secured with.
    pub fn live(&self) -> &Current<Secured> {
        &self.live
    }

    /// Reads the certificates again. Connections stay, but those whose certificate would be refused now are cut.
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
        let store = &*self.platform.certificate_store;
        let secured = Arc::new(server_config(tls, state.client_certificates, store)?);
        self.told.set(secured.certificates());
        self.live.set(Arc::clone(&secured));
        state.tls.clone_from(tls);
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

    /// Looks at files and store every now and then, takes what has changed, and tells once a day what expires.
    pub async fn watch(self, stop: CancellationToken) {
        // Files may be on a network, and the store may ask it for certificates of authorities.
        let blocking = Blocking::new(self.platform.clone());
        let look = async {
            loop {
                let every = self.state().tls.look_every;
                tokio::time::sleep(every).await;
                let keeper = self.clone();
                if let Err(error) = blocking.run("wsfcd-tls", move || keeper.look()).await {
                    let error = chain(&error);
                    tracing::error!(error, "The certificates could not be looked at");
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

    fn look(&self) {
        let mut state = self.state();
        let tls = state.tls.clone();
        let looks = Look::at(&tls);
        let is_new = looks != state.seen;
        state.unread_looks = state.unread_looks.saturating_add(1);
        // What a store has must be read, and with it comes a key that is good now.
        let is_due = tls.store_thumbprint.is_some() && state.unread_looks >= STORE_READ.looks(tls.look_every);
        let before = state.trouble;
        if !is_new && !is_due && !matches!(before, Trouble::New { .. }) {
            return;
        }
        state.unread_looks = 0;
        let served = self.live.get();
        match self.reload_as(&tls, &mut state) {
            Ok(()) if !is_new && before == Trouble::None && self.live.get().chain() == served.chain() => {}
            Ok(()) => {
                tracing::info!("The certificates have changed and were read again");
                self.platform.events.report(&Event::CertificatesReloaded);
            }
            // Of files that are replaced one by one the first alone may not do, and a certificate may come before its key.
            Err(_unfinished) if is_new || before == Trouble::None => {
                state.seen = looks;
                let left = UNFINISHED.looks(tls.look_every);
                state.trouble = Trouble::New { left };
            }
            Err(_still) if before == Trouble::Told => {}
            Err(error) => {
                if let Trouble::New { left: left @ 1.. } = before {
                    state.trouble = Trouble::New { left: left - 1 };
                    return;
                }
                state.trouble = Trouble::Told;
                let error = chain(&error);
                tracing::error!(
                    error,
                    "The certificates have changed and cannot be used; the former ones stay"
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
    /// What, by the setting that names it.
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
        server_is_stored,
        client_ca_not_after,
        crl_next_update,
    } = *certificates;
    let server = if server_is_stored {
        "tls.store_thumbprint"
    } else {
        "tls.certificate"
    };
    [
        (server, server_not_after),
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
            server_is_stored: false,
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
        let stored = Certificates {
            server_is_stored: true,
            ..certificates(now + 7 * day, now + 3_650 * day, now + day)
        };
        assert_eq!(expiring(&stored, now)[0].what, "tls.store_thumbprint");
    }
}
