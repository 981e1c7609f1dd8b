//! The certificates that logins have got: files beside the contexts that only this user may read, and their renewal.

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wsfc_client::{CertificateLife, Client, Enrolled};

use crate::contexts::Context;
use crate::failure::Failure;
use crate::session::{Session, now};

/// The folder beside the file with the contexts.
const FOLDER: &str = "credentials";
/// Held while certificates are renewed, so that two commands at once do not take each other's new certificate away.
const LOCK: &str = "renewal.lock";
/// How long before its end a certificate is spoken of.
const NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a renewal may hold a command up that has done its work.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the files of a context are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The certificate with its key: one file, so that both are exchanged together.
    pub(crate) identity: PathBuf,
    /// The authority that the daemon is checked against.
    pub(crate) ca: PathBuf,
}

impl Files {
    /// Those of a context by its name, which may have anything in it: what is not plain stands as its bytes.
    pub(crate) fn of(contexts: &Path, name: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let stem = name.bytes().fold(String::from("login_"), |stem, byte| {
            if plain(byte) {
                stem + &char::from(byte).to_string()
            } else {
                stem + &format!("_{byte:02x}")
            }
        });
        let folder = contexts.parent().unwrap_or(Path::new("")).join(FOLDER);
        Self {
            identity: folder.join(format!("{stem}.pem")),
            ca: folder.join(format!("{stem}.ca.pem")),
        }
    }

    /// Writes both; each whole or not at all.
    pub(crate) fn write(&self, enrolled: &Enrolled) -> Result<(), Failure> {
        write(&self.ca, &enrolled.ca_pem)?;
        self.write_identity(enrolled)
    }

    fn write_identity(&self, enrolled: &Enrolled) -> Result<(), Failure> {
        let identity = &enrolled.identity;
        write(
            &self.identity,
            &[identity.cert_pem.as_slice(), &identity.key_pem].concat(),
        )
    }

    /// Removes both, if they are there.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        for path in [&self.identity, &self.ca] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(path, error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> Failure {
    Failure::Credentials {
        path: path.display().to_string(),
        source,
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        make(folder)?;
        // Temporary files are made with mode 0600 where files have modes, and keep it.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|error| failed(path, error))
}

#[cfg(unix)]
fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// The user's folder for settings is the user's alone.
#[cfg(not(unix))]
fn make(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// What a certificate asks for when a command is done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    Nothing,
    Renewal,
    /// It ends soon and nobody renews it but whoever gave it.
    Word(Duration),
}

fn due(life: CertificateLife, is_of_login: bool, now: SystemTime) -> Due {
    let left = life.left(now);
    match is_of_login && !left.is_zero() {
        true if life.is_due(now) => Due::Renewal,
        true => Due::Nothing,
        false if left < NOTICE => Due::Word(left),
        false => Due::Nothing,
    }
}

/// After a command that has reached its daemon: renews the certificate of a login when it is time, and speaks of one that
/// ends soon. A renewal that fails is no failure of the command.
pub(crate) async fn look_after(session: &mut Session<'_>) -> Result<(), Failure> {
    let context = session.context()?;
    let Some(path) = &context.cert else { return Ok(()) };
    let Some(life) = life(path) else { return Ok(()) };
    match due(life, context.login, now()) {
        Due::Nothing => Ok(()),
        Due::Word(left) => word(session, path, left, None),
        Due::Renewal => match renew(session, &context, path).await {
            Ok(()) => Ok(()),
            // There is time to try again.
            Err(_later) if life.left(now()) >= NOTICE => Ok(()),
            Err(reason) => word(session, path, life.left(now()), Some(&reason)),
        },
    }
}

fn word(session: &mut Session<'_>, path: &Path, left: Duration, reason: Option<&str>) -> Result<(), Failure> {
    let err = &mut session.terminal.err;
    let path = path.display();
    if left.is_zero() {
        writeln!(
            err,
            "warning: the certificate in {path} has expired; log in again with a new token"
        )?;
    } else {
        let left = humantime::format_duration(Duration::from_secs(left.as_secs() / 60 * 60));
        writeln!(err, "warning: the certificate in {path} expires in {left}")?;
    }
    if let Some(reason) = reason {
        writeln!(err, "  it could not be renewed: {reason}")?;
    }
    Ok(())
}

fn life(path: &Path) -> Option<CertificateLife> {
    CertificateLife::of_pem(&std::fs::read(path).ok()?)
}

async fn renew(session: &Session<'_>, context: &Context, path: &Path) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let folder = path.parent().unwrap_or(Path::new("."));
    let lock = File::create(folder.join(LOCK)).map_err(|error| text(&error))?;
    match lock.try_lock() {
        Ok(()) => {}
        // Another command is about it.
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(error)) => return Err(text(&error)),
    }
    // Another command may have been about it just now.
    if life(path).is_none_or(|life| !life.is_due(now())) {
        return Ok(());
    }
    let mut options = session.options().map_err(|error| text(&error))?;
    options.request_timeout = options.request_timeout.min(PATIENCE);
    options.connect_timeout = options.connect_timeout.min(PATIENCE);
    let client = Client::lazy(options).map_err(|error| text(&error))?;
    let renewed = client.renew_certificate().await.map_err(|error| text(&error))?;
    let files = Files {
        identity: path.to_owned(),
        ca: context.ca.clone().unwrap_or_default(),
    };
    files.write_identity(&renewed).map_err(|error| text(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    #[test]
    fn names_of_contexts_lead_to_files_of_their_own_and_nowhere_else() {
        let folder = Path::new("/home/anna/.config/wsfcctl");
        let names = [
            "n1.example",
            "N1.example",
            "_4e1.example",
            "../../etc/passwd",
            "a/b",
            "a\\b",
            "a_b",
            "a_5fb",
            "nul",
            "",
            "..",
            "a:b",
            "ä",
        ];
        let files: std::collections::BTreeSet<_> = names
            .iter()
            .map(|name| Files::of(&folder.join("contexts.toml"), name).identity)
            .collect();
        assert_eq!(files.len(), names.len());
        for file in files {
            assert_eq!(file.parent().unwrap(), folder.join("credentials"));
            assert!(file.file_name().unwrap().to_str().unwrap().starts_with("login_"));
        }
    }

    #[test]
    fn a_certificate_is_renewed_in_time_or_spoken_of() {
        let begins = SystemTime::UNIX_EPOCH + 10_000 * DAY;
        let life = CertificateLife {
            begins,
            expires: begins + 30 * DAY,
        };
        assert_eq!(due(life, true, begins + 19 * DAY), Due::Nothing);
        assert_eq!(due(life, true, begins + 20 * DAY), Due::Renewal);
        assert_eq!(due(life, true, begins + 31 * DAY), Due::Word(Duration::ZERO));
        assert_eq!(due(life, false, begins + 20 * DAY), Due::Nothing);
        assert_eq!(due(life, false, begins + 24 * DAY), Due::Word(6 * DAY));
        assert_eq!(due(life, false, begins + 31 * DAY), Due::Word(Duration::ZERO));
    }
}
