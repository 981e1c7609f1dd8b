use std::io::BufReader;

use proptest::prelude::*;

use super::*;
use crate::entry::Entry;
use crate::line::seal;

/// Something that is done to the lines of files.
type Change = fn(&mut Vec<Vec<Vec<u8>>>);

/// The lines of `count` entries in files of `each`.
fn log(count: usize, each: usize) -> Vec<Vec<Vec<u8>>> {
    let mut files: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut previous = Digest::ZERO;
    for (index, sequence) in (0..count).zip(1_u64..) {
        let begins = index.is_multiple_of(each);
        let mut entry = Entry::new(if begins { Kind::File } else { Kind::Intent });
        entry.sequence = sequence;
        entry.detail = Some(format!("entry {sequence}"));
        entry.previous = previous;
        let (line, hash) = seal(&entry).unwrap();
        previous = hash;
        if begins {
            files.push(Vec::new());
        }
        files.last_mut().unwrap().push(line);
    }
    files
}

fn report(files: &[Vec<u8>], anchors: &[Anchor]) -> Report {
    let mut verifier = Verifier::new(anchors);
    for (index, file) in files.iter().enumerate() {
        let lines = Lines::new(BufReader::new(file.as_slice()));
        verifier.file(&index.to_string(), lines, |_entry| {}).unwrap();
    }
    verifier.finish()
}

fn joined(files: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    files.iter().map(|lines| lines.concat()).collect()
}

/// File, line and fault of the first finding.
fn first(report: &Report) -> (usize, u64, Fault) {
    let finding = report.findings.first().expect("something is wrong");
    (finding.file.parse().unwrap(), finding.line, finding.fault.clone())
}

fn anchor_of(files: &[Vec<Vec<u8>>], sequence: u64) -> Anchor {
    let sealed = files
        .iter()
        .flatten()
        .map(|line| open(line.strip_suffix(b"\n").unwrap()).unwrap())
        .find(|sealed| sealed.entry.sequence == sequence)
        .unwrap();
    Anchor {
        sequence,
        hash: sealed.hash,
    }
}

#[test]
fn a_log_as_it_was_written_is_sound() {
    let files = log(10, 4);
    let report = report(&joined(&files), &[anchor_of(&files, 7)]);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.files, report.entries, report.first), (3, 10, Some(1)));
    assert_eq!(report.last, Some(anchor_of(&files, 10)));
}

#[test]
fn what_was_done_to_a_log_is_named_with_its_place() {
    let (from, to) = (3, 3);
    let cases: [(Change, (usize, u64, Fault)); 9] = [
        (|files| drop(files[0].remove(2)), (0, 3, Fault::Missing { from, to })),
        (
            |files| files[0].swap(1, 2),
            (0, 2, Fault::Reordered { expected: 2, found: 3 }),
        ),
        (
            |files| files[1].swap(1, 3),
            (1, 2, Fault::Reordered { expected: 6, found: 8 }),
        ),
        (
            |files| {
                let line = files[0][1].clone();
                files[0].insert(3, line);
            },
            (0, 4, Fault::Repeated { expected: 4, found: 2 }),
        ),
        (|files| drop(files.remove(1)), (1, 1, Fault::Missing { from: 5, to: 8 })),
        (
            |files| files[2].push(b"{\"sequence\":11,".to_vec()),
            (2, 3, Fault::Torn { bytes: 15 }),
        ),
        (
            |files| {
                let line = files[2].remove(1);
                files[1].push(line);
            },
            (1, 5, Fault::Reordered { expected: 9, found: 10 }),
        ),
        (
            |files| drop(files[1].remove(0)),
            (1, 1, Fault::Missing { from: 5, to: 5 }),
        ),
        (
            // An entry that was written anew, with a hash of its own.
            |files| {
                let mut sealed = open(files[1][2].strip_suffix(b"\n").unwrap()).unwrap();
                sealed.entry.detail = Some("another".into());
                files[1][2] = seal(&sealed.entry).unwrap().0;
            },
            (
                1,
                4,
                Fault::Broken {
                    previous: anchor_of(&log(10, 4), 7).hash,
                    found: Digest::ZERO,
                },
            ),
        ),
    ];
    for (index, (change, mut expected)) in cases.into_iter().enumerate() {
        let mut files = log(10, 4);
        change(&mut files);
        let found = first(&report(&joined(&files), &[]));
        if let (Fault::Broken { found, .. }, Fault::Broken { found: real, .. }) = (&mut expected.2, &found.2) {
            *found = *real;
        }
        assert_eq!(found, expected, "case {index}");
    }
}

#[test]
fn a_cut_end_shows_at_an_anchor_only() {
    let whole = log(10, 4);
    let last = anchor_of(&whole, 10);
    let mut files = whole.clone();
    files[2].pop();
    assert!(report(&joined(&files), &[]).is_sound());
    let found = first(&report(&joined(&files), &[last]));
    assert_eq!(found, (2, 2, Fault::CutOff { anchor: 10, last: 9 }));
    files.pop();
    assert!(report(&joined(&files), &[anchor_of(&whole, 8)]).is_sound());
    assert_eq!(
        first(&report(&joined(&files), &[last])).2,
        Fault::CutOff { anchor: 10, last: 8 }
    );
    assert_eq!(
        first(&report(&[Vec::new()], &[last])).2,
        Fault::CutOff { anchor: 10, last: 0 }
    );
}

