//! Reporting an operation as it goes: a live bar, plain lines, or the records for programs.

mod bar;
mod lines;
mod records;
mod sentence;
mod summary;

use std::time::Duration;

use wsfc_client::v1::{OperationRecord, ResourceStatus};
use wsfc_client::{Error, Progress};

pub(crate) use summary::outcome;

use crate::cli::Format;
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Somebody who is told what a progress stream has to tell.
pub(crate) trait Reporter {
    /// The next record.
    fn record(&mut self, record: &OperationRecord) -> Result<(), Failure>;

    /// What a resource reports while the operation waits for it.
    fn status(&mut self, status: &ResourceStatus) -> Result<(), Failure>;

    /// Something to say beside the records.
    fn notice(&mut self, text: &str) -> Result<(), Failure>;

    /// Nothing more comes.
    fn finish(&mut self) -> Result<(), Failure>;
}

/// Chooses a reporter: records for programs, a bar where it can be drawn, lines elsewhere.
pub(crate) fn reporter<'a>(terminal: &'a mut Terminal, format: Format) -> Box<dyn Reporter + 'a> {
    if format.is_machine() {
        Box::new(records::Records { terminal, format })
    } else if terminal.live {
        Box::new(bar::Bar::new())
    } else {
        Box::new(lines::Lines { terminal })
    }
}

/// Tells a reporter what came.
pub(crate) fn tell(reporter: &mut dyn Reporter, progress: &Progress) -> Result<(), Failure> {
    match progress {
        Progress::Record(record) => reporter.record(record),
        Progress::Reconnecting { attempt, delay, error } => reporter.notice(&reconnecting(*attempt, *delay, error)),
        Progress::Resumed { after_sequence } => {
            reporter.notice(&format!("connected again; going on after record {after_sequence}"))
        }
    }
}

/// What a record says, on one line.
pub(crate) fn text_of(record: &OperationRecord) -> String {
    sentence::sentence(record).text
}

fn reconnecting(attempt: u32, delay: Duration, error: &Error) -> String {
    let why = crate::failure::chain(error);
    format!(
        "{why}; attempt {attempt} in {:.1} s, the operation goes on meanwhile",
        delay.as_secs_f64()
    )
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::terminal::tests::on_paper;

    #[test]
    fn the_loss_of_the_connection_is_talk_and_not_data() {
        for format in [Format::Table, Format::Json] {
            let (mut terminal, out, err) = on_paper(None);
            let error = Error::from_status("WatchOperation", Status::unavailable("gone"));
            let delay = Duration::from_millis(400);
            let mut reporter = reporter(&mut terminal, format);
            tell(
                reporter.as_mut(),
                &Progress::Reconnecting {
                    attempt: 2,
                    delay,
                    error,
                },
            )
            .unwrap();
            tell(reporter.as_mut(), &Progress::Resumed { after_sequence: 7 }).unwrap();
            reporter.finish().unwrap();
            drop(reporter);
            assert_eq!(out.text(), "");
            insta::assert_snapshot!("connection_lost", err.text());
        }
    }
}
