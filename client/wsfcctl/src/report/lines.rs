//! Plain lines, for logs and pipes.

use std::io::Write as _;

use wsfc_client::v1::{OperationRecord, ResourceStatus};

use crate::failure::Failure;
use crate::phrases;
use crate::report::Reporter;
use crate::report::sentence::sentence;
use crate::statuses;
use crate::terminal::Terminal;

/// Writes a line for each record.
pub(crate) struct Lines<'a> {
    pub(crate) terminal: &'a mut Terminal,
}

impl Reporter for Lines<'_> {
    fn record(&mut self, record: &OperationRecord) -> Result<(), Failure> {
        let said = sentence(record);
        let percent = said.percent.map(|percent| format!("{percent}%")).unwrap_or_default();
        let out = &mut self.terminal.out;
        writeln!(
            out,
            "{} {:>4} {:>4}  {}",
            phrases::time(record.time.as_ref()),
            record.sequence,
            percent,
            said.text
        )?;
        for alert in said.alerts {
            writeln!(out, "  {alert}")?;
        }
        Ok(out.flush()?)
    }

    fn status(&mut self, status: &ResourceStatus) -> Result<(), Failure> {
        let percent = status.percent.map(|percent| format!("{percent}%")).unwrap_or_default();
        let out = &mut self.terminal.out;
        let time = phrases::time(status.time.as_ref());
        // It has no place among the numbers of the records.
        writeln!(out, "{time} {:>4} {percent:>4}  {}", "", statuses::sentence(status))?;
        Ok(out.flush()?)
    }

    fn notice(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.terminal.err, "{text}")?)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.terminal.out.flush()?)
    }
}
