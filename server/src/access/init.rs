//! Setting a daemon up: its own authority, its first certificate, and the token for whoever comes first.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, SystemTime};

use wsfc_proto::join_token::JoinToken;

use super::Access;
use super::authority::{Authority, AuthorityError, save_server};
use super::enrolment;
use super::files::AccessFolder;
use super::host_names::{self, NotAHostName};
use super::name::{self, NameUnfit};
use super::register::{Entries, Refusal, Register, RegisterError};
use super::tokens::Grant;
use crate::journal::{OpenError, lock_dir};
use crate::platform::Platform;
use crate::settings::Settings;

/// Who makes the first tokens.
const MAKER: &str = "wsfcd init";

/// Why a daemon is not set up, or nobody invited.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A daemon runs.
    #[error(
        "a daemon runs here; make a token with `wsfcctl access token --role administrator --name NAME`, or stop the daemon first"
    )]
    Running {
        /// What has the data directory.
        source: OpenError,
    },
    /// The data directory.
    #[error("the data directory cannot be used")]
    DataDir(#[source] OpenError),
    /// It is set up already.
    #[error("the daemon is set up already, and nothing was changed; for another token, run `wsfcd init --token`")]
    There(#[source] AuthorityError),
    /// It is not set up yet.
    #[error("there is no authority in {} yet; run `wsfcd init` without `--token` first", .0.path().display())]
    Absent(AccessFolder),
    /// The authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The register.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The token.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A name of the host.
    #[error(transparent)]
    HostName(#[from] NotAHostName),
    /// The name of the identity.
    #[error("{name:?} cannot be the name of an identity: {unfit}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        unfit: NameUnfit,
    },
    /// The role.
    #[error("there is no role {role:?}; the roles are {}", there.join(", "))]
    Role {
        /// The role.
        role: String,
        /// Those that there are.
        there: Vec<String>,
    },
    /// The settings file.
    #[error("the settings file cannot be written")]
    Settings(#[source] std::io::Error),
    /// The folder of the keys.
    #[error("{} cannot be made", .0.path().display())]
    Folder(AccessFolder, #[source] std::io::Error),
}

/// A token for somebody who is to come.
#[derive(Debug)]
pub struct Invitation {
    /// The token, which is told this once.
    pub token: JoinToken,
    /// What it is good for.
    pub grant: Grant,
    /// When it can be used no more.
    pub expires: SystemTime,
    /// The names and addresses in the daemon's certificate.
    pub names: BTreeSet<String>,
}

/// Makes the authority, the daemon's certificate and a token. `names` are those that the system does not tell of this host.
/// `settle` writes the settings; it is called before the authority counts as made, so that either all is done or it can be
/// done again.
///
/// # Errors
///
/// See [`InitError`]. An authority that is there is never touched.
pub fn init(
    settings: &Settings,
    names: &[String],
    grant: Grant,
    life: Duration,
    platform: &Platform,
    settle: impl FnOnce() -> std::io::Result<()>,
) -> Result<Invitation, InitError> {
    let access = check(settings, &grant, platform)?;
    let extra: BTreeSet<_> = names
        .iter()
        .map(|name| host_names::read(name))
        .collect::<Result<_, _>>()?;
    let _lock = lock(settings)?;
    let folder = AccessFolder::of(&settings.data_dir);
    Authority::check_absent(&folder).map_err(InitError::There)?;
    folder
        .make()
        .map_err(|error| InitError::Folder(folder.clone(), error))?;
    let now = platform.clock.now();
    let entropy = &*platform.entropy;
    let register = Register::open(&folder, || entropy.uuid(now))?;
    let authority = Authority::make(register.entries().installation, now, entropy)?;
    let mut names = host_names::of_this_host();
    names.extend(extra.iter().cloned());
    let listens_at = settings.listen.address.ip();
    if !listens_at.is_unspecified() {
        names.insert(listens_at.to_string());
    }
    let server = authority.issue_server(&names, now, entropy)?;
    authority.save_key(&folder)?;
    save_server(&folder, &server)?;
    let mut invitation = register.change::<_, InitError>(
        |entries| {
            entries.server_names.extend(extra);
            invite_into(entries, &access, &authority, grant, life, now, platform)
        },
        |_| (),
    )?;
    settle().map_err(InitError::Settings)?;
    authority.save_certificate(&folder)?;
    invitation.names = names;
    Ok(invitation)
}

/// Makes another token for a daemon that is set up and does not run.
///
/// # Errors
///
/// See [`InitError`].
pub fn invite(settings: &Settings, grant: Grant, life: Duration, platform: &Platform) -> Result<Invitation, InitError> {
    let access = check(settings, &grant, platform)?;
    let _lock = lock(settings)?;
    let folder = AccessFolder::of(&settings.data_dir);
    let authority = Authority::load(&folder)?.ok_or_else(|| InitError::Absent(folder.clone()))?;
    let now = platform.clock.now();
    let register = Register::open(&folder, || platform.entropy.uuid(now))?;
    let mut invitation = register.change::<_, InitError>(
        |entries| invite_into(entries, &access, &authority, grant, life, now, platform),
        |_| (),
    )?;
    invitation.names = host_names::of_this_host();
    invitation.names.extend(register.entries().server_names.iter().cloned());
    Ok(invitation)
}

/// Whether there are such a name and such a role; gives the access that the settings say.
fn check(settings: &Settings, grant: &Grant, platform: &Platform) -> Result<Access, InitError> {
    name::check(&grant.name).map_err(|unfit| InitError::Name {
        name: grant.name.clone(),
        unfit,
    })?;
    let access = Access::new(settings, platform.clock.clone());
    let there: Vec<_> = access.roles().into_iter().map(|(name, _)| name).collect();
    if there.contains(&grant.role) {
        Ok(access)
    } else {
        let role = grant.role.clone();
        Err(InitError::Role { role, there })
    }
}

fn lock(settings: &Settings) -> Result<File, InitError> {
    lock_dir(&settings.data_dir).map_err(|source| match source {
        OpenError::Locked { .. } => InitError::Running { source },
        source => InitError::DataDir(source),
    })
}

fn invite_into(
    entries: &mut Entries,
    access: &Access,
    authority: &Authority,
    grant: Grant,
    life: Duration,
    now: SystemTime,
    platform: &Platform,
) -> Result<Invitation, InitError> {
    enrolment::publish(access, entries);
    enrolment::check_grant(entries, access, &grant, now)?;
    let made = entries.tokens.create(grant, MAKER, life, now, &*platform.entropy);
    let (token, secret) = made.map_err(Refusal::from)?;
    Ok(Invitation {
        token: JoinToken {
            pin: authority.pin(),
            id: token.id,
            secret,
        },
        grant: token.grant,
        expires: token.expires,
        names: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::access::authority::ServerCertificate;
    use crate::settings::Tls;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn settings(data_dir: &Path) -> Settings {
        Settings {
            data_dir: data_dir.into(),
            tls: Some(Tls::own()),
            ..Settings::default()
        }
    }

    fn grant(role: &str) -> Grant {
        Grant {
            name: "anna".into(),
            role: role.into(),
            clusters: None,
        }
    }

    fn set_up(settings: &Settings) -> Result<Invitation, InitError> {
        let names = ["Alias.Example".to_owned()];
        init(
            settings,
            &names,
            grant("administrator"),
            HOUR,
            &Platform::system(),
            || Ok(()),
        )
    }

    #[test]
    fn all_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let made = set_up(&settings).unwrap();
        assert!(made.names.contains("alias.example") && made.names.contains("localhost"));
        let access = AccessFolder::of(folder.path());
        let authority = Authority::load(&access).unwrap().unwrap();
        assert_eq!(authority.pin(), made.token.pin);
        let served = ServerCertificate::load(&access).unwrap().unwrap();
        assert_eq!(served.names, made.names);
        let files = || {
            [
                access.authority(),
                access.authority_key(),
                access.server(),
                access.register(),
            ]
            .map(|path| std::fs::read(path).unwrap())
        };
        let before = files();
        let error = set_up(&settings).unwrap_err();
        assert!(matches!(error, InitError::There(_)), "{error}");
        assert_eq!(files(), before);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for path in [access.authority_key(), access.server(), access.register()] {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            }
        }
        // Another token is another matter.
        let again = invite(&settings, grant("administrator"), HOUR, &Platform::system()).unwrap();
        assert_eq!(again.token.pin, made.token.pin);
        assert_ne!(again.token.id, made.token.id);
        let other = invite(&settings, grant("viewer"), HOUR, &Platform::system());
        assert!(matches!(other, Err(InitError::Refused(Refusal::NameInUse { .. }))));
    }

    #[test]
    fn what_was_cut_short_by_the_settings_is_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let settle = || Err(std::io::ErrorKind::PermissionDenied.into());
        let failed = init(&settings, &[], grant("viewer"), HOUR, &Platform::system(), settle);
        assert!(matches!(failed, Err(InitError::Settings(_))));
        assert!(Authority::load(&AccessFolder::of(folder.path())).unwrap().is_none());
        let invited = invite(&settings, grant("viewer"), HOUR, &Platform::system());
        assert!(matches!(invited, Err(InitError::Absent(_))));
    }

    #[test]
    fn a_daemon_that_runs_keeps_its_register_to_itself() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let lock = lock_dir(folder.path()).unwrap();
        let error = set_up(&settings).unwrap_err();
        assert!(error.to_string().contains("wsfcctl access token"), "{error}");
        drop(lock);
        set_up(&settings).unwrap();
    }

    #[test]
    fn what_makes_no_sense_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("data"));
        let init = |names: &[&str], grant: Grant| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            init(&settings, &names, grant, HOUR, &Platform::system(), || Ok(())).unwrap_err()
        };
        assert!(matches!(init(&["a b"], grant("viewer")), InitError::HostName(_)));
        assert!(matches!(init(&[], grant("root")), InitError::Role { .. }));
        let odd = Grant {
            name: "../anna".into(),
            ..grant("viewer")
        };
        assert!(matches!(init(&[], odd), InitError::Name { .. }));
        assert!(!settings.data_dir.exists());
    }
}
