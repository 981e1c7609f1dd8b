use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Wake};

use tokio::sync::mpsc::UnboundedReceiver;

use super::super::Told;
use super::*;

/// Looks at what was told at the moment at which it is woken.
struct Looks {
    told: Mutex<UnboundedReceiver<Told>>,
    found: Mutex<Option<bool>>,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let is_told = matches!(lock(&self.told).try_recv(), Ok(Told::Health(health)) if !health.healthy);
        lock(&self.found).get_or_insert(is_told);
    }
}

#[tokio::test]
async fn an_end_is_told_before_whoever_waits_for_it_goes_on() {
    let child = Command::new("true").spawn().unwrap();
    let id = child.id().unwrap();
    let (_orders, ordered) = mpsc::unbounded_channel();
    let (ended, mut end) = watch::channel(None);
    let (tell, told) = mpsc::unbounded_channel();
    let counted = Arc::<Counted>::default();
    assert!(counted.begin());
    let looks = Arc::new(Looks {
        told: Mutex::new(told),
        found: Mutex::default(),
    });
    let waker = looks.clone().into();
    let mut waits = pin!(end.wait_for(Option::is_some));
    assert!(waits.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let health = Health {
        resource: "web".to_owned(),
        told: tell,
    };
    supervise(Supervision {
        child,
        id,
        ordered,
        ended,
        counted,
        health,
        grace: Duration::ZERO,
    })
    .await;
    assert_eq!(*lock(&looks.found), Some(true));
}

#[test]
fn an_end_is_told_by_one_alone() {
    let counted = Counted::default();
    assert!(!counted.is_over(), "nobody counted on it, so whoever starts it tells");
    assert!(!counted.begin());
    assert!(!counted.is_on() && !counted.is_over());

    let counted = Counted::default();
    assert!(counted.begin() && counted.is_on());
    assert!(counted.is_over());

    let counted = Counted::default();
    assert!(counted.begin());
    counted.end();
    assert!(!counted.is_over(), "it was told to end");
}