#[test]
fn a_log_that_was_made_anew_shows_at_an_anchor_only() {
    let whole = log(10, 4);
    let mut anew = log(10, 5);
    let found = first(&report(&joined(&anew), &[anchor_of(&whole, 7)]));
    assert!(matches!(found, (1, 2, Fault::Anchor { .. })), "{found:?}");
    anew.clear();
    assert!(report(&joined(&anew), &[]).is_sound(), "nothing is no fault");
}

#[test]
fn what_is_kept_elsewhere_is_no_fault_and_is_told() {
    let mut files = log(10, 4);
    files.remove(0);
    let report = report(&joined(&files), &[]);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.first, Some(5));
}

#[test]
fn findings_are_bounded_and_counted() {
    let mut files = log(1, 1);
    files[0].extend(std::iter::repeat_n(b"x\n".to_vec(), MOST_FINDINGS + 5));
    let report = report(&joined(&files), &[]);
    assert_eq!((report.findings.len(), report.more_findings), (MOST_FINDINGS, 5));
}

/// The file and the line, from 1, of an offset in a whole log.
fn place(files: &[Vec<Vec<u8>>], mut offset: usize) -> (usize, u64) {
    for (index, lines) in files.iter().enumerate() {
        for (line, bytes) in (1..).zip(lines) {
            match offset.checked_sub(bytes.len()) {
                None => return (index, line),
                Some(rest) => offset = rest,
            }
        }
    }
    unreachable!("the offset is in the log")
}

proptest! {
    #[test]
    fn every_changed_byte_is_found_in_its_line(
        count in 2_usize..30, each in 2_usize..9, at in any::<prop::sample::Index>(), change in 1_u8..=255
    ) {
        let files = log(count, each);
        let mut all = joined(&files);
        let offset = at.index(all.iter().map(Vec::len).sum());
        let (file, line) = place(&files, offset);
        let before: usize = all[..file].iter().map(Vec::len).sum();
        all[file][offset - before] ^= change;
        let report = report(&all, &[]);
        let found = first(&report);
        prop_assert_eq!((found.0, found.1), (file, line), "{:?}", report);
    }

    #[test]
    fn two_lines_that_change_places_are_found_at_the_first(
        count in 3_usize..30, each in 3_usize..9, one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()
    ) {
        let mut files = log(count, each);
        let places: Vec<(usize, usize)> = (0..files.len()).flat_map(|file| (0..files[file].len()).map(move |line| (file, line))).collect();
        let (one, other) = (one.index(places.len()), other.index(places.len()));
        prop_assume!(one != other);
        let (one, other) = (one.min(other), one.max(other));
        let line = files[places[one].0][places[one].1].clone();
        files[places[one].0][places[one].1] = files[places[other].0][places[other].1].clone();
        files[places[other].0][places[other].1] = line;
        let report = report(&joined(&files), &[]);
        let found = first(&report);
        // A log that begins with another entry begins late: that is no fault before what belongs there comes.
        if one > 0 {
            prop_assert_eq!((found.0, found.1 - 1), (places[one].0, places[one].1 as u64), "{:?}", report);
        }
        prop_assert!(!report.is_sound());
    }

    #[test]
    fn a_line_that_is_taken_out_is_found_at_the_next(
        count in 3_usize..30, each in 2_usize..9, at in any::<prop::sample::Index>()
    ) {
        let mut files = log(count, each);
        // Neither the first nor the last entry: what is left without them is a log.
        let index = 1 + at.index(count - 2);
        let (file, line, gone) = (index / each, index % each, index as u64 + 1);
        files[file].remove(line);
        let report = report(&joined(&files), &[]);
        prop_assert_eq!(&report.findings[0].fault, &Fault::Missing { from: gone, to: gone });
        prop_assert_eq!(report.findings[0].sequence, Some(gone + 1));
    }

    #[test]
    fn a_log_that_ends_at_any_byte_is_sound_or_torn(
        count in 1_usize..20, each in 2_usize..9, at in any::<prop::sample::Index>()
    ) {
        let files = log(count, each);
        let mut all = joined(&files);
        let length = all.iter().map(Vec::len).sum();
        let mut left = at.index(length);
        let mut whole = 0;
        for (file, lines) in all.iter_mut().zip(&files) {
            file.truncate(left);
            let mut rest = left;
            for line in lines {
                let Some(after) = rest.checked_sub(line.len()) else { break };
                rest = after;
                whole += 1;
            }
            left -= file.len();
        }
        let report = report(&all, &[]);
        prop_assert_eq!(report.entries, whole);
        let torn = |finding: &Finding| matches!(finding.fault, Fault::Torn { .. });
        prop_assert!(report.findings.iter().all(torn) && report.findings.len() <= 1, "{:?}", report);
    }
}
