//! Where settings come from: a TOML file, then the environment, then flags, each over the one before.
//!
//! A setting in the environment is `WSFCD_` and its path in capitals, the levels joined by two underscores:
//! `operations.create_settle` is `WSFCD_OPERATIONS__CREATE_SETTLE`. A value is read as TOML where that makes sense of
//! it, and as text otherwise.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Settings, Unfit, places};

/// The prefix of environment variables.
pub const ENVIRONMENT_PREFIX: &str = "WSFCD_";

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The settings file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Settings that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the settings file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file was not named, and is of somebody who could not change the daemon's settings.
    #[error("the settings file {} is not an administrator's; take it over, remove it, or name a file with `--config`", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML.
    #[error("the settings file {} is not TOML", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A path that runs through a value, for example `log.filter.more`.
    #[error("{origin} sets `{path}`, but `{at}` is a value and has no parts")]
    NotATable {
        /// The whole path.
        path: String,
        /// The part that is a value.
        at: String,
        /// Who set it.
        origin: Origin,
    },
    /// A value that is not Unicode, and would be another value if it were mended.
    #[error("{origin} sets `{path}` to {lossy:?}, which is not valid Unicode")]
    NotUnicode {
        /// The whole path.
        path: String,
        /// The value, with a mark in place of what cannot be shown.
        lossy: String,
        /// Who set it.
        origin: Origin,
    },
    /// A value of the wrong type, or a name that is no setting.
    #[error("a setting cannot be used")]
    Value {
        /// Which, and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Values that do not fit together.
    #[error(transparent)]
    Unfit(#[from] Unfit),
}

/// Values by path, as flags give them.
pub type Assignments = Vec<(String, Value)>;

/// The settings file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SettingsFile {
    /// There is none.
    #[default]
    None,
    /// It was named, and must be there.
    Named(PathBuf),
    /// It is read if it is there.
    IfThere(PathBuf),
    /// It is to be written, and is taken as if it were.
    Planned {
        /// Where it will be.
        path: PathBuf,
        /// What it will hold.
        text: String,
    },
}

/// Where settings come from, so that they can be read again.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file.
    pub file: SettingsFile,
    /// The environment; what has no prefix of ours in it is passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags.
    pub flags: Assignments,
}

/// The merged settings, and where each value that is no default came from.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// The origin of each value that was set, by path.
    pub origins: BTreeMap<String, Origin>,
}

impl Sources {
    /// Reads and merges all sources.
    ///
    /// # Errors
    ///
    /// See [`SettingsError`]; nothing is guessed or passed over.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        let mut origins = BTreeMap::new();
        let (file, mut table) = match &self.file {
            SettingsFile::None => (None, Table::new()),
            SettingsFile::Named(path) => (Some(path.clone()), read(path)?),
            SettingsFile::Planned { path, text } => (Some(path.clone()), parse(path, Ok(text.clone()))?),
            SettingsFile::IfThere(path) => match read_trusted(path) {
                Ok(table) => (Some(path.clone()), table),
                Err(SettingsError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => (None, Table::new()),
                Err(error) => return Err(error),
            },
        };
        if let Some(path) = &file {
            record(&table, "", &Origin::File(path.clone()), &mut origins);
        }
        let mut environment: Vec<_> = self
            .environment
            .iter()
            .filter_map(|(name, value)| variable(name, value).transpose())
            .collect::<Result<_, _>>()?;
        environment.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, name, value) in environment {
            set(&mut table, &path, value, Origin::Environment(name), &mut origins)?;
        }
        for (path, value) in &self.flags {
            set(&mut table, path, value.clone(), Origin::Flag, &mut origins)?;
        }
        let settings: Settings = table.try_into().map_err(|source| SettingsError::Value {
            source: Box::new(source),
        })?;
        settings.check()?;
        Ok(Loaded {
            settings,
            file,
            origins,
        })
    }
}

/// Reads a value as TOML where that makes sense of it, and as text otherwise, so that `5s` and `127.0.0.1:0` need no
/// quotes.
pub fn value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| if table.len() == 1 { table.remove("value") } else { None })
        .unwrap_or_else(|| Value::String(text.into()))
}

fn read(path: &Path) -> Result<Table, SettingsError> {
    parse(path, std::fs::read_to_string(path))
}

/// Reads a file that nobody named, if it is of somebody who may say how the daemon runs.
fn read_trusted(path: &Path) -> Result<Table, SettingsError> {
    let read = |mut file: File| {
        if !places::is_trusted(&file)? {
            return Ok(None);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map(|_bytes| Some(text))
    };
    match File::open(path).and_then(read).transpose() {
        Some(text) => parse(path, text),
        None => Err(SettingsError::Untrusted { path: path.into() }),
    }
}

fn parse(path: &Path, text: std::io::Result<String>) -> Result<Table, SettingsError> {
    let text = text.map_err(|source| SettingsError::Read {
        path: path.into(),
        source,
    })?;
    text.parse().map_err(|source| SettingsError::Syntax {
        path: path.into(),
        source: Box::new(source),
    })
}

/// Variables of this program's flags (`WSFCD_CONFIG`) and of the resource DLL are not settings.
fn variable(name: &OsStr, text: &OsStr) -> Result<Option<(String, String, Value)>, SettingsError> {
    // A name that is not Unicode is looked at as well: with the prefix it is no setting, and is refused as one.
    let name = name.to_string_lossy().into_owned();
    let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
        return Ok(None);
    };
    let path = path.to_lowercase().replace("__", ".");
    if path == "config" || name == wsfc_resource_channel::endpoint::VARIABLE {
        return Ok(None);
    }
    match text.to_str() {
        Some(text) => Ok(Some((path, name, value(text)))),
        None => Err(SettingsError::NotUnicode {
            path,
            lossy: text.to_string_lossy().into_owned(),
            origin: Origin::Environment(name),
        }),
    }
}

