//! A world steered from another process's end of a connection.
#![expect(clippy::disallowed_methods, reason = "the daemon's threads are another matter")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use wsfc_simulator::remote::{self, RemoteControl, RemoteError};
use wsfc_simulator::{Fault, Incident, Phase, Point, Severity};

use crate::raw::{Raw, Recorder};

const LONG: Duration = Duration::from_secs(30);

fn connected() -> (Raw, RemoteControl) {
    let control = RemoteControl::listen().unwrap();
    let raw = Raw::new(|_| {});
    remote::serve(raw.simulation.clone(), control.address()).unwrap();
    (raw, control)
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn what_is_asked_of_the_control_happens_to_the_world() {
    let (raw, control) = connected();
    assert!(control.set_reachable("n5", false).unwrap());
    assert_eq!(raw.host_state("n5"), Err(1722));
    assert!(!control.set_reachable("nobody", false).unwrap());
    assert_eq!(control.calls("GetNodeClusterState").unwrap(), 1);
    assert_eq!(
        control.call_counts().unwrap(),
        [(String::from("GetNodeClusterState"), 1)].into()
    );
    control
        .inject(Fault {
            call: Some("CreateCluster".into()),
            phase: Some(Phase::Name("FormingCluster".into())),
            severity: Some(Severity::Fatal),
            status: Some(1066),
            ..Fault::default()
        })
        .unwrap();
    assert_eq!(raw.create("c", &["n1"], &["10.0.0.50"]), Err(1066));
    control.clear_faults().unwrap();
    raw.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    let before = control.now().unwrap();
    control.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(control.now().unwrap(), before + Duration::from_secs(60));
    assert_eq!(control.now().unwrap(), raw.simulation.now());
    assert_eq!(control.take_save_error().unwrap(), None);
    assert_eq!(control.reached(&Point::phase("CreateCluster", 200)).unwrap(), 2);
    control.shutdown().unwrap();
    assert_eq!(raw.host_state("n1"), Err(1115));
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn incidents_happen_from_another_process_too() {
    let (raw, control) = connected();
    let cluster = raw.create("c", &["n1", "n2", "n3"], &["10.0.0.50"]).unwrap();
    control.happen(Incident::KillMachine { machine: "n3".into() }).unwrap();
    assert!(!raw.is_up(cluster, "n3"));
    control.consistency().unwrap();
    let refused = control.happen(Incident::NetworkDown { network: "x".into() });
    assert!(matches!(refused, Err(RemoteError::Refused { .. })), "{refused:?}");
    let resource = "Cluster Name".to_owned();
    control
        .happen(Incident::BlockResource {
            resource: resource.clone(),
            node: None,
        })
        .unwrap();
    control.happen(Incident::FailResource { resource, more: 0 }).unwrap();
    assert!(
        control.step().unwrap(),
        "a failed resource is tried again after an hour"
    );
    assert!(control.now().unwrap() >= Duration::from_secs(3_600));
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn controls_come_to_a_process_that_listens_and_what_they_held_stays_held() {
    let raw = Raw::new(|_| {});
    let address = remote::listen(raw.simulation.clone(), SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let first = RemoteControl::connect(address).unwrap();
    assert!(first.set_reachable("n5", false).unwrap());
    first.hold(Point::entry("CreateCluster")).unwrap();
    // An answer that came says that the hold before it was carried out.
    assert_eq!(first.calls("CreateCluster").unwrap(), 0);
    drop(first);
    assert_eq!(raw.host_state("n5"), Err(1722));
    let second = RemoteControl::connect(address).unwrap();
    std::thread::scope(|scope| {
        let call = scope.spawn(|| raw.create("c", &["n1"], &["10.0.0.50"]));
        assert!(second.wait_held(&Point::entry("CreateCluster"), LONG).unwrap());
        second.release_all().unwrap();
        assert!(call.join().unwrap().is_ok());
    });
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 1));
    assert!(remote::listen(raw.simulation, elsewhere).is_err());
    assert!(RemoteControl::connect(elsewhere).is_err());
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn a_fault_that_contradicts_itself_is_refused_with_its_reason() {
    let (_raw, control) = connected();
    let error = control.inject(Fault::default()).unwrap_err();
    assert!(
        matches!(&error, RemoteError::Refused { problem } if problem.contains("must name its call")),
        "{error}"
    );
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn a_wait_holds_up_no_other_request() {
    let (raw, control) = connected();
    let point = Point::phase("CreateCluster", 200).of("C");
    control.hold(point.clone()).unwrap();
    let (held, was_held) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiting = control.clone();
        let (held_at, point_at) = (held, point.clone());
        scope.spawn(move || held_at.send(waiting.wait_held(&point_at, LONG).unwrap()).unwrap());
        // Answered while the wait stands, for no call has been made.
        assert_eq!(control.calls("CreateCluster").unwrap(), 0);
        let call = scope.spawn(|| raw.create("c", &["n1"], &["10.0.0.50"]));
        assert!(was_held.recv_timeout(LONG).unwrap());
        assert!(control.wait_reached(&point, 1, LONG).unwrap());
        assert!(!control.wait_reached(&point, 2, Duration::from_millis(1)).unwrap());
        control.release(&point).unwrap();
        call.join().unwrap().unwrap();
    });
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn what_is_held_is_held_in_the_next_process_from_its_first_call_on() {
    let control = RemoteControl::listen().unwrap();
    let point = Point::phase("CreateCluster", 200);
    // Before any process is there.
    control.hold(point.clone()).unwrap();
    assert!(!control.is_connected());
    for _process in 0..2 {
        let raw = Raw::new(|_| {});
        // The end of this relay's connection is the end of a process.
        let process = Relay::to(control.address());
        remote::serve(raw.simulation.clone(), process.address).unwrap();
        std::thread::scope(|scope| {
            let call = scope.spawn(|| raw.create("c", &["n1"], &["10.0.0.50"]));
            assert!(control.wait_held(&point, LONG).unwrap());
            process.end();
            // Nobody is left to release it, so it goes on.
            call.join().unwrap().unwrap();
        });
        raw.add(raw.open(Some("c")).unwrap(), "n2").unwrap();
    }
    control.release_all().unwrap();
    let raw = Raw::new(|_| {});
    remote::serve(raw.simulation.clone(), control.address()).unwrap();
    assert_eq!(control.reached(&point).unwrap(), 0);
    raw.create("c", &["n1"], &["10.0.0.50"]).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn an_answer_that_will_not_come_is_an_error() {
    let control = RemoteControl::listen().unwrap();
    let mut process = TcpStream::connect(control.address()).unwrap();
    process.write_all(b"{\"wsfc_simulator_control\":1}\n").unwrap();
    let asking = std::thread::spawn(move || control.now());
    let mut lines = BufReader::new(process.try_clone().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "{\"wsfc_simulator_control\":1}");
    assert_eq!(lines.next().unwrap().unwrap(), "{\"id\":1,\"request\":\"now\"}");
    drop((lines, process));
    assert!(matches!(asking.join().unwrap(), Err(RemoteError::Gone)));
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn only_loopback_and_only_this_version() {
    let raw = Raw::new(|_| {});
    let far = SocketAddr::from(([192, 0, 2, 1], 7443));
    let error = remote::serve(raw.simulation.clone(), far).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"wsfc_simulator_control\":2}\n").unwrap();
        stream
    });
    let error = remote::serve(raw.simulation, address).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    drop(other.join());
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no sockets")]
fn a_request_that_nobody_knows_is_answered_and_the_next_one_too() {
    let raw = Raw::new(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let control = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(
                b"{\"wsfc_simulator_control\":1}\n{\"id\":1,\"request\":\"dance\"}\n{\"id\":2,\"request\":\"now\"}\n",
            )
            .unwrap();
        BufReader::new(stream)
            .lines()
            .take(3)
            .collect::<Result<Vec<_>, _>>()
            .unwrap()
    });
    remote::serve(raw.simulation.clone(), address).unwrap();
    let lines = control.join().unwrap();
    assert!(lines[1].starts_with("{\"id\":1,\"answer\":{\"error\":"), "{lines:?}");
    assert_eq!(lines[2], "{\"id\":2,\"answer\":{\"ok\":0}}");
    raw.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    assert_eq!(raw.destroy(raw.open(Some("c")).unwrap(), &Recorder::new()), 0);
}

/// One connection that can be ended from outside, as the end of a process ends it.
struct Relay {
    address: SocketAddr,
    end: mpsc::Sender<()>,
}

impl Relay {
    fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = listener.local_addr().unwrap();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            let (near, _) = listener.accept().unwrap();
            let far = TcpStream::connect(address).unwrap();
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
            ended.recv().ok();
            near.shutdown(std::net::Shutdown::Both).ok();
            far.shutdown(std::net::Shutdown::Both).ok();
        });
        Self { address: relay, end }
    }

    fn end(&self) {
        self.end.send(()).unwrap();
    }
}
