//! The settings of a resource: its private properties, and of the common ones the pending timeout.

use std::collections::BTreeMap;
use std::time::Duration;

use wsfc_clusapi::proplist::{Format, Property, PropertyList, Value};
use wsfc_clusapi::sys::constants::registry_access;
use wsfc_clusapi::{Error, Key, RegistryValue, Win32};
use wsfc_resource_channel::endpoint;

use crate::call::Patience;

/// The private properties, with their formats.
pub(crate) const PROPERTIES: [(&str, Format); 4] = [
    (WORKLOAD, Format::Sz),
    (PARAMETERS, Format::MultiSz),
    (ENDPOINT, Format::Sz),
    (DAEMON_GRACE, Format::Dword),
];

const WORKLOAD: &str = "Workload";
const PARAMETERS: &str = "Parameters";
const ENDPOINT: &str = "Endpoint";
const DAEMON_GRACE: &str = "DaemonGrace";
/// A common property, which lies in the resource's own key.
const PENDING_TIMEOUT: &str = "PendingTimeout";
/// The key below the resource's own with its private properties.
const PRIVATE: &str = "Parameters";

/// Most characters of the name of a workload.
const LONGEST_WORKLOAD: usize = 255;
/// Most bytes of all parameters, in UTF-8.
const LONGEST_PARAMETERS: usize = 64 << 10;
/// Milliseconds that the daemon may be away, unless the resource says otherwise.
const DEFAULT_DAEMON_GRACE: u32 = 60_000;
/// Milliseconds between two statuses, unless the resource says otherwise, and at least (facts 3.3).
const DEFAULT_PENDING_TIMEOUT: u32 = 180_000;
const LEAST_PENDING_TIMEOUT: u32 = 10;

/// What a resource is to do, and how long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The workload; empty while the property is not set.
    pub(crate) workload: String,
    /// The workload's parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Where the daemon listens.
    pub(crate) endpoint: String,
    /// How long things may take.
    pub(crate) patience: Patience,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workload: String::new(),
            parameters: BTreeMap::new(),
            endpoint: default_endpoint(),
            patience: patience(DEFAULT_PENDING_TIMEOUT, DEFAULT_DAEMON_GRACE),
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The cluster API does not give them.
    #[error("the properties cannot be read")]
    Unreadable(#[from] Error),
    /// There is no cluster API.
    #[error("no cluster API is known")]
    NoClusterApi,
    /// A property has another format.
    #[error("the property {property} has the wrong format")]
    Format {
        /// Its name.
        property: &'static str,
    },
    /// A property has a value that it cannot have.
    #[error("the property {property} {problem}")]
    Value {
        /// Its name.
        property: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bytes are no property list.
    #[error("the property list is malformed")]
    List,
}

impl SettingsError {
    /// The code for the monitor (facts 3.2: 13 for a malformed list, 87 for a wrong format or value).
    pub(crate) fn code(&self) -> u32 {
        let code = match self {
            Self::Unreadable(error) => error.code().unwrap_or(Win32::ERROR_INVALID_DATA),
            Self::NoClusterApi => Win32::ERROR_CALL_NOT_IMPLEMENTED,
            Self::Format { .. } | Self::Value { .. } => Win32::ERROR_INVALID_PARAMETER,
            Self::List => Win32::ERROR_INVALID_DATA,
        };
        code.0
    }
}

impl Settings {
    /// Reads the settings from the key of a resource.
    ///
    /// # Errors
    ///
    /// What is wrong with them, but not that there is no workload: a new resource has none yet.
    pub(crate) fn read(key: &Key) -> Result<Self, SettingsError> {
        let pending_timeout = value(key, PENDING_TIMEOUT)?
            .map(|value| dword(PENDING_TIMEOUT, &value))
            .transpose()?
            .unwrap_or(DEFAULT_PENDING_TIMEOUT);
        let private = match key.open(PRIVATE, registry_access::READ) {
            Ok(private) => Some(private),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(error.into()),
        };
        let private = |name| private.as_ref().map_or(Ok(None), |private| value(private, name));
        let mut settings = Self::default();
        let text = |name, value: RegistryValue| value.text().ok_or(SettingsError::Format { property: name });
        if let Some(value) = private(WORKLOAD)? {
            settings.workload = text(WORKLOAD, value)?;
            if !settings.workload.is_empty() {
                check_workload(&settings.workload)?;
            }
        }
        if let Some(value) = private(PARAMETERS)? {
            let texts = value.texts().ok_or(SettingsError::Format { property: PARAMETERS })?;
            settings.parameters = parameters(&texts)?;
        }
        if let Some(value) = private(ENDPOINT)? {
            let endpoint = text(ENDPOINT, value)?;
            if !endpoint.is_empty() {
                check_endpoint(&endpoint)?;
                settings.endpoint = spelled(endpoint);
            }
        }
        let daemon_grace = private(DAEMON_GRACE)?
            .map(|value| dword(DAEMON_GRACE, &value))
            .transpose()?
            .unwrap_or(DEFAULT_DAEMON_GRACE);
        settings.patience = patience(pending_timeout, daemon_grace);
        Ok(settings)
    }

    /// The settings again, where they name a workload.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn usable(self) -> Result<Self, SettingsError> {
        check_workload(&self.workload)?;
        Ok(self)
    }
}

