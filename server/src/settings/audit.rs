//! Where it is written down who asked for what.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Settings, Unfit};
use crate::audit::Options;

/// The smallest file, which holds some dozens of entries.
const SMALLEST_FILE: u64 = 64 * 1024;

/// Where it is written down who asked for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// The folder of the audit log, which nothing else uses. Absent: `audit` in `data_dir`.
    pub dir: Option<PathBuf>,
    /// A file that would become larger is followed by another one.
    pub max_file_bytes: u64,
    /// How many files are kept, at least 2. Absent: all, since what was removed cannot be asked any more.
    pub keep_files: Option<usize>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            dir: None,
            max_file_bytes: 64 * 1024 * 1024,
            keep_files: None,
        }
    }
}

impl Audit {
    pub(super) fn check(&self) -> Result<(), Unfit> {
        if self.max_file_bytes < SMALLEST_FILE {
            return Err(Unfit::TooSmall {
                field: "audit.max_file_bytes",
                least: SMALLEST_FILE,
            });
        }
        if self.keep_files.is_some_and(|keep| keep < 2) {
            return Err(Unfit::TooSmall {
                field: "audit.keep_files",
                least: 2,
            });
        }
        Ok(())
    }
}

impl Settings {
    /// Where the audit log is, and how large its files become.
    pub fn audit_options(&self) -> Options {
        Options {
            dir: self.audit.dir.clone().unwrap_or_else(|| self.data_dir.join("audit")),
            max_file_bytes: self.audit.max_file_bytes,
            keep_files: self.audit.keep_files,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_something_and_more_than_one_is_kept() {
        let with = |change: fn(&mut Audit)| {
            let mut settings = Settings::default();
            change(&mut settings.audit);
            settings.check().map_err(|unfit| unfit.to_string())
        };
        assert_eq!(with(|audit| audit.max_file_bytes = SMALLEST_FILE), Ok(()));
        assert_eq!(
            with(|audit| audit.max_file_bytes = SMALLEST_FILE - 1),
            Err("`audit.max_file_bytes` must be at least 65536".into())
        );
        assert_eq!(
            with(|audit| audit.keep_files = Some(1)),
            Err("`audit.keep_files` must be at least 2".into())
        );
    }

    #[test]
    fn the_log_is_in_the_data_folder_unless_another_is_named() {
        let mut settings = Settings {
            data_dir: "/data".into(),
            ..Settings::default()
        };
        assert_eq!(settings.audit_options().dir, PathBuf::from("/data").join("audit"));
        settings.audit.dir = Some("/elsewhere".into());
        assert_eq!(settings.audit_options().dir, PathBuf::from("/elsewhere"));
    }
}
