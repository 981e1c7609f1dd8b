//! How the figures are taken: how often, what is made of many times, and how it is shown.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// How thoroughly to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Only see that everything runs; the figures then mean nothing.
    pub quick: bool,
}

impl Effort {
    /// How often to repeat something that a thorough run repeats `thorough` times.
    pub fn rounds(self, thorough: usize) -> usize {
        if self.quick { (thorough / 200).max(3) } else { thorough }
    }
}

/// Many times of the same thing.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// Adds one.
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand do not exceed.
    pub fn quantile(&self, per_mille: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        times.get(last * per_mille / 1000).copied().unwrap_or_default()
    }

    /// The time in the middle.
    pub fn median(&self) -> Duration {
        self.quantile(500)
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<T: IntoIterator<Item = Duration>>(times: T) -> Self {
        Self(times.into_iter().collect())
    }
}

/// What two readings of the clock, one right after the other, lie apart: the least that a single timed call shows.
pub fn clock_cost() -> Duration {
    let times: Times = (0..10_000)
        .map(|_| {
            let began = Instant::now();
            began.elapsed()
        })
        .collect();
    times.median()
}

/// A time in microseconds.
pub fn us(time: Duration) -> String {
    let us = time.as_secs_f64() * 1e6;
    match us {
        0.0..10.0 => format!("{us:.3}"),
        10.0..1000.0 => format!("{us:.1}"),
        _ => format!("{us:.0}"),
    }
}

/// How many times as long the first is.
pub fn ratio(time: Duration, unit: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / unit.as_secs_f64())
}

/// Prints a table in Markdown.
pub fn table(title: &str, columns: &[&str], rows: &[Vec<String>]) {
    let mut text = format!("\n**{title}**\n\n| {} |\n|", columns.join(" | "));
    for _ in columns {
        text.push_str(" --- |");
    }
    for row in rows {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n| {} |", row.join(" | "));
    }
    println!("{text}");
}
