//! A host whose clock is set back by a day while the daemon runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use wsfc_audit::{Kind, Lines, Verifier, files};
use wsfc_client::v1::revoke_identity_request::Target;
use wsfc_client::{Error, Reason, v1};
use wsfc_tests::records::{assert_succeeded, assert_whole, to_the_end};
use wsfc_tests::request;
use wsfcd::access::policy::VIEWER;
use wsfcd::platform::{Clock, SystemClock};

use crate::joining::{Joined, client, join};
use crate::tenth;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The system's clock as it is two hours later, less what it was set back by.
#[derive(Default)]
struct Adjusted {
    seconds_back: AtomicU64,
}

impl Adjusted {
    fn set_back(&self, seconds: u64) {
        self.seconds_back.store(seconds, Ordering::SeqCst);
    }
}

impl Clock for Adjusted {
    fn now(&self) -> SystemTime {
        SystemClock.now() + Duration::from_secs(2 * HOUR)
            - Duration::from_secs(self.seconds_back.load(Ordering::SeqCst))
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    let error = result.unwrap_err();
    error.reason().unwrap_or_else(|| panic!("{error:?}")).clone()
}

/// What was used, revoked or counted stays so, whoever works goes on working, and the audit log stays whole; 1,000 calls
/// meanwhile are as many as they were.
#[tokio::test]
async fn a_clock_that_is_set_back_by_a_day() {
    let clock = Arc::new(Adjusted::default());
    // Certificates are checked by the test's own clock, too, so they are issued while the two agree.
    clock.set_back(2 * HOUR);
    let given = clock.clone();
    let Some(mut joined) = Joined::start_as(|builder| builder.clock(given)).await else {
        return;
    };
    let administrator = joined.administrator.clone();
    let used = joined.token("anna", VIEWER).await;
    let anna = client(&joined.daemon, &join(&joined.daemon, used.clone()).await.unwrap());
    anna.get_host_state("").await.unwrap();
    let revoked = joined.token("berta", VIEWER).await;
    let revocation = v1::RevokeTokenRequest { id: revoked.id.clone() };
    administrator.revoke_token(revocation).await.unwrap();
    let carla = joined.token("carla", VIEWER).await;
    let carla = client(&joined.daemon, &join(&joined.daemon, carla).await.unwrap());
    carla.get_host_state("").await.unwrap();
    let another = joined.token("carla", VIEWER).await;

    // Carla's other token is over when everything is taken from her.
    clock.set_back(0);
    let named = v1::RevokeIdentityRequest {
        target: Some(Target::Name("carla".into())),
    };
    administrator.revoke_identity(named).await.unwrap();
    let first = administrator
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let records = to_the_end(&first).await;
    assert_succeeded(&records);

    clock.set_back(DAY + 2 * HOUR);
    // Somebody is awaited, so that tokens are looked at.
    let good = joined.token("dora", VIEWER).await;
    for (whose, token) in [("anna", used), ("berta", revoked), ("carla", another)] {
        assert_eq!(
            refused(join(&joined.daemon, token).await),
            Reason::TokenInvalid,
            "{whose}"
        );
    }
    assert_eq!(refused(carla.get_host_state("").await), Reason::CertificateRevoked);
    let dora = client(&joined.daemon, &join(&joined.daemon, good).await.unwrap());
    for caller in [&administrator, &anna, &dora] {
        for _ in 0..tenth(1_000) {
            caller.get_host_state("").await.unwrap();
        }
    }
    let operation = administrator
        .destroy_cluster(request::destroy_cluster("CL1"))
        .await
        .unwrap();
    let after = to_the_end(&operation).await;
    assert_whole(&after);
    assert!(after[0].revision > records[records.len() - 1].revision);
    assert_eq!(to_the_end(&administrator.operation(first.id())).await, records);

    // A start with the clock still wrong, and the clock put right.
    joined.daemon.restart().await;
    let administrator = joined.reconnected();
    administrator.get_host_state("").await.unwrap();
    clock.set_back(2 * HOUR);
    administrator.get_host_state("").await.unwrap();
    joined.daemon.stop().await;
    let mut verifier = Verifier::new(&[]);
    let mut alarms = 0;
    for file in files(&joined.daemon.data_dir().join("audit")).unwrap() {
        let lines = Lines::of_file(&file.path).unwrap();
        verifier
            .file(&file.name(), lines, |sealed| {
                alarms += usize::from(sealed.entry.kind == Kind::Alarm);
            })
            .unwrap();
    }
    let report = verifier.finish();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(alarms, 0);
    joined.daemon.finish().await;
}
