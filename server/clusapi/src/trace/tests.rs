use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::format::{Begin, Bytes, Callback, End, Fields, Handle, Header, Line, Report, Return, SECRET};
use super::*;
use crate::fake::{FAIL_WITH, TABLE, api, taken_log};
use crate::{
    Answer, ClusterAddress, CreateClusterConfig, Credentials, ManagementPointRestype, ManagementPointType, Secret,
    Win32,
};
use proptest::prelude::*;

/// A file that the test looks into.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn about() -> About {
    About {
        program: "wsfcd 0.1.0".into(),
        os: "an os".into(),
        host: Some("h1".into()),
        library: "a fake".into(),
        now: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000),
    }
}

/// One test, since a process has one recorder.
#[test]
fn a_recorded_api_behaves_as_the_other_and_leaves_a_trace() {
    let file = Shared::default();
    let (recorded, recording) = record(&api(TABLE), about(), file.clone()).unwrap();
    assert!(matches!(
        record(&api(TABLE), about(), std::io::sink()),
        Err(RecordError::Second)
    ));
    let config = CreateClusterConfig {
        name: "c1".into(),
        nodes: vec!["n1".into(), "n2".into()],
        addresses: vec![ClusterAddress {
            address: Ipv4Addr::new(10, 0, 0, 9).into(),
            prefix_length: 24,
        }],
        empty: false,
        management_point_type: ManagementPointType::CNO,
        management_point_restype: Some(ManagementPointRestype::AUTO),
        credentials: Some(Credentials::new(
            "joe".into(),
            Secret::new("hunter2".into()),
            Some("example".into()),
        )),
    };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let records = Arc::clone(&seen);
    let cluster = recorded
        .create_cluster(&config, move |record| {
            records.lock().unwrap().push((record.phase.0, record.object));
            Answer::Abort
        })
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [(1, Some("c1".to_owned())), (302, None)]);
    let log = taken_log();
    assert!(log.contains(&"as joe hunter2 example".to_owned()), "{log:?}");
    assert!(log.contains(&"phase 1 answered 0".to_owned()), "{log:?}");
    let information = cluster.information().unwrap();
    let nodes = cluster.nodes().unwrap();
    let level = cluster.functional_level().unwrap();
    FAIL_WITH.set(5042);
    assert_eq!(cluster.open_node("n9").err().unwrap().code(), Some(Win32(5042)));
    FAIL_WITH.set(0);
    drop(cluster);
    recording.finish().unwrap();
    drop(recorded.open_cluster(None).unwrap());
    taken_log();

    let bytes = file.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes.clone()).unwrap();
    for secret in ["joe", "hunter2", "example"] {
        assert!(!text.contains(secret), "{secret} is in the trace");
    }
    let trace = Trace::from_bytes(&bytes).unwrap();
    assert!(trace.ended && !trace.truncated && trace.strays.is_empty());
    assert_eq!(trace.header.host.as_deref(), Some("h1"));
    assert_eq!(trace.header.began_unix_ms, 1_700_000_000_000);

    let created = &trace.calls[0];
    assert_eq!(created.begin.function, "CreateCluster");
    let given = created.begin.arguments.fields("config").unwrap();
    assert_eq!(given.text("lpszClusterName"), Some("c1"));
    assert_eq!(given.texts("ppszNodeNames").collect::<Vec<_>>(), ["n1", "n2"]);
    assert_eq!(given.number("managementPointType"), Some(1));
    for secret in ["pszUserName", "pszPassword", "pszDomain"] {
        assert_eq!(given.text(secret), Some(SECRET));
    }
    let [first, second] = &created.callbacks[..] else {
        panic!("{:?}", created.callbacks)
    };
    assert_eq!(first.report.as_ref().unwrap().object.as_deref(), Some("c1"));
    assert_eq!((first.phase, first.answer, first.thread), (1, 0, created.begin.thread));
    assert_eq!(second.report.as_ref().unwrap().object, None);
    assert_ne!(
        second.thread, created.begin.thread,
        "the fake calls back from a second thread"
    );
    assert!(!first.late && !second.late);
    let handle = created.returned.as_ref().unwrap().result.handle().unwrap();
    assert_eq!(
        trace.objects()[&handle].name.as_deref(),
        Some(information.name.as_str())
    );

    let named = |name: &'static str| trace.calls.iter().filter(move |call| call.begin.function == name);
    let listed: Vec<_> = named("ClusterEnumEx")
        .filter_map(|call| call.returned.as_ref()?.out.fields("item")?.text("name"))
        .collect();
    assert_eq!(listed, nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>());
    let properties = named("ClusterControl").find_map(|call| match call.returned.as_ref()?.out.get("output")? {
        Value::Bytes(bytes) => bytes.properties.as_ref()?.number("ClusterFunctionalLevel"),
        _ => None,
    });
    assert_eq!(properties, level.map(i64::from));
    let refused = named("OpenClusterNode").next().unwrap();
    assert_eq!(
        (refused.error(), refused.begin.arguments.text("node_name")),
        (Some(5042), Some("n9"))
    );
    assert_eq!(refused.begin.arguments.handle("cluster"), Some(handle));
    let closed = trace.calls.last().unwrap();
    assert_eq!(
        closed.begin.function, "CloseCluster",
        "what comes after the end is not recorded"
    );
}

