//! A live bar on a terminal: the percentage, the phase and its object, and above it what must not be overlooked.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use wsfc_client::v1::OperationRecord;

use crate::failure::Failure;
use crate::report::Reporter;
use crate::report::sentence::{Sentence, sentence};

/// Draws a bar on stderr.
pub(crate) struct Bar {
    bar: ProgressBar,
    /// True once a percentage was told.
    measured: bool,
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
        Self { bar, measured: false }
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
}
