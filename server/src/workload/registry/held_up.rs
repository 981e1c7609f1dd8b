//! A daemon that was held up, by a stop of its process or of its host: what has arrived meanwhile was not read.

use std::time::Duration;

use super::super::timers::Time;
use super::{Registry, Timer};

/// How late something may be that is due. A guess: a daemon under load is not so late.
const LATE: Time = Duration::from_secs(5);

impl Registry {
    /// To be called before anything is done, with how late it is for what is due next. Where that is too late, the daemon was
    /// held up, and nobody has let a time pass by who could not be heard meanwhile: what is to be judged is put off by as
    /// long, and a moment longer, so that what has arrived is read first. Gives back by how long.
    pub fn catch_up(&mut self, late: Time) -> Time {
        if late <= LATE {
            return Time::ZERO;
        }
        let seconds = late.as_secs();
        tracing::warn!(
            seconds,
            "The daemon was held up; what agents and resource DLLs were to say by now may come later"
        );
        let by = late + LATE;
        // These judge nobody, so they are due now, and what comes before they are looked at is not late again.
        let judges = |timer: &Timer| !matches!(timer, Timer::Wait(_) | Timer::Check(_) | Timer::Ended(_));
        self.timers.put_off(late, |timer| !judges(timer));
        self.timers.put_off(by, judges);
        let asked = self
            .instances
            .values_mut()
            .filter_map(|instance| instance.asked.as_mut());
        asked.for_each(|asked| asked.last_word += by);
        by
    }
}
