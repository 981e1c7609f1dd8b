//! A live bar on a terminal: the percentage, the phase and its object, and above it what must not be overlooked.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wsfc_client::v1::{OperationRecord, ResourceStatus};

use crate::failure::Failure;
use crate::report::Reporter;
use crate::report::sentence::{Sentence, sentence};
use crate::statuses;

/// Draws a bar on stderr.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// True once a percentage was told.
    measured: bool,
    /// The call of a resource that the percentage was told of last; empty for the operation itself.
    measures: String,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(100);
        // Most operations tell states and no percentage. A template that cannot be read leaves the default style, which
        // shows the same in another order.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            measured: false,
            measures: String::new(),
        }
    }

    /// From the first percentage on there is a bar.
    fn measure(&mut self) {
        if std::mem::replace(&mut self.measured, true) {
            return;
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} [{bar:30}] {pos:>3}% {elapsed} {wide_msg}") {
            self.bar.set_style(style.progress_chars("=> "));
        }
    }

    /// Shows the check point of a resource. Each call of a resource has a bar of its own, which begins anew.
    fn measure_by(&mut self, status: &ResourceStatus) {
        if self.measures != status.call_id {
            self.measures.clone_from(&status.call_id);
            self.bar.set_position(0);
        }
        self.show(&Sentence {
            percent: status.percent,
            text: statuses::sentence(status),
            alerts: Vec::new(),
        });
    }

    fn show(&mut self, said: &Sentence) {
        // The percentage of the cluster API can fall; the bar does not.
        if let Some(percent) = said.percent {
            self.measure();
            self.bar
                .set_position(self.bar.position().max(u64::from(percent.min(100))));
        }
        self.bar.set_message(said.text.clone());
        for alert in &said.alerts {
            self.bar.println(alert);
        }
    }
}

impl Reporter for Bar {
    fn record(&mut self, record: &OperationRecord) -> Result<(), Failure> {
        self.show(&sentence(record));
        Ok(())
    }

    fn status(&mut self, status: &ResourceStatus) -> Result<(), Failure> {
        self.measure_by(status);
        Ok(())
    }

    fn notice(&mut self, text: &str) -> Result<(), Failure> {
        self.bar.println(text);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        Ok(())
    }
}

impl Drop for Bar {
    /// The terminal is left clean on every way out.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_never_falls_and_never_leaves_its_scale() {
        let mut bar = Bar {
            bar: ProgressBar::hidden(),
            measured: false,
            measures: String::new(),
        };
        let percent = |percent| Sentence {
            percent: Some(percent),
            text: "x".to_owned(),
            ..Default::default()
        };
        bar.show(&percent(40));
        bar.show(&percent(20));
        assert_eq!(bar.bar.position(), 40);
        bar.show(&percent(400));
        assert_eq!(bar.bar.position(), 100);
        bar.show(&Sentence {
            text: "waiting".to_owned(),
            ..Default::default()
        });
        assert_eq!((bar.bar.position(), bar.bar.message().as_str()), (100, "waiting"));
    }

    #[test]
    fn each_call_of_a_resource_has_a_bar_of_its_own() {
        let mut bar = Bar {
            bar: ProgressBar::hidden(),
            measured: false,
            measures: String::new(),
        };
        let status = |call_id: &str, percent| ResourceStatus {
            call_id: call_id.to_owned(),
            resource: "web".to_owned(),
            percent: Some(percent),
            message: "copying".to_owned(),
            ..Default::default()
        };
        for (call_id, told, shown) in [("c1", 40, 40), ("c1", 30, 40), ("c2", 10, 10)] {
            bar.status(&status(call_id, told)).unwrap();
            assert_eq!(bar.bar.position(), shown, "{call_id}: {told}");
        }
        assert_eq!(bar.bar.message(), "resource web: unknown: copying");
    }
}