fn patience(pending_timeout: u32, daemon_grace: u32) -> Patience {
    Patience {
        pending_timeout: Duration::from_millis(pending_timeout.max(LEAST_PENDING_TIMEOUT).into()),
        daemon_grace: Duration::from_millis(daemon_grace.into()),
    }
}

fn default_endpoint() -> String {
    std::env::var(endpoint::VARIABLE)
        .ok()
        .filter(|endpoint| !endpoint.is_empty())
        .map_or_else(|| endpoint::default().to_owned(), spelled)
}

/// The one spelling of an endpoint: the names of pipes are caseless, and a daemon has one connection.
fn spelled(mut endpoint: String) -> String {
    if cfg!(windows) {
        endpoint.make_ascii_lowercase();
    }
    endpoint
}

fn is_missing(error: &Error) -> bool {
    error.code() == Some(Win32::ERROR_FILE_NOT_FOUND)
}

fn value(key: &Key, name: &'static str) -> Result<Option<RegistryValue>, Error> {
    match key.value(name) {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn dword(property: &'static str, value: &RegistryValue) -> Result<u32, SettingsError> {
    value.dword().ok_or(SettingsError::Format { property })
}

fn check_workload(workload: &str) -> Result<(), SettingsError> {
    let problem = match workload.chars().count() {
        0 => "is required",
        length if length > LONGEST_WORKLOAD => "is longer than 255 characters",
        _ if workload.contains(char::is_control) => "contains a control character",
        _ => return Ok(()),
    };
    Err(SettingsError::Value {
        property: WORKLOAD,
        problem,
    })
}

/// Only what is on this host: the monitor runs as LocalSystem, which must not show itself to others.
fn check_endpoint(endpoint: &str) -> Result<(), SettingsError> {
    let (fits, problem) = if cfg!(windows) {
        (
            is_pipe(endpoint),
            r"is no named pipe of this host, such as \\.\pipe\wsfcd\resource",
        )
    } else {
        (
            endpoint.starts_with('/') && endpoint.len() < LONGEST_SOCKET && !endpoint.contains('\0'),
            "is no absolute path of at most 107 bytes",
        )
    };
    if fits {
        return Ok(());
    }
    Err(SettingsError::Value {
        property: ENDPOINT,
        problem,
    })
}

/// Whether a name is that of a named pipe of this host. Windows resolves `.` and `..` and takes `/` for `\` before it looks
/// for the prefix, so a name with those may lie elsewhere.
fn is_pipe(endpoint: &str) -> bool {
    let Some((prefix, name)) = endpoint.split_at_checked(PIPES.len()) else {
        return false;
    };
    prefix.eq_ignore_ascii_case(PIPES)
        && !name.contains(['/', '\0'])
        && name.split('\\').all(|component| !matches!(component, "" | "." | ".."))
}

/// What the names of the pipes of this host begin with.
const PIPES: &str = r"\\.\pipe\";

/// Bytes of the path of a Unix socket, with its NUL.
const LONGEST_SOCKET: usize = 108;

fn parameters(texts: &[String]) -> Result<BTreeMap<String, String>, SettingsError> {
    let problem = |problem| SettingsError::Value {
        property: PARAMETERS,
        problem,
    };
    // They travel in one message, which has its own limit.
    if texts.iter().map(String::len).sum::<usize>() > LONGEST_PARAMETERS {
        return Err(problem("is longer than 64 KiB"));
    }
    let mut parameters = BTreeMap::new();
    for text in texts {
        let (key, value) = text
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| problem("has an entry that is not KEY=VALUE"))?;
        if parameters.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(problem("has a key twice"));
        }
    }
    Ok(parameters)
}

/// Checks properties that somebody wants to set. What is not in the list stays as it is; properties of other names are kept
/// for whoever set them.
///
/// # Errors
///
/// What is wrong with them.
pub(crate) fn validate(list: &[u8]) -> Result<(), SettingsError> {
    let list = PropertyList::parse(list).map_err(|_| SettingsError::List)?;
    list.properties.iter().try_for_each(validate_property)
}

