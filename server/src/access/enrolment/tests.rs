use rcgen::{CertificateParams, KeyPair};
use uuid::Uuid;
use wsfc_proto::join_token::SECRET_BYTES;

use super::*;
use crate::access::identity::{Method, Subject};
use crate::access::policy::{ADMINISTRATOR, OPERATOR, VIEWER};
use crate::access::register::Bound;
use crate::settings::Settings;

const HOUR: Duration = Duration::from_secs(3_600);
const INSTALLATION: Uuid = Uuid::from_u128(1);

/// An authority with an empty register, under these settings.
fn room(settings: &Settings) -> Enrolment {
    let platform = Platform::system();
    let authority = Authority::make(INSTALLATION, platform.clock.now(), &*platform.entropy).unwrap();
    let kept = Kept {
        register: Register::passing(INSTALLATION),
        authority: Some(authority),
    };
    let access = Access::new(settings, platform.clock.clone());
    Enrolment::new(kept, access, platform)
}

/// Settings that bind a role, to an identity of the own authority unless the subject is whole.
fn settings(bindings: &[(&str, &str, Option<&[&str]>)]) -> Settings {
    let mut settings = Settings::default();
    let bindings = bindings.iter().map(|(subject, role, clusters)| Binding {
        subject: if subject.contains(':') {
            (*subject).to_owned()
        } else {
            format!("uri:wsfcd://{INSTALLATION}/user/{subject}")
        },
        role: (*role).to_owned(),
        clusters: clusters.map(|names| names.iter().map(ToString::to_string).collect()),
    });
    settings.access.bindings = bindings.collect();
    settings
}

fn caller(subject: &str, method: Method) -> Arc<Identity> {
    Arc::new(Identity {
        principal: subject.to_owned(),
        subjects: vec![Subject::new(subject).unwrap()],
        expires: None,
        method,
    })
}

/// Who administers the host.
fn root() -> Arc<Identity> {
    caller("local:root", Method::Account { administrator: true })
}

fn bound(subject: &str, clusters: Option<&[&str]>) -> Bound {
    Bound {
        subject: subject.to_owned(),
        role: ADMINISTRATOR.to_owned(),
        clusters: clusters.map(|names| names.iter().map(ToString::to_string).collect()),
        granted_by: "x".into(),
        granted: SystemTime::UNIX_EPOCH,
    }
}

async fn bind(enrolment: &Enrolment, who: &Arc<Identity>, bound: Bound) -> Result<bool, EnrolmentError> {
    let change = move |entries: &mut Entries, _now| Ok(entries.bind(bound)?);
    enrolment.change_for(Arc::clone(who), change).await
}

fn grant(name: &str, role: &str, clusters: Option<&[&str]>) -> Grant {
    Grant {
        name: name.into(),
        role: role.into(),
        clusters: clusters.map(|names| names.iter().map(ToString::to_string).collect()),
    }
}

fn signing_request() -> Vec<u8> {
    let params = CertificateParams::new(["wanted.example".to_owned()]).unwrap();
    params
        .serialize_request(&KeyPair::generate().unwrap())
        .unwrap()
        .der()
        .to_vec()
}

async fn redeem(enrolment: &Enrolment, token: &JoinToken) -> Result<(), EnrolmentError> {
    let (id, secret) = (token.id.clone(), token.secret.clone());
    enrolment.enrol(None, id, secret, &signing_request()).await.map(drop)
}

#[tokio::test]
async fn who_has_lost_the_right_meanwhile_changes_nothing() {
    let enrolment = room(&Settings::default());
    let holder = Method::Certificate {
        fingerprint: [7; 32],
        serial: vec![1],
    };
    let (anna, root) = (caller("uri:anna", holder), root());
    assert!(bind(&enrolment, &root, bound("uri:anna", None)).await.unwrap());
    assert!(bind(&enrolment, &anna, bound("uri:berta", None)).await.unwrap());
    let unbind = |entries: &mut Entries, _now| Ok(entries.unbind("uri:anna", ADMINISTRATOR, None));
    assert!(enrolment.change_for(Arc::clone(&root), unbind).await.unwrap());

    // Her call was let in before, and comes to its change now.
    let before = enrolment.entries();
    let again = bind(&enrolment, &anna, bound("uri:anna", None)).await;
    assert!(matches!(again, Err(EnrolmentError::NotAllowed)), "{again:?}");
    let token = grant("anna", ADMINISTRATOR, None);
    let made = enrolment.create_token(Arc::clone(&anna), token, HOUR).await;
    assert!(matches!(made, Err(EnrolmentError::NotAllowed)));
    // Who administers some clusters does not say who may call the daemon.
    bind(&enrolment, &root, bound("uri:anna", Some(&["CL1"])))
        .await
        .unwrap();
    let again = bind(&enrolment, &anna, bound("uri:anna", None)).await;
    assert!(matches!(again, Err(EnrolmentError::NotAllowed)), "{again:?}");
    // A certificate that was revoked is nobody's.
    bind(&enrolment, &root, bound("uri:anna", None)).await.unwrap();
    let revoke = |entries: &mut Entries, now| Ok(entries.revoke_certificate([7; 32], "x", now)?);
    assert_eq!(enrolment.change_for(Arc::clone(&root), revoke).await.unwrap(), 1);
    let again = bind(&enrolment, &anna, bound("uri:carla", None)).await;
    assert!(
        matches!(
            again,
            Err(EnrolmentError::Caller(identity::Refusal::CertificateRevoked))
        ),
        "{again:?}"
    );
    let subjects = |entries: &Entries| {
        let of_others = entries.bindings.iter().filter(|bound| bound.subject != "uri:anna");
        of_others.map(|bound| bound.subject.clone()).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&enrolment.entries()), subjects(&before));
    assert_eq!(enrolment.entries().tokens, before.tokens);
}