fn record(table: &Table, prefix: &str, origin: &Origin, origins: &mut BTreeMap<String, Origin>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) => record(inner, &path, origin, origins),
            _ => {
                origins.insert(path, origin.clone());
            }
        }
    }
}

fn set(
    table: &mut Table,
    path: &str,
    value: Value,
    origin: Origin,
    origins: &mut BTreeMap<String, Origin>,
) -> Result<(), SettingsError> {
    let mut levels: Vec<&str> = path.split('.').collect();
    let last = levels.pop().unwrap_or(path);
    let mut at = table;
    for (depth, level) in levels.iter().enumerate() {
        let entry = at.entry(*level).or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            let at = levels[..=depth].join(".");
            return Err(SettingsError::NotATable {
                path: path.into(),
                at,
                origin,
            });
        };
        at = inner;
    }
    at.insert(last.into(), value);
    origins.insert(path.into(), origin);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Assignments,
    ) -> Result<Loaded, SettingsError> {
        let sources = Sources {
            file: file.map_or(SettingsFile::None, |path| SettingsFile::Named(path.into())),
            environment: environment.into_iter().collect(),
            flags,
        };
        sources.load()
    }

    #[test]
    fn only_a_file_that_was_named_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wsfcd.toml");
        let error = load(Some(&path), [], Vec::new()).unwrap_err();
        assert!(matches!(error, SettingsError::Read { .. }), "{error}");
        let sources = Sources {
            file: SettingsFile::IfThere(path.clone()),
            ..Sources::default()
        };
        let loaded = sources.load().unwrap();
        assert_eq!((loaded.file, loaded.settings), (None, Settings::default()));
        std::fs::write(&path, "log.filter = \"warn\"\n").unwrap();
        let loaded = sources.load().unwrap();
        assert_eq!(loaded.file, Some(path.clone()));
        assert_eq!(loaded.settings.log.filter, "warn");
        std::fs::write(&path, "log.filter = ").unwrap();
        let error = sources.load().unwrap_err();
        assert!(matches!(error, SettingsError::Syntax { .. }), "{error}");
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wsfcd.toml");
        std::fs::write(
            &path,
            "[operations]\ncreate_settle = \"1s\"\nshutdown_grace = \"1s\"\n[log]\nfilter = \"warn\"\n",
        )
        .unwrap();
        let variables = environment(&[
            ("WSFCD_OPERATIONS__CREATE_SETTLE", "2s"),
            ("WSFCD_OPERATIONS__SHUTDOWN_GRACE", "2s"),
            ("PATH", "x"),
        ]);
        let flags = vec![(String::from("operations.create_settle"), value("3s"))];
        let loaded = load(Some(&path), variables, flags).unwrap();
        assert_eq!(loaded.settings.operations.create_settle, Duration::from_secs(3));
        assert_eq!(loaded.settings.operations.shutdown_grace, Duration::from_secs(2));
        assert_eq!(loaded.settings.log.filter, "warn");
        assert_eq!(loaded.origins["operations.create_settle"], Origin::Flag);
        assert_eq!(
            loaded.origins["operations.shutdown_grace"],
            Origin::Environment("WSFCD_OPERATIONS__SHUTDOWN_GRACE".into())
        );
        assert_eq!(loaded.origins["log.filter"], Origin::File(path));
    }

    #[test]
    fn values_keep_their_types() {
        assert_eq!(value("true"), Value::Boolean(true));
        assert_eq!(value("12"), Value::Integer(12));
        assert_eq!(value("127.0.0.1:0"), Value::String("127.0.0.1:0".into()));
        assert_eq!(value("5s"), Value::String("5s".into()));
        assert_eq!(value("1\nother = 2"), Value::String("1\nother = 2".into()));
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused() {
        for (path, text) in [
            ("operations.create_setle", "1s"),
            ("listen.address", "nowhere"),
            ("tls.authority", "mine"),
        ] {
            let flags = vec![(String::from(path), value(text))];
            assert!(
                matches!(load(None, [], flags), Err(SettingsError::Value { .. })),
                "{path}"
            );
        }
        let flags = vec![
            (String::from("data_dir"), value("x")),
            (String::from("data_dir.y"), value("z")),
        ];
        assert!(matches!(load(None, [], flags), Err(SettingsError::NotATable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_variable_that_is_not_unicode_is_refused_and_not_passed_over() {
        use std::os::unix::ffi::OsStringExt as _;
        let broken = || OsString::from_vec(b"/data/\xff".to_vec());
        let error = load(None, [("WSFCD_DATA_DIR".into(), broken())], Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment WSFCD_DATA_DIR sets `data_dir` to \"/data/\u{fffd}\", which is not valid Unicode"
        );
        // What is none of ours, and the path of the file, which need not be Unicode.
        for name in ["PATH", "WSFCD_CONFIG"] {
            load(None, [(name.into(), broken())], Vec::new()).unwrap();
        }
        let name = OsString::from_vec(b"WSFCD_DATA\xff".to_vec());
        assert!(load(None, [(name, "x".into())], Vec::new()).is_err());
    }

    #[test]
    fn settings_survive_being_shown() {
        let shown = toml::to_string(&Settings::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wsfcd.toml");
        std::fs::write(&path, shown).unwrap();
        assert_eq!(load(Some(&path), [], Vec::new()).unwrap().settings, Settings::default());
    }
}
