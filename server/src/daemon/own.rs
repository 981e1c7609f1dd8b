//! The daemon's certificate where its own authority makes it, and who is let into the handshake.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::access::authority::{Authority, AuthorityError, ServerCertificate, save_server};
use crate::access::files::AccessFolder;
use crate::access::host_names;
use crate::access::register::{Register, RegisterError};
use crate::listen::certificates::Keeper;
use crate::listen::tls::ClientCertificates;
use crate::logging::chain;
use crate::platform::Platform;

use super::Core;

/// How often it is looked whether the certificate is due for renewal, by its age or since the host has another name.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);

/// Why there is no certificate of the own authority.
#[derive(Debug, thiserror::Error)]
pub enum FreshenError {
    /// Nobody has made the authority.
    #[error("`tls.authority` is `own` and {} is not there; run `wsfcd init` first", path.display())]
    Absent {
        /// The certificate of the authority.
        path: PathBuf,
    },
    /// The authority cannot be used.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The names of the daemon cannot be known.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// Makes another certificate for the daemon when it is time; says whether it did. It waits for the disk, and for the system
/// to tell what the host is called.
pub(super) fn freshen(folder: &AccessFolder, platform: &Platform) -> Result<bool, FreshenError> {
    let authority = Authority::load(folder)?;
    let authority = authority.ok_or_else(|| FreshenError::Absent {
        path: folder.authority(),
    })?;
    let register = Register::open(folder, || platform.entropy.uuid(platform.clock.now()))?;
    let mut names: BTreeSet<String> = host_names::of_this_host();
    names.extend(register.entries().server_names.iter().cloned());
    let now = platform.clock.now();
    let present = ServerCertificate::load(folder)?;
    if present.is_some_and(|certificate| !certificate.is_due(&names, now)) {
        return Ok(false);
    }
    let pem = authority.issue_server(&names, now, &*platform.entropy)?;
    save_server(folder, &pem)?;
    Ok(true)
}

/// Keeps the certificate fresh and the door as join tokens ask for it, until the daemon stops.
pub(super) fn keep(core: &Core, keeper: &Keeper, platform: &Platform) {
    let (door, settings) = (keeper.clone(), core.settings.clone());
    core.enrolment.give_door(Box::new(move |strangers| {
        let settings = settings.get();
        // Clients of other authorities have no use for a token.
        let (Some(_own), Some(tls)) = (settings.own_authority(), &settings.tls) else {
            return;
        };
        let asked = if strangers {
            ClientCertificates::Optional
        } else {
            ClientCertificates::of_settings(&settings)
        };
        if let Err(error) = door.ask(tls, asked) {
            tracing::error!(
                error = chain(&error),
                strangers,
                "It cannot be changed whether clients must show a certificate"
            );
        }
    }));
    let (enrolment, stop) = (core.enrolment.clone(), core.stop.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = enrolment.mind_the_door() => {}
        }
    });
    let renew = Renewal {
        enrolment: core.enrolment.clone(),
        settings: core.settings.clone(),
        keeper: keeper.clone(),
        platform: platform.clone(),
    };
    let stop = core.stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = renew.run() => {}
        }
    });
}

struct Renewal {
    enrolment: crate::access::enrolment::Enrolment,
    settings: crate::settings::current::Current<crate::settings::Settings>,
    keeper: Keeper,
    platform: Platform,
}

impl Renewal {
    async fn run(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let settings = self.settings.get();
            let (Some(folder), Some(tls)) = (settings.own_authority(), settings.tls.clone()) else {
                continue;
            };
            let platform = self.platform.clone();
            let freshened = self.enrolment.blocking(move || freshen(&folder, &platform)).await;
            let failed = match freshened {
                Ok(Ok(false)) => continue,
                Ok(Ok(true)) => match self.keeper.reload(&tls) {
                    Ok(()) => {
                        tracing::info!("The daemon's certificate was renewed");
                        continue;
                    }
                    Err(error) => chain(&error),
                },
                Ok(Err(error)) => chain(&error),
                Err(error) => chain(&error),
            };
            tracing::error!(error = failed, "The daemon's certificate could not be renewed");
        }
    }
}
