use std::sync::mpsc;
use std::thread;

use super::*;

/// What a C function does in the middle of a call.
fn callback(argument: usize, phase: i32, object: &[u16]) -> BOOL {
    assert!(object.is_empty() || object.contains(&0) || object.len() >= LONGEST_OBJECT_NAME);
    let object = if object.is_empty() {
        core::ptr::null()
    } else {
        object.as_ptr()
    };
    // SAFETY: The name is NULL, ends with a NUL, or is long enough for the bound, as asserted.
    unsafe {
        setup_trampoline(
            core::ptr::without_provenance_mut(argument),
            phase,
            3,
            2,
            120,
            object,
            0x8007_13BB,
        )
    }
}

/// A registered setup call whose records arrive in a channel.
fn recording() -> (Registration, mpsc::Receiver<SetupProgress>) {
    let (sender, receiver) = mpsc::channel();
    let registration = Registration::new(Sink::Setup(Box::new(move |record| {
        sender.send(record).expect("the test keeps the receiver");
        Answer::Continue
    })));
    (registration, receiver)
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

#[test]
fn a_record_arrives_with_its_native_numbers() {
    let (call, records) = recording();
    assert_eq!(callback(call.id, 7777, &wide("n1")), TRUE);
    let record = records.recv().unwrap();
    assert_eq!(record.phase, SetupPhase(7777));
    assert_eq!(
        (record.phase_type, record.severity),
        (PhaseType::END, Severity::WARNING)
    );
    assert_eq!((record.percent, record.percent_raw), (100, 120));
    assert_eq!(record.object.as_deref(), Some("n1"));
    assert_eq!(record.status.raw, 0x8007_13BB);
}

#[test]
fn a_missing_and_an_endless_name() {
    let (call, records) = recording();
    callback(call.id, 1, &[]);
    assert_eq!(records.recv().unwrap().object, None);
    callback(call.id, 1, &[0x41; LONGEST_OBJECT_NAME]);
    assert_eq!(records.recv().unwrap().object.unwrap().len(), LONGEST_OBJECT_NAME);
    callback(call.id, 1, &[0xD800, 0x42, 0]);
    assert_eq!(records.recv().unwrap().object.as_deref(), Some("\u{FFFD}B"));
}

#[test]
fn the_answer_is_passed_to_c() {
    let call = Registration::new(Sink::Setup(Box::new(|record| {
        if record.phase == SetupPhase::NODE_UP {
            Answer::Abort
        } else {
            Answer::Continue
        }
    })));
    assert_eq!(callback(call.id, 1, &[]), TRUE);
    assert_eq!(callback(call.id, 302, &[]), FALSE);
    let upgrade = Registration::new(Sink::Upgrade(Box::new(|_| Answer::Abort)));
    assert_eq!(upgrade_trampoline(upgrade.argument().cast_mut(), 2), FALSE);
}

#[test]
fn foreign_threads_are_served_in_turn() {
    const THREADS: i32 = 4;
    const EACH: i32 = 10;
    let (call, records) = recording();
    let id = call.id;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for step in 0..EACH {
                    assert_eq!(callback(id, thread * 1000 + step, &wide("n1")), TRUE);
                }
            });
        }
    });
    drop(call);
    let records: Vec<i32> = records.iter().map(|record| record.phase.0).collect();
    assert_eq!(records.len(), usize::try_from(THREADS * EACH).unwrap());
    for thread in 0..THREADS {
        let own: Vec<i32> = records.iter().copied().filter(|phase| phase / 1000 == thread).collect();
        assert!(own.is_sorted(), "records of one thread keep their order");
    }
}

#[test]
fn late_null_and_wrong_arguments_are_harmless_and_counted() {
    let (call, records) = recording();
    let id = call.id;
    drop(call);
    let upgrade = Registration::new(Sink::Upgrade(Box::new(|_| Answer::Abort)));
    let before = late_callbacks();
    assert_eq!(callback(id, 1, &wide("n1")), TRUE);
    assert_eq!(callback(0, 1, &[]), TRUE);
    assert_eq!(callback(usize::MAX, 1, &[]), TRUE);
    // A setup record for an upgrade is as wrong as one for nobody.
    assert_eq!(callback(upgrade.id, 1, &[]), TRUE);
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(callback(id, 1, &[]), TRUE));
    });
    assert!(
        late_callbacks() >= before + 5,
        "other tests may count too, but none takes away"
    );
    assert_eq!(records.iter().count(), 0);
}

#[test]
fn a_panic_does_not_reach_c_and_later_records_still_arrive() {
    let (sender, records) = mpsc::channel();
    let call = Registration::new(Sink::Setup(Box::new(move |record| {
        assert_ne!(record.phase, SetupPhase(13), "expected by the test");
        sender.send(record.phase).unwrap();
        Answer::Abort
    })));
    assert_eq!(callback(call.id, 1, &[]), FALSE);
    assert_eq!(callback(call.id, 13, &[]), TRUE);
    assert_eq!(callback(call.id, 13, &[]), TRUE);
    assert_eq!(callback(call.id, 2, &[]), FALSE);
    assert!(call.call.panicked.load(Ordering::Relaxed));
    drop(call);
    assert_eq!(records.iter().collect::<Vec<_>>(), [SetupPhase(1), SetupPhase(2)]);
}

#[test]
fn a_payload_that_panics_when_dropped_does_not_reach_c() {
    struct Trap;
    impl Drop for Trap {
        fn drop(&mut self) {
            panic!("expected by the test");
        }
    }
    let call = Registration::new(Sink::Setup(Box::new(|_| std::panic::panic_any(Trap))));
    assert_eq!(callback(call.id, 1, &[]), TRUE);
}

#[test]
fn the_end_of_a_call_waits_for_its_running_callback() {
    let (entered, has_entered) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    let call = Registration::new(Sink::Setup(Box::new(move |_| {
        entered.send(()).unwrap();
        released.recv().unwrap();
        done.send(()).unwrap();
        Answer::Abort
    })));
    let id = call.id;
    thread::scope(|scope| {
        let running = scope.spawn(|| callback(id, 1, &[]));
        has_entered.recv().unwrap();
        let ending = scope.spawn(move || {
            drop(call);
            // The callback is over when the end of the call is.
            is_done.try_recv()
        });
        // Let the end begin first: the call is no longer found, though its callback still runs.
        while LIVE.read().unwrap().contains_key(&id) {
            thread::yield_now();
        }
        release.send(()).unwrap();
        assert_eq!(running.join().unwrap(), FALSE);
        assert_eq!(ending.join().unwrap(), Ok(()));
    });
    assert_eq!(callback(id, 1, &[]), TRUE);
}