#[tokio::test]
async fn a_token_says_all_that_its_name_gets_by_the_settings_too() {
    let enrolment = room(&settings(&[
        ("anna", OPERATOR, None),
        ("team-*", VIEWER, Some(&["CL1"])),
    ]));
    let make = |grant| enrolment.create_token(root(), grant, HOUR);
    for (name, role, clusters) in [
        ("anna", VIEWER, None),
        ("anna", OPERATOR, Some(&["CL1"][..])),
        ("team-b", VIEWER, Some(&["CL2"])),
    ] {
        let refused = make(grant(name, role, clusters)).await.unwrap_err();
        assert!(
            matches!(&refused, EnrolmentError::Refused(Refusal::NameInUse { .. })),
            "{name} {role}: {refused:?}"
        );
        // Whoever administers it is told what is in the way.
        assert!(refused.to_string().contains("bound to uri:wsfcd://"), "{refused}");
    }
    // What says as much or more is honest.
    for (name, role, clusters) in [
        ("anna", OPERATOR, None),
        ("team-b", OPERATOR, Some(&["cl1", "CL2"][..])),
        ("berta", VIEWER, None),
    ] {
        let (token, _) = make(grant(name, role, clusters)).await.unwrap();
        redeem(&enrolment, &token).await.unwrap();
    }
    // Every certificate has a fingerprint.
    let enrolment = room(&settings(&[("cert:*", OPERATOR, None)]));
    let made = enrolment.create_token(root(), grant("anna", VIEWER, None), HOUR).await;
    assert!(matches!(made, Err(EnrolmentError::Refused(Refusal::NameInUse { .. }))));
}

#[tokio::test]
async fn a_token_that_gives_more_by_the_settings_of_its_use_gives_nothing() {
    let enrolment = room(&Settings::default());
    let made = enrolment.create_token(root(), grant("anna", VIEWER, None), HOUR).await;
    let (token, _) = made.unwrap();
    let access = &enrolment.0.access;
    access.set_settings(&settings(&[("a*", ADMINISTRATOR, None)]));
    let refused = redeem(&enrolment, &token).await.unwrap_err();
    assert!(
        matches!(&refused, EnrolmentError::Refused(Refusal::Outgrown { .. })),
        "{refused:?}"
    );
    assert!(
        !refused.to_string().contains(ADMINISTRATOR),
        "what others gave is not told: {refused}"
    );
    assert!(enrolment.entries().certificates.is_empty());
    // It was not used up.
    access.set_settings(&Settings::default());
    redeem(&enrolment, &token).await.unwrap();
}

#[tokio::test]
async fn a_right_token_does_not_wait_for_the_wrong_ones_of_others() {
    let enrolment = room(&Settings::default());
    let made = enrolment.create_token(root(), grant("anna", VIEWER, None), HOUR).await;
    let (token, _) = made.unwrap();
    let address = Some(IpAddr::from([10, 0, 0, 1]));
    let wrong = JoinSecret::new([0; SECRET_BYTES]);
    let guess = || enrolment.check_token(address, &token.id, &wrong);
    for _ in 0..5 {
        let refused = guess();
        assert!(
            matches!(
                refused,
                Err(EnrolmentError::Refused(Refusal::Token(TokenRefusal::Unknown)))
            ),
            "{refused:?}"
        );
    }
    assert!(matches!(guess(), Err(EnrolmentError::TooManyTries { .. })));
    enrolment.check_token(address, &token.id, &token.secret).unwrap();
    assert!(matches!(guess(), Err(EnrolmentError::TooManyTries { .. })));
    // Used, it is told so; that is no guess.
    redeem(&enrolment, &token).await.unwrap();
    let used = enrolment.check_token(address, &token.id, &token.secret);
    assert!(
        matches!(used, Err(EnrolmentError::Refused(Refusal::Token(TokenRefusal::Used)))),
        "{used:?}"
    );
}
