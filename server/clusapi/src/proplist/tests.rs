use proptest::prelude::*;

use super::*;

/// Few cases where each is slow.
fn cases() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 512 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The group list with Priority = 2000 of facts 3.1, with the extra zero word of real servers.
fn worked_example() -> Vec<u8> {
    let mut bytes = vec![1, 0, 0, 0, 3, 0, 4, 0, 0x12, 0, 0, 0];
    bytes.extend("Priority\0".encode_utf16().flat_map(u16::to_le_bytes));
    bytes.extend([0, 0]);
    bytes.extend([2, 0, 1, 0, 4, 0, 0, 0, 0xD0, 7, 0, 0]);
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn the_worked_example_reads_and_writes() {
    let list = PropertyList::parse(&worked_example()).unwrap();
    let expected = Property {
        name: "Priority".into(),
        values: vec![Value::Dword(2000)],
    };
    assert_eq!(list.properties, [expected]);
    assert_eq!(list.dword("PRIORITY"), Some(2000));
    assert_eq!(list.to_bytes(Tail::ExtraZero).unwrap(), worked_example());
    let short = list.to_bytes(Tail::None).unwrap();
    assert_eq!(short, worked_example()[..short.len()]);
    assert_eq!(PropertyList::parse(&short).unwrap(), list);
}

#[test]
fn empty_lists() {
    assert_eq!(PropertyList::parse(&[]).unwrap(), PropertyList::default());
    assert_eq!(PropertyList::parse(&[0; 4]).unwrap(), PropertyList::default());
    assert_eq!(PropertyList::default().to_bytes(Tail::None).unwrap(), [0; 4]);
    assert_eq!(parse_value_list(&[0; 4]).unwrap(), []);
}

#[test]
fn strings_without_their_last_nul_are_read() {
    let bytes = value_list_to_bytes(&[
        Value::Unknown {
            syntax: 0x0001_0003,
            bytes: b"a\0b\0".to_vec(),
        },
        Value::Unknown {
            syntax: 0x0001_0005,
            bytes: b"a\0\0\0b\0".to_vec(),
        },
        Value::Unknown {
            syntax: 0x0001_0005,
            bytes: b"a\0\0\0b\0\0\0".to_vec(),
        },
        Value::Unknown {
            syntax: 0x0001_0005,
            bytes: vec![0, 0, 0, 0],
        },
    ])
    .unwrap();
    let texts = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(
        parse_value_list(&bytes).unwrap(),
        [
            Value::Sz("ab".into()),
            Value::MultiSz(texts.clone()),
            Value::MultiSz(texts),
            Value::MultiSz(Vec::new())
        ]
    );
}

#[test]
fn what_does_not_fit_its_format_keeps_its_bytes() {
    for (syntax, bytes) in [
        (0x0001_0002, vec![1, 2]),                   // A number of the wrong size.
        (0x0001_0002, vec![]),                       // A reset to the default.
        (0x0001_0003, vec![0x00, 0xD8]),             // An unpaired surrogate.
        (0x0001_0003, vec![0x41]),                   // Half a unit.
        (0x0001_0003, vec![0x41, 0, 0, 0, 0x42, 0]), // A NUL inside.
        (0x0001_0005, vec![0x41, 0, 0, 0, 0, 0, 0x42, 0]),
        (0x0002_0002, vec![1, 0, 0, 0, 0, 0, 0, 0]), // A resource class.
        (0x0001_00FF, vec![1]),
        (0x8000_0001, vec![1]),
    ] {
        let value = Value::Unknown { syntax, bytes };
        let list = value_list_to_bytes(std::slice::from_ref(&value)).unwrap();
        assert_eq!(parse_value_list(&list).unwrap(), [value]);
    }
    assert_eq!(
        Value::reset(Format::Dword),
        Value::Unknown {
            syntax: 0x0001_0002,
            bytes: vec![]
        }
    );
}

#[test]
fn sixty_four_bits_at_an_odd_place_are_read() {
    let list = PropertyList {
        properties: vec![Property {
            name: "Odd".into(),
            values: vec![Value::Ularge(u64::MAX - 1), Value::Word(7)],
        }],
    };
    let bytes = list.to_bytes(Tail::None).unwrap();
    // 4 (count) + 8 + 8 (name) + 8 (head) puts the number at 28, which is 4 modulo 8.
    assert_eq!(bytes[28..36], (u64::MAX - 1).to_le_bytes());
    assert_eq!(PropertyList::parse(&bytes).unwrap(), list);
}

#[test]
fn damage_is_said_where_it_is() {
    let example = worked_example();
    assert_eq!(
        PropertyList::parse(&example[..3]),
        Err(ParseError::Truncated { offset: 0 })
    );
    assert_eq!(
        PropertyList::parse(&example[..20]),
        Err(ParseError::Truncated { offset: 4 })
    );
    let mut counted = example.clone();
    counted[0] = 200;
    assert_eq!(
        PropertyList::parse(&counted),
        Err(ParseError::Count {
            count: 200,
            bytes: example.len()
        })
    );
    counted[0] = 2;
    assert_eq!(
        PropertyList::parse(&counted),
        Err(ParseError::NotAName { offset: 48, syntax: 0 })
    );
    let mut unnamed = example.clone();
    unnamed[4] = 2;
    assert_eq!(
        PropertyList::parse(&unnamed),
        Err(ParseError::NotAName {
            offset: 4,
            syntax: 0x0004_0002
        })
    );
    let mut overlong = example;
    overlong[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(PropertyList::parse(&overlong), Err(ParseError::Truncated { offset: 4 }));
}

#[test]
fn what_c_would_misread_is_not_written() {
    let list = |name: &str, value: Value| PropertyList {
        properties: vec![Property {
            name: name.to_owned(),
            values: vec![value],
        }],
    };
    let name = || "A".to_owned();
    for (list, error) in [
        (
            list("A", Value::Sz("x\0y".into())),
            WriteError::InteriorNul { name: name() },
        ),
        (
            list("A", Value::MultiSz(vec![String::new()])),
            WriteError::EmptyString { name: name() },
        ),
        (
            list(
                "A",
                Value::Unknown {
                    syntax: 0,
                    bytes: vec![],
                },
            ),
            WriteError::EndMark { name: name() },
        ),
        (
            list("A\0", Value::Dword(1)),
            WriteError::InteriorNul { name: "A\0".into() },
        ),
    ] {
        assert_eq!(list.to_bytes(Tail::None), Err(error));
    }
}

/// Text that C can carry.
fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>().prop_filter("C ends there", |c| *c != '\0'), 0..12)
        .prop_map(|characters| characters.into_iter().collect())
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..20);
    prop_oneof![
        bytes().prop_map(Value::Binary),
        any::<u32>().prop_map(Value::Dword),
        text().prop_map(Value::Sz),
        text().prop_map(Value::ExpandSz),
        proptest::collection::vec(text().prop_filter("reads as the end", |text| !text.is_empty()), 0..4)
            .prop_map(Value::MultiSz),
        any::<u64>().prop_map(Value::Ularge),
        any::<i32>().prop_map(Value::Long),
        text().prop_map(Value::ExpandedSz),
        bytes().prop_map(Value::SecurityDescriptor),
        any::<i64>().prop_map(Value::Large),
        any::<u16>().prop_map(Value::Word),
        any::<u64>().prop_map(Value::Filetime),
        bytes().prop_map(Value::ValueList),
        bytes().prop_map(Value::PropertyList),
        (0x0002_0001..0x8000_0000_u32, bytes()).prop_map(|(syntax, bytes)| Value::Unknown { syntax, bytes }),
    ]
}

fn list() -> impl Strategy<Value = PropertyList> {
    let property =
        (text(), proptest::collection::vec(value(), 0..4)).prop_map(|(name, values)| Property { name, values });
    proptest::collection::vec(property, 0..6).prop_map(|properties| PropertyList { properties })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn lists_survive_writing_and_reading(list in list(), extra in any::<bool>()) {
        let tail = if extra { Tail::ExtraZero } else { Tail::None };
        let bytes = list.to_bytes(tail).unwrap();
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(PropertyList::parse(&bytes).unwrap(), list);
    }

    #[test]
    fn what_follows_the_last_property_is_ignored(list in list(), rest in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = list.to_bytes(Tail::None).unwrap();
        bytes.extend(rest);
        prop_assert_eq!(PropertyList::parse(&bytes).unwrap(), list);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_read_stably(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = PropertyList::parse(&bytes) {
            let written = list.to_bytes(Tail::None).unwrap();
            prop_assert_eq!(PropertyList::parse(&written).unwrap(), list);
        }
        let _ = parse_value_list(&bytes);
    }

    #[test]
    fn one_flipped_byte_never_panics(list in list(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = list.to_bytes(Tail::ExtraZero).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = PropertyList::parse(&bytes);
    }
}
