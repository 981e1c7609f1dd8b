//! The service's own exit codes: what the system keeps of how the service ended.
//!
//! | code | the service ended because |
//! | --- | --- |
//! | 1 | its settings cannot be used, the certificates included |
//! | 2 | there is no cluster API to serve |
//! | 3 | it cannot listen on its address |
//! | 4 | its journal cannot be opened or written |
//! | 5 | it was told to end at once |
//! | 6 | the system refused it something else |
//!
//! The reason itself, with all its causes, is event 102 or 302 of the event log, and in the log files.

use wsfcd::RunError;
use wsfcd::daemon::StartError;

/// A code and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// See [`Code::meaning`].
    Settings = 1,
    /// See [`Code::meaning`].
    ClusterApi = 2,
    /// See [`Code::meaning`].
    Address = 3,
    /// See [`Code::meaning`].
    Journal = 4,
    /// See [`Code::meaning`].
    Hurried = 5,
    /// See [`Code::meaning`].
    System = 6,
}

impl Code {
    /// Every code.
    const ALL: [Self; 6] = [
        Self::Settings,
        Self::ClusterApi,
        Self::Address,
        Self::Journal,
        Self::Hurried,
        Self::System,
    ];

    /// The number that the system keeps.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The code with this number.
    pub fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }

    /// What it stands for, as the end of a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Settings => "its settings cannot be used",
            Self::ClusterApi => "there is no cluster API to serve",
            Self::Address => "it cannot listen on its address",
            Self::Journal => "its journal cannot be opened or written",
            Self::Hurried => "it was told to end at once",
            Self::System => "the system refused it something",
        }
    }
}

impl From<&RunError> for Code {
    fn from(error: &RunError) -> Self {
        match error {
            RunError::ClusterApi(_) => Self::ClusterApi,
            RunError::Start(
                StartError::Settings(_) | StartError::Tls(_) | StartError::Bearer(_) | StartError::Own(_),
            ) => Self::Settings,
            RunError::Start(StartError::Bind { .. } | StartError::Channel { .. } | StartError::Local { .. }) => {
                Self::Address
            }
            RunError::Start(StartError::Journal { .. } | StartError::Recover(_) | StartError::Access(_))
            | RunError::Journal(_) => Self::Journal,
            RunError::Start(StartError::ReadyFile { .. } | StartError::Reflection(_) | StartError::Thread(_)) => {
                Self::System
            }
            RunError::Hurried => Self::Hurried,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_one_code_each_and_never_for_success() {
        for code in Code::ALL {
            assert_eq!(Code::of_number(code.number()), Some(code));
            assert_ne!(code.number(), 0);
            // The table above, and the one that an administrator reads.
            for table in [include_str!("exit.rs"), include_str!("../../../../WINDOWS.md")] {
                let row = format!("| {} | {}", code.number(), code.meaning());
                assert!(
                    table
                        .lines()
                        .any(|line| line.trim_start_matches("//! ").starts_with(&row)),
                    "{row}"
                );
            }
        }
        assert_eq!(Code::of_number(0), None);
        assert_eq!(Code::of_number(7), None);
    }

    #[test]
    fn what_is_wrong_with_the_settings_is_told_apart() {
        let address = std::net::SocketAddr::from(([0, 0, 0, 0], 7443));
        let unfit = wsfcd::settings::Unfit::PlainOffLoopback { address };
        assert_eq!(Code::from(&RunError::from(StartError::from(unfit))), Code::Settings);
        let bind = StartError::Bind {
            address,
            source: std::io::ErrorKind::AddrInUse.into(),
        };
        assert_eq!(Code::from(&RunError::from(bind)), Code::Address);
        assert_eq!(Code::from(&RunError::Hurried), Code::Hurried);
    }
}
