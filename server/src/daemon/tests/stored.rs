//! A daemon whose certificate the machine keeps.

use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;
use crate::listen::certificate_store::Stored;
use crate::listen::certificate_store::tests::{Shelf, stored};

fn issue(year: i32) -> (Stored, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    (stored([certificate.der().clone()], &key), certificate.pem())
}

/// Asks the daemon who the caller is, over TLS that trusts one certificate; gives when the daemon's expires.
async fn asked(daemon: &Daemon, trusted: &str) -> SystemTime {
    let options = ConnectOptions {
        tls: Some(TlsOptions {
            ca_pem: Some(trusted.as_bytes().to_vec()),
            server_name: Some("localhost".into()),
            ..TlsOptions::default()
        }),
        ..ConnectOptions::new([format!("https://{}", daemon.address())])
    };
    let client = Client::connect(options).await.unwrap();
    let known = client.who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    let expires = known.server_certificate_expire_time.unwrap();
    SystemTime::try_from(expires).unwrap()
}

/// The next event about certificates.
async fn told(events: &mut mpsc::UnboundedReceiver<Event>) -> Event {
    loop {
        match events.recv().await.unwrap() {
            told @ (Event::CertificatesReloaded | Event::CertificatesRefused { .. }) => return told,
            _other => {}
        }
    }
}

#[tokio::test]
async fn a_certificate_of_the_machine_is_served_and_looked_at_again() {
    let folder = TempDir::new().unwrap();
    let shelf = Arc::new(Shelf::default());
    let ((first, first_pem), (second, second_pem)) = (issue(3000), issue(3001));
    let mut settings = settings(folder.path());
    let mut tls = Tls::stored(shelf.put(first.clone()));
    tls.look_every = Duration::from_millis(10);
    settings.tls = Some(tls.clone());
    settings.access.loopback_role = Some("viewer".into());
    let (sender, mut events) = mpsc::unbounded_channel();
    let platform = Platform {
        events: Arc::new(SentEvents(sender)),
        certificate_store: shelf.clone(),
        ..Platform::system()
    };
    let world = cluster_api::simulation("default", None).unwrap();
    let daemon = Daemon::start(settings.clone(), Clusapi::from_provider(world), platform).await;
    let daemon = daemon.unwrap();
    assert_eq!(events.recv().await.unwrap().message().id, 100);
    let seconds = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(asked(&daemon, &first_pem).await, seconds(32_503_680_000));

    // One that is gone is told once, and the former goes on.
    shelf.take(tls.store_thumbprint.unwrap());
    let refused = told(&mut events).await;
    assert!(
        matches!(&refused, Event::CertificatesRefused { error } if error.contains("nothing of the kind in MY")),
        "{refused:?}"
    );
    asked(&daemon, &first_pem).await;
    shelf.put(first.clone());
    assert_eq!(told(&mut events).await, Event::CertificatesReloaded);

    // The same with other authorities beside it is taken without a word of settings.
    let mut longer = first.clone();
    longer.chain.push(second.chain[0].clone());
    shelf.put(longer.clone());
    assert_eq!(told(&mut events).await, Event::CertificatesReloaded);
    let served = daemon.certificates().unwrap().live().get();
    assert_eq!(served.chain(), longer.chain);

    // Another thumbprint is taken by a reload of the settings, and one that is not there is not.
    tls.store_thumbprint = Some([7; 20].into());
    settings.tls = Some(tls.clone());
    assert!(matches!(daemon.reload(&settings), Err(ReloadError::Tls(_))));
    tls.store_thumbprint = Some(shelf.put(second));
    settings.tls = Some(tls);
    assert_eq!(daemon.reload(&settings).unwrap().now, ["tls.store_thumbprint"]);
    assert_eq!(asked(&daemon, &second_pem).await, seconds(32_535_216_000));
    daemon.stop().await;
    loop {
        match events.recv().await.unwrap() {
            Event::Stopped => break,
            told @ (Event::CertificatesReloaded | Event::CertificatesRefused { .. }) => {
                panic!("nothing has changed, and {told:?} was told")
            }
            _other => {}
        }
    }
}
