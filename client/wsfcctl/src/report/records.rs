//! The records themselves, for programs.

use std::io::Write as _;

use wsfc_client::v1::{OperationRecord, ResourceStatus};

use crate::cli::Format;
use crate::failure::Failure;
use crate::output;
use crate::report::Reporter;
use crate::terminal::Terminal;

/// Writes each record as a line of JSON or a document of YAML.
pub(crate) struct Records<'a> {
    pub(crate) terminal: &'a mut Terminal,
    pub(crate) format: Format,
}

impl Reporter for Records<'_> {
    fn record(&mut self, record: &OperationRecord) -> Result<(), Failure> {
        output::item(&mut self.terminal.out, self.format, record)
    }

    fn status(&mut self, _: &ResourceStatus) -> Result<(), Failure> {
        // The stream is that of the operation; `wsfcctl workload status --watch` is that of statuses.
        Ok(())
    }

    fn notice(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.terminal.err, "{text}")?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
