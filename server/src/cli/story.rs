//! How the demonstration is told: readable lines, or every message as a JSON line.

use std::io::{self, Write};
use std::time::Duration;

use clap::ValueEnum;
use prost::{Message, Name};
use wsfc_client::json;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, SetupPhase, SetupPhaseType, SetupSeverity, UpgradePhase};

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Readable lines.
    Text,
    /// Every message as a JSON line.
    Json,
}

/// The teller of the demonstration.
pub struct Story<W> {
    out: W,
    form: Form,
}

impl<W: Write> Story<W> {
    /// Tells to `out`.
    pub fn new(out: W, form: Form) -> Self {
        Self { out, form }
    }

    /// A step begins.
    pub fn step(&mut self, title: &str) -> io::Result<()> {
        match self.form {
            Form::Text => writeln!(self.out, "\n== {title}"),
            Form::Json => Ok(()),
        }
    }

    /// A sentence beside the messages.
    pub fn say(&mut self, sentence: &str) -> io::Result<()> {
        match self.form {
            Form::Text => writeln!(self.out, "   {sentence}"),
            Form::Json => Ok(()),
        }
    }

    /// A message that is no record.
    pub fn message<T: Message + Name>(&mut self, message: &T, sentence: &str) -> io::Result<()> {
        match self.form {
            Form::Text => self.say(sentence),
            Form::Json => self.json(message),
        }
    }

    /// A record of an operation.
    pub fn record(&mut self, record: &v1::OperationRecord) -> io::Result<()> {
        if self.form == Form::Json {
            return self.json(record);
        }
        if let Some(text) = record_text(record) {
            writeln!(self.out, "   {:>4}  {text}", record.sequence)?;
        }
        self.out.flush()
    }

    fn json<T: Message + Name>(&mut self, message: &T) -> io::Result<()> {
        let line = json::to_line(message).map_err(io::Error::other)?;
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }
}

/// A record as a line. The start of a phase says nothing that its end does not, so it is left out.
fn record_text(record: &v1::OperationRecord) -> Option<String> {
    Some(match record.payload.as_ref()? {
        Payload::Accepted(accepted) => {
            let warnings: String = accepted
                .warnings
                .iter()
                .map(|warning| format!("  (warning: {warning})"))
                .collect();
            format!("accepted as operation {}{warnings}", record.operation_id)
        }
        Payload::Pending(pending) => pending_text(pending),
        Payload::Started(started) => format!("{} is called", started.function),
        Payload::SetupProgress(progress) => return setup_text(progress),
        Payload::StateChanged(changed) => {
            let owner = if changed.owner_node.is_empty() {
                String::new()
            } else {
                format!(" on {}", changed.owner_node)
            };
            format!("{} {}{owner}", changed.name, changed.state)
        }
        Payload::UpgradeProgress(progress) => {
            let phase = UpgradePhase::try_from(progress.phase).map_or_else(
                |_unknown| progress.phase.to_string(),
                |phase| plain(phase.as_str_name(), "UPGRADE_PHASE_"),
            );
            format!("       {phase}")
        }
        Payload::CancelRequested(_) => String::from("cancellation requested"),
        Payload::Outcome(outcome) => outcome_text(outcome),
    })
}

fn pending_text(pending: &v1::OperationPending) -> String {
    let remaining = pending
        .remaining
        .and_then(|remaining| Duration::try_from(remaining).ok());
    match (pending.reason(), remaining) {
        (v1::PendingReason::ClusterSettling, Some(remaining)) => {
            format!(
                "waits: the new cluster settles for another {:.1} s",
                remaining.as_secs_f32()
            )
        }
        (v1::PendingReason::Busy, _) => format!("waits for operation {}", pending.blocking_operation_id),
        (reason, _) => format!("waits: {}", plain(reason.as_str_name(), "PENDING_REASON_")),
    }
}

fn setup_text(progress: &v1::SetupProgress) -> Option<String> {
    let grave = progress.severity > SetupSeverity::Informational.into();
    if progress.phase_type != i32::from(SetupPhaseType::End) && !grave {
        return None;
    }
    let phase = SetupPhase::try_from(progress.phase).map_or_else(
        |_unknown| progress.phase.to_string(),
        |phase| plain(phase.as_str_name(), "SETUP_PHASE_"),
    );
    let object = progress
        .object_name
        .as_ref()
        .map_or(String::new(), |name| format!("  {name}"));
    let trouble = match &progress.status {
        Some(status) if grave => format!(
            "  {}: {} {} ({})",
            plain(progress.severity().as_str_name(), "SETUP_SEVERITY_"),
            status.code,
            status.name,
            status.message
        ),
        _ => String::new(),
    };
    Some(format!("{:>3} %  {phase}{object}{trouble}", progress.percent))
}

fn outcome_text(outcome: &v1::OperationOutcome) -> String {
    let state = match OperationState::try_from(outcome.state) {
        Ok(OperationState::Succeeded) if outcome.partial => String::from("succeeded in part"),
        Ok(state) => plain(state.as_str_name(), "OPERATION_STATE_"),
        Err(_unknown) => outcome.state.to_string(),
    };
    let seen = outcome
        .inspection
        .as_ref()
        .map_or(String::new(), |inspection| format!(" {}", inspection.summary));
    format!("{state}: {}{seen}", outcome.message)
}

/// `SETUP_PHASE_NODE_UP` for people: `node up`.
fn plain(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .replace('_', " ")
        .to_lowercase()
}
