//! The file with the contexts: named daemons and how to reach them.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the contexts in {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the contexts in {} are not valid", path.display())]
    Syntax {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("cannot write the contexts to {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the contexts as TOML")]
    Encode(#[source] toml::ser::Error),
    #[error("there is no context {0}; `wsfcctl context list` shows what there is")]
    Unknown(String),
    #[error(
        "no context is in use; name one, log in with `wsfcctl login HOST`, or set one with `wsfcctl context set NAME --endpoint URI`"
    )]
    NoneInUse,
    #[error("context {0} names no endpoint")]
    NoEndpoint(String),
    #[error("this system has no folder for settings; name the file in WSFCCTL_CONFIG")]
    NoFolder,
}

/// A daemon and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// The addresses of the daemon, tried in turn.
    pub(crate) endpoints: Vec<String>,
    /// The authorities that its certificate is checked against, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The certificate to show, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// The name that the daemon's certificate must carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    /// The file with the bearer token to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// True when passwords and keys may go to its `http` endpoints.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) secrets_in_plain: bool,
    /// The cluster that commands are about which name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// True when a login has made it: its certificate is renewed, and goes with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) login: bool,
}

/// All contexts, and which one is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The context in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub(crate) contexts: BTreeMap<String, Context>,
}

impl Contexts {
    /// Reads the file; one that does not exist has no contexts.
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => {
                return Err(Error::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|source| Error::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// Writes the file: whole or not at all, and readable by nobody else.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let text = toml::to_string_pretty(self).map_err(Error::Encode)?;
        let write = || {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty())
                .unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            // Temporary files are made with mode 0600 where files have modes, and keep it.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|source| Error::Write {
            path: path.to_owned(),
            source,
        })
    }

    /// A context by name, else the one in use.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<(&str, &Context), Error> {
        let name = name.or(self.current.as_deref()).ok_or(Error::NoneInUse)?;
        let found = self
            .contexts
            .get_key_value(name)
            .ok_or_else(|| Error::Unknown(name.to_owned()))?;
        Ok((found.0, found.1))
    }
}

/// Where the file is: where WSFCCTL_CONFIG says, else in the user's folder for settings.
pub(crate) fn path(named: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let folders = directories::ProjectDirs::from("", "", "wsfcctl").ok_or(Error::NoFolder)?;
    Ok(folders.config_dir().join("contexts.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Contexts {
        let lab = Context {
            endpoints: vec!["https://n1:7443".to_owned(), "https://n2:7443".to_owned()],
            ca: Some(PathBuf::from("/etc/wsfc/ca.pem")),
            ..Default::default()
        };
        Contexts {
            current: Some("lab".to_owned()),
            contexts: [("lab".to_owned(), lab)].into(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/contexts.toml");
        assert_eq!(Contexts::load(&path).unwrap(), Contexts::default());
        sample().save(&path).unwrap();
        assert_eq!(Contexts::load(&path).unwrap(), sample());
        sample().save(&path).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let left: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(left.len(), 1, "temporary files are left");
    }

    #[test]
    fn a_file_that_is_not_understood_is_not_guessed_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.toml");
        for text in [
            "contexts = 3",
            "[contexts.lab]\nendpoint = \"http://h\"",
            "curent = \"lab\"",
            "[[[",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Contexts::load(&path), Err(Error::Syntax { .. })), "{text}");
        }
        assert!(matches!(Contexts::load(folder.path()), Err(Error::Read { .. })));
        assert!(matches!(sample().save(&path.join("below")), Err(Error::Write { .. })));
    }

    #[test]
    fn a_context_is_found_by_name_or_by_use() {
        let contexts = sample();
        assert_eq!(contexts.find(None).unwrap().0, "lab");
        assert!(matches!(contexts.find(Some("prod")), Err(Error::Unknown(name)) if name == "prod"));
        assert!(matches!(Contexts::default().find(None), Err(Error::NoneInUse)));
    }
}