fn validate_property(property: &Property) -> Result<(), SettingsError> {
    let known = PROPERTIES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(&property.name));
    let Some((name, format)) = known else {
        return Ok(());
    };
    let wrong = SettingsError::Format { property: name };
    let [value] = property.values.as_slice() else {
        return Err(wrong);
    };
    match (*name, value) {
        (WORKLOAD, Value::Sz(workload)) => check_workload(workload),
        (PARAMETERS, Value::MultiSz(texts)) => parameters(texts).map(drop),
        (ENDPOINT, Value::Sz(endpoint)) if !endpoint.is_empty() => check_endpoint(endpoint),
        (ENDPOINT, Value::Sz(_)) | (DAEMON_GRACE, Value::Dword(_)) => Ok(()),
        // A value without bytes asks for the default (facts 3.1), and there is no default workload.
        (WORKLOAD, value) if *value == Value::reset(Format::Sz) => check_workload(""),
        (_, value) if *value == Value::reset(*format) => Ok(()),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wsfc_clusapi::proplist::Tail;

    use super::*;

    fn judged(name: &str, values: Vec<Value>) -> u32 {
        let properties = vec![Property {
            name: name.to_owned(),
            values,
        }];
        let list = PropertyList { properties }.to_bytes(Tail::ExtraZero).unwrap();
        validate(&list).map_or_else(|error| error.code(), |()| 0)
    }

    #[test]
    fn properties_are_judged_by_format_and_value() {
        let text = |text: &str| vec![Value::Sz(text.to_owned())];
        let texts = |texts: &[&str]| vec![Value::MultiSz(texts.iter().map(|text| (*text).to_owned()).collect())];
        for (name, values, code) in [
            ("Workload", text("billing"), 0),
            ("workload", text(&"ä".repeat(255)), 0),
            ("Workload", text(&"ä".repeat(256)), 87),
            ("Workload", text(""), 87),
            ("Workload", text("a\nb"), 87),
            ("Workload", vec![Value::reset(Format::Sz)], 87),
            ("Workload", vec![Value::Dword(1)], 87),
            ("Workload", vec![], 87),
            ("Parameters", texts(&["A=1", "B=", "C=x=y"]), 0),
            ("Parameters", texts(&[]), 0),
            ("Parameters", texts(&[&format!("A={}", "x".repeat(64 << 10))]), 87),
            ("Parameters", texts(&["=1"]), 87),
            ("Parameters", texts(&["A"]), 87),
            ("Parameters", texts(&["A=1", "A=2"]), 87),
            ("Parameters", vec![Value::reset(Format::MultiSz)], 0),
            ("Parameters", text("A=1"), 87),
            ("Endpoint", text(""), 0),
            ("Endpoint", text(endpoint::default()), 0),
            ("Endpoint", text("relative"), 87),
            ("Endpoint", text(r"\\other\pipe\wsfcd"), 87),
            ("DaemonGrace", vec![Value::Dword(0)], 0),
            ("DaemonGrace", vec![Value::reset(Format::Dword)], 0),
            ("DaemonGrace", text("5"), 87),
            ("SomethingElse", vec![Value::Word(1)], 0),
        ] {
            assert_eq!(judged(name, values.clone()), code, "{name} {values:?}");
        }
        assert_eq!(validate(&[1, 0, 0, 0]).unwrap_err().code(), 13);
        assert!(validate(&[]).is_ok());
    }

    #[test]
    fn a_pipe_lies_on_this_host_however_it_is_written() {
        for (endpoint, fits) in [
            (r"\\.\pipe\wsfcd\resource", true),
            (r"\\.\PIPE\Wsfcd", true),
            (r"\\.\pipe\..a.", true),
            (r"\\.\pipe\", false),
            (r"\\.\pipe", false),
            (r"\\.\pipe\\a", false),
            (r"\\.\pipe\a\", false),
            (r"\\.\pipe\..\UNC\other\pipe\a", false),
            (r"\\.\pipe\a\.\b", false),
            (r"\\.\pipe\a/../../UNC/other/pipe/a", false),
            ("\\\\.\\pipe\\a\0b", false),
            (r"\\other\pipe\wsfcd", false),
        ] {
            assert_eq!(is_pipe(endpoint), fits, "{endpoint}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let code = validate(&bytes).map_or_else(|error| error.code(), |()| 0);
            prop_assert!([0, 13, 87].contains(&code));
        }
    }
}
