//! What a line says.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::line::Digest;

/// The longest text that comes from a caller, in characters. More would let callers fill the disk.
const LONGEST_TEXT: usize = 200;

/// One line of the log.
///
/// Members that say nothing are left out. A reader skips members that it does not know; those that there are never change
/// their meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the whole log; the first is 1.
    pub sequence: u64,
    /// When it was written, by the host's clock, UTC.
    #[serde(with = "time")]
    pub time: SystemTime,
    /// What it tells.
    pub kind: Kind,
    /// [`Kind::Outcome`]: the sequence number of the intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<u64>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// The operation that the call began or is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<String>,
    /// What came of it, or why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// How many refusals this line stands for, when more than one, or how much is missing at a gap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// When the first of `count` was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub since: Option<SystemTime>,
    /// [`Kind::File`]: the name of the file before. [`Kind::Removed`]: the file that was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The hash of the entry before it; zeros in the first entry.
    pub previous: Digest,
}

impl Entry {
    /// An entry that says nothing but its kind. Sequence, time and `previous` are set by whoever writes it.
    pub fn new(kind: Kind) -> Self {
        Self {
            sequence: 0,
            time: SystemTime::UNIX_EPOCH,
            kind,
            intent: None,
            who: None,
            from: None,
            call: None,
            operation_id: None,
            result: None,
            count: None,
            since: None,
            file: None,
            detail: None,
            previous: Digest::ZERO,
        }
    }
}

/// What an entry tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The first of a file: `file` is the file before, which ended with `previous`.
    File,
    /// The daemon has started.
    Started,
    /// The daemon stops in order. A start without it before it followed a sudden end.
    Stopped,
    /// A changing call was allowed and is about to be carried out. It is durable before it is.
    Intent,
    /// What the call was answered. An intent without one: the daemon ended, or the log was not to be written, meanwhile.
    Outcome,
    /// An operation that a call had begun has ended; its state is the code of the result.
    Ended,
    /// Settings have changed while the daemon runs.
    Settings,
    /// A call was refused because of who asked, or what for; or, without a call, connections in their handshake.
    Refusal,
    /// The end of the file was an unfinished line and is kept in `file`.
    Torn,
    /// The log is not as it was left.
    Alarm,
    /// Nothing could be written for a time. What was asked for meanwhile was refused.
    Gap,
    /// A file was removed because of `audit.keep_files`.
    Removed,
}

impl Kind {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Ended => "ended",
            Self::Settings => "settings",
            Self::Refusal => "refusal",
            Self::Torn => "torn",
            Self::Alarm => "alarm",
            Self::Gap => "gap",
            Self::Removed => "removed",
        }
    }
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The name that the caller is known by.
    pub principal: String,
    /// How it is known, for example `certificate`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// The serial number of the client certificate, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// The SHA-256 of the client certificate, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
}

/// From where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The address and port; empty where there are none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// `tls`, `plain` or `local`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub medium: String,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The path of the method, for example `/wsfc.v1.GroupService/MoveGroup`.
    pub method: String,
    /// The permission that it needs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub permission: String,
    /// The cluster as the request names it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// What else the request names, each as `field=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// The request only asks whether the call would be refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub validate_only: bool,
    /// The request's own id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// The SHA-256, in hexadecimal, of the encoded request without its secrets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payload_sha256: String,
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The gRPC code, for example `PERMISSION_DENIED`.
    pub code: String,
    /// The reason of the error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The beginning of a text from a caller.
pub fn excerpt(text: &str) -> String {
    let Some((end, _character)) = text.char_indices().nth(LONGEST_TEXT) else {
        return text.to_owned();
    };
    format!("{}…", &text[..end])
}

/// Times as RFC 3339, UTC, with microseconds.
mod time {
    use std::borrow::Cow;
    use std::time::SystemTime;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        // A clock that is set before the epoch or after the year 9999 cannot be written.
        let latest = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(253_402_300_799);
        let time = (*time).clamp(SystemTime::UNIX_EPOCH, latest);
        serializer.collect_str(&humantime::format_rfc3339_micros(time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(de::Error::custom)
    }

    pub(super) mod optional {
        use std::time::SystemTime;

        use serde::{Deserializer, Serializer};

        pub(in super::super) fn serialize<S: Serializer>(
            time: &Option<SystemTime>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_readable_and_come_back() {
        let mut entry = Entry::new(Kind::Gap);
        entry.time = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        entry.since = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.contains(r#""time":"2023-11-14T22:13:20.123456Z""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
        entry.time = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert!(serde_json::to_string(&entry).unwrap().contains("1970-01-01T00:00:00"));
    }

    #[test]
    fn names_of_kinds_are_those_of_the_log() {
        for kind in [
            Kind::File,
            Kind::Started,
            Kind::Stopped,
            Kind::Intent,
            Kind::Outcome,
            Kind::Ended,
            Kind::Settings,
            Kind::Refusal,
            Kind::Torn,
            Kind::Alarm,
            Kind::Gap,
            Kind::Removed,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(excerpt(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(excerpt(&"ä".repeat(201)), format!("{}…", "ä".repeat(200)));
    }
}