fn header() -> Header {
    Header {
        format: format::FORMAT,
        program: "p".into(),
        os: "o".into(),
        host: None,
        library: "l".into(),
        began_unix_ms: 1,
        absent: Vec::new(),
    }
}

fn begin(number: u64) -> Line {
    Line::Call(Begin {
        number,
        at_us: number,
        thread: 1,
        function: "OpenCluster".into(),
        arguments: Fields::default(),
    })
}

fn file(lines: &[Line]) -> Vec<u8> {
    let lines = lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n");
    lines.collect::<String>().into_bytes()
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_line_that_was_cut_off_is_told_and_left_out() {
    let whole = file(&[Line::Trace(header()), begin(1), begin(2)]);
    let trace = Trace::from_bytes(&whole).unwrap();
    assert_eq!((trace.calls.len(), trace.truncated, trace.ended), (2, false, false));
    for end in 0..whole.len() {
        match Trace::from_bytes(&whole[..end]) {
            Ok(trace) => assert_eq!(trace.truncated, whole[end - 1] != b'\n', "cut at {end}"),
            Err(error) => assert!(matches!(error, TraceError::Empty), "cut at {end}: {error:?}"),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn damage_in_the_middle_is_an_error_that_names_the_line() {
    let of = |lines: &[Line]| Trace::from_bytes(&file(lines)).unwrap_err().to_string();
    let mut damaged = file(&[Line::Trace(header()), begin(1), begin(2)]);
    let second = damaged.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    damaged[second] = b'?';
    assert_eq!(
        Trace::from_bytes(&damaged).unwrap_err().to_string(),
        "line 2 of the trace is damaged"
    );
    assert_eq!(
        of(&[Line::Trace(header()), begin(1), begin(1)]),
        "line 3 of the trace begins a call a second time"
    );
    let end = Line::Return(Return {
        number: 7,
        at_us: 0,
        result: Value::Null,
        error: None,
        last_error: 0,
        out: Fields::default(),
        took_us: 0,
    });
    assert!(of(&[Line::Trace(header()), end]).contains("belongs to a call that is not there"));
    let other = Header { format: 9, ..header() };
    assert!(of(&[Line::Trace(other)]).contains("has format 9"));
    assert!(matches!(Trace::from_bytes(b"{\"a\":1}\n"), Err(TraceError::NoHeader)));
    assert!(matches!(Trace::from_bytes(b"MZ\n"), Err(TraceError::NoHeader)));
}

/// Names of fields: those that a struct of the format has of its own are never names of C.
fn name() -> impl Strategy<Value = String> {
    "[A-Za-z_ ]{1,12}".prop_filter("is a name of the format", |name| {
        !["handle", "hex", "properties"].contains(&name.as_str())
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        any::<u64>().prop_map(|handle| Value::Handle(Handle { handle })),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(Bytes::new(&bytes))),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            fields_of(inner.clone()).prop_map(Value::Fields),
            (any::<Vec<u8>>(), fields_of(inner)).prop_map(|(bytes, fields)| Value::Bytes(Bytes {
                properties: Some(fields),
                ..Bytes::new(&bytes)
            })),
        ]
    })
}

fn fields_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Fields> {
    prop::collection::vec((name(), value), 0..4).prop_map(Fields)
}

fn line() -> impl Strategy<Value = Line> {
    let report = (any::<[i32; 2]>(), any::<[u32; 2]>(), any::<Option<String>>()).prop_map(
        |([phase_type, severity], [percent, status], object)| Report {
            phase_type,
            severity,
            percent,
            object,
            status,
        },
    );
    prop_oneof![
        (any::<[u64; 3]>(), any::<String>(), fields_of(value())).prop_map(
            |([number, at_us, thread], function, arguments)| {
                Line::Call(Begin {
                    number,
                    at_us,
                    thread,
                    function,
                    arguments,
                })
            }
        ),
        (
            any::<Option<u64>>(),
            any::<[u64; 3]>(),
            any::<[i32; 2]>(),
            prop::option::of(report),
            any::<bool>()
        )
            .prop_map(|(call, [at_us, thread, took_us], [phase, answer], report, late)| {
                Line::Callback(Callback {
                    call,
                    at_us,
                    thread,
                    phase,
                    report,
                    answer,
                    took_us,
                    late,
                })
            }),
        (
            any::<[u64; 3]>(),
            value(),
            any::<Option<u32>>(),
            any::<u32>(),
            fields_of(value())
        )
            .prop_map(|([number, at_us, took_us], result, error, last_error, out)| {
                Line::Return(Return {
                    number,
                    at_us,
                    result,
                    error,
                    last_error,
                    out,
                    took_us,
                })
            }),
        any::<u64>().prop_map(|at_us| Line::End(End { at_us })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn a_line_reads_as_it_was_written(line in line()) {
        let text = serde_json::to_string(&line).unwrap();
        prop_assert!(!text.contains('\n'), "one line each");
        prop_assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn bytes_that_are_no_trace_are_an_error(bytes in any::<Vec<u8>>()) {
        prop_assert!(Trace::from_bytes(&bytes).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn a_damaged_trace_is_read_or_refused(lines in prop::collection::vec(line(), 0..6), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut all = vec![Line::Trace(header())];
        all.extend(lines);
        let mut bytes = file(&all);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Trace::from_bytes(&bytes);
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn hexadecimal_digits_are_their_bytes(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(Bytes::new(&bytes).bytes(), Some(bytes));
    }
}
