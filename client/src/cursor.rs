//! The place of a client in the records of an operation.

use wsfc_proto::v1::{GetOperationResponse, OperationRecord, StreamMark};

use crate::error::Error;

/// What a client has seen of an operation: every record up to `sequence`, from the journal `store_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) operation_id: String,
    /// Empty as long as no mark has named the journal.
    pub(crate) store_id: String,
    pub(crate) sequence: u64,
}

impl Cursor {
    pub(crate) fn new(operation_id: String, sequence: u64) -> Self {
        Self {
            operation_id,
            store_id: String::new(),
            sequence,
        }
    }

    /// Moves past a record: true when it is the next one, false when it was seen before.
    pub(crate) fn advance(&mut self, record: &OperationRecord) -> Result<bool, Error> {
        if record.operation_id != self.operation_id {
            return Err(Error::Malformed {
                method: "WatchOperation",
                problem: "a record of another operation came",
            });
        }
        if record.sequence <= self.sequence {
            return Ok(false);
        }
        self.require(record.sequence, self.sequence.saturating_add(1))?;
        self.sequence = record.sequence;
        Ok(true)
    }

    /// Checks a mark: it names the same journal, and nothing that it counts as delivered is missing.
    pub(crate) fn check(&mut self, mark: &StreamMark) -> Result<(), Error> {
        if self.store_id.is_empty() {
            self.store_id.clone_from(&mark.store_id);
        } else if self.store_id != mark.store_id {
            return Err(Error::StoreChanged {
                operation_id: self.operation_id.clone(),
                expected: self.store_id.clone(),
                received: mark.store_id.clone(),
            });
        }
        self.require(mark.sequence, self.sequence)
    }

    /// True when the operation has ended, and nothing of it follows.
    pub(crate) fn is_at_the_end(&self, answer: &GetOperationResponse) -> bool {
        let same_journal = self.store_id.is_empty() || self.store_id == answer.store_id;
        let ended = answer
            .operation
            .as_ref()
            .is_some_and(|operation| operation.outcome.is_some() && operation.last_sequence <= self.sequence);
        same_journal && ended
    }

    fn require(&self, received: u64, at_most: u64) -> Result<(), Error> {
        if received <= at_most {
            return Ok(());
        }
        Err(Error::Gap {
            operation_id: self.operation_id.clone(),
            expected: self.sequence.saturating_add(1),
            received,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(sequence: u64) -> OperationRecord {
        OperationRecord {
            operation_id: "op".to_owned(),
            sequence,
            ..Default::default()
        }
    }

    fn mark(store_id: &str, sequence: u64) -> StreamMark {
        StreamMark {
            store_id: store_id.to_owned(),
            sequence,
            ..Default::default()
        }
    }

    #[test]
    fn a_hole_is_a_gap_whether_a_record_or_a_mark_shows_it() {
        let mut cursor = Cursor::new("op".to_owned(), 3);
        assert!(matches!(
            cursor.advance(&record(5)),
            Err(Error::Gap {
                expected: 4,
                received: 5,
                ..
            })
        ));
        assert!(matches!(
            cursor.check(&mark("s", 4)),
            Err(Error::Gap {
                expected: 4,
                received: 4,
                ..
            })
        ));
        assert_eq!(cursor.sequence, 3);
        assert!(cursor.check(&mark("s", 3)).is_ok());
        assert!(cursor.check(&mark("s", 2)).is_ok());
    }

    #[test]
    fn another_store_is_never_mixed_in() {
        let mut cursor = Cursor::new("op".to_owned(), 0);
        cursor.check(&mark("a", 0)).unwrap();
        assert!(matches!(cursor.check(&mark("b", 0)), Err(Error::StoreChanged { .. })));
    }

    #[test]
    fn a_record_of_another_operation_is_refused() {
        let mut cursor = Cursor::new("other".to_owned(), 0);
        assert!(matches!(cursor.advance(&record(1)), Err(Error::Malformed { .. })));
    }

    proptest! {
        /// Whatever arrives, in whatever pieces and however often repeated, what is passed on is start+1, start+2, ...
        #[test]
        fn what_passes_is_gapless_and_without_repeats(
            start in 0_u64..50,
            arriving in proptest::collection::vec(0_u64..80, 0..200),
        ) {
            let mut cursor = Cursor::new("op".to_owned(), start);
            let mut passed = Vec::new();
            for sequence in arriving {
                match cursor.advance(&record(sequence)) {
                    Ok(true) => passed.push(sequence),
                    Ok(false) => prop_assert!(sequence <= cursor.sequence),
                    Err(_) => prop_assert!(sequence > cursor.sequence + 1),
                }
            }
            let expected: Vec<_> = (start + 1..).take(passed.len()).collect();
            prop_assert_eq!(passed, expected);
        }
    }
}
