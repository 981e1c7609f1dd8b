//! Who can read a private key.

use std::path::Path;

/// A key file that others can read, or that nobody can look at.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than the daemon's account can use it.
    #[error("others can use it: {who}; run `{mend}`")]
    Readable {
        /// Who.
        who: String,
        /// The command that changes it.
        mend: String,
    },
    /// The system does not say who can read it.
    #[error("it cannot be looked at")]
    Look(#[source] std::io::Error),
}

/// Looks whether nobody but this process's account, and who administers the host, can read a key.
///
/// # Errors
///
/// Somebody else can, or the system does not say.
#[cfg(unix)]
pub fn check(path: &Path) -> Result<(), KeyFileError> {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::metadata(path).map_err(KeyFileError::Look)?;
    let shown = path.display();
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Readable {
            who: format!("its mode is {mode:04o}"),
            mend: format!("chmod 600 '{shown}'"),
        });
    }
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != own {
        return Err(KeyFileError::Readable {
            who: format!("it belongs to the user {}", found.uid()),
            mend: format!("chown {own} '{shown}'"),
        });
    }
    Ok(())
}

/// Looks whether nobody but this process's account, and who administers the host, can read a key.
///
/// # Errors
///
/// Somebody else can, or the system does not say.
#[cfg(windows)]
pub fn check(path: &Path) -> Result<(), KeyFileError> {
    use wsfc_windows::security::{Sid, readers};

    let own = Sid::of_process().map_err(KeyFileError::Look)?;
    let readers = readers(path).map_err(KeyFileError::Look)?;
    let others: Vec<_> = readers
        .iter()
        .filter(|reader| !reader.is_administrative() && **reader != own)
        .map(Sid::as_str)
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    Err(KeyFileError::Readable {
        who: others.join(", "),
        mend: format!(
            "icacls \"{}\" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F *{}:R",
            path.display(),
            own.as_str()
        ),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.key");
        std::fs::write(&path, "").unwrap();
        for (mode, is_private) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
        ] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let checked = check(&path);
            assert_eq!(checked.is_ok(), is_private, "{mode:o}");
            if let Err(error) = checked {
                let mend = format!("chmod 600 '{}'", path.display());
                assert!(error.to_string().contains(&mend), "{error}");
            }
        }
        assert!(matches!(check(&folder.path().join("none")), Err(KeyFileError::Look(_))));
    }
}
