use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use wsfc_proto::join_token::JoinSecret;

use super::*;
use crate::access::authority::IssuedCertificate;
use crate::access::tokens::{Grant, TokenRefusal};
use crate::platform::SeededEntropy;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn grant(name: &str, role: &str) -> Grant {
    Grant {
        name: name.into(),
        role: role.into(),
        clusters: None,
    }
}

/// A certificate by its number; the register does not look into it.
fn certificate(number: u8, expires: SystemTime) -> IssuedCertificate {
    IssuedCertificate {
        der: CertificateDer::from(vec![number]),
        serial: [number; 16],
        fingerprint: [number; 32],
        expires,
    }
}

struct Room {
    _folder: tempfile::TempDir,
    access: AccessFolder,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let access = AccessFolder::of(folder.path());
        Self {
            _folder: folder,
            access,
        }
    }

    fn open(&self) -> Result<Register, RegisterError> {
        Register::open(&self.access, || Uuid::from_u128(1))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.access.register()).unwrap()
    }

    fn put(&self, text: &str) {
        std::fs::write(self.access.register(), text).unwrap();
    }
}

fn token(register: &Register, grant: Grant) -> (String, JoinSecret) {
    register
        .alter(|entries| {
            entries.check_grant(&grant, start())?;
            let made = entries.tokens.create(grant, "x", HOUR, start(), &SeededEntropy::new(3));
            let (token, secret) = made.map_err(Refusal::from)?;
            Ok((token.id, secret))
        })
        .unwrap()
}

impl Register {
    fn alter<T>(&self, change: impl FnOnce(&mut Entries) -> Result<T, Fault>) -> Result<T, Fault> {
        self.change(change, |_| ())
    }
}

#[derive(Debug)]
enum Fault {
    Register(RegisterError),
    Refusal(Refusal),
}

impl From<RegisterError> for Fault {
    fn from(error: RegisterError) -> Self {
        Self::Register(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// A register in which anna has enrolled with a token and has the certificate 1.
fn enrolled(room: &Room) -> Register {
    let register = room.open().unwrap();
    let (id, secret) = token(&register, grant("anna", "operator"));
    let (given, _) = register
        .alter(|entries| entries.enrol(&id, &secret, start(), |_, _| Ok(certificate(1, start() + 30 * DAY))))
        .unwrap();
    assert_eq!(given, grant("anna", "operator"));
    register
}

fn renew(register: &Register, of: u8, to: u8, now: SystemTime) -> Result<String, Refusal> {
    let renewed = register.alter(|entries| {
        entries.renew(&[of; 32], now, |_, name| {
            assert_eq!(name, "anna");
            Ok(certificate(to, now + 30 * DAY))
        })
    });
    match renewed {
        Ok((name, _)) => Ok(name),
        Err(Fault::Refusal(refusal)) => Err(refusal),
        Err(Fault::Register(error)) => panic!("{error}"),
    }
}

#[test]
fn what_was_changed_is_there_after_a_restart() {
    let room = Room::new();
    let register = room.open().unwrap();
    assert!(!room.access.register().exists(), "nothing was changed yet");
    drop(register);
    let register = enrolled(&room);
    register
        .alter(|entries| Ok(entries.revoke_certificate([7; 32], "x", start())?))
        .unwrap();
    let before = register.entries();
    drop(register);
    let after = Register::open(&room.access, || panic!("it is there"))
        .unwrap()
        .entries();
    assert_eq!(after, before);
    assert!(after.is_revoked(&[7; 32]));
    assert_eq!(
        after.bindings[0].subject,
        format!("uri:wsfcd://{}/user/anna", Uuid::from_u128(1))
    );
}

#[test]
fn a_change_that_cannot_be_written_has_not_happened() {
    let room = Room::new();
    let register = enrolled(&room);
    let before = register.entries();
    std::fs::create_dir(room.access.path().join("register.json.new")).unwrap();
    let changed = register.alter(|entries| Ok(entries.revoke_certificate([7; 32], "x", start())?));
    assert!(matches!(changed, Err(Fault::Register(RegisterError::File { .. }))));
    assert_eq!(register.entries(), before);
    std::fs::remove_dir(room.access.path().join("register.json.new")).unwrap();
    assert_eq!(room.open().unwrap().entries(), before);
}

#[test]
fn a_change_that_is_refused_leaves_nothing() {
    let room = Room::new();
    let register = enrolled(&room);
    let before = register.entries();
    let changed: Result<(), _> = register.alter(|entries| {
        entries.revoke_certificate([7; 32], "x", start())?;
        Err(Refusal::NotOurs.into())
    });
    assert!(matches!(changed, Err(Fault::Refusal(Refusal::NotOurs))));
    assert_eq!(register.entries(), before);
}

#[test]
fn a_register_that_is_not_as_it_was_left_ends_the_start() {
    let room = Room::new();
    drop(enrolled(&room));
    let text = room.text();
    for edited in [
        text.replace("operator", "administrator"),
        text.replace("\"anna\"", "\"berta\""),
        text.replace("\"revoked\": []", "\"revoked\": [], \"more\": []"),
        text.replace("\"version\": 1,", "\"version\": 1, \"more\": 1,"),
        text.replace("\"bindings\"", "\"bindngs\""),
        String::new(),
        String::from("{}"),
        String::from("[]"),
    ] {
        assert_ne!(edited, text);
        room.put(&edited);
        let error = room.open().unwrap_err();
        assert!(matches!(error, RegisterError::Damaged { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains("register.json") && told.contains("wsfcd init"), "{told}");
    }
    room.put(&text.replace("\"version\": 1", "\"version\": 2"));
    assert!(matches!(room.open(), Err(RegisterError::Version { found: 2, .. })));
    room.put(&text);
    room.open().unwrap();
}

#[test]
fn an_authority_without_its_register_ends_the_start() {
    let room = Room::new();
    room.access.make().unwrap();
    std::fs::write(room.access.authority(), "").unwrap();
    assert!(matches!(room.open(), Err(RegisterError::Missing { .. })));
}

#[test]
fn a_token_gives_what_its_name_has_and_nothing_else() {
    let room = Room::new();
    let register = enrolled(&room);
    let check = |grant: &Grant| register.entries().check_grant(grant, start());
    assert_eq!(check(&grant("anna", "operator")), Ok(()));
    assert_eq!(check(&grant("berta", "viewer")), Ok(()));
    let error = check(&grant("anna", "viewer")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("anna is known already, with other rights: operator"),
        "{error}"
    );
    let on_one = Grant {
        clusters: Some(vec!["CL1".into()]),
        ..grant("anna", "operator")
    };
    assert!(check(&on_one).is_err());
    // Tokens that nobody has used yet count as well.
    token(&register, grant("carla", "viewer"));
    assert!(
        register
            .entries()
            .check_grant(&grant("carla", "administrator"), start())
            .is_err()
    );
    // A certificate without a role must not come to one by somebody else's token.
    register
        .alter(|entries| {
            let subject = entries.subject("anna");
            assert!(entries.unbind(&subject, "operator", None));
            Ok(())
        })
        .unwrap();
    assert!(check(&grant("anna", "operator")).is_err() && register.entries().bindings.is_empty());
    // Once all is revoked, the name is free.
    let count = register
        .alter(|entries| Ok(entries.revoke_identity("anna", "x", start())?))
        .unwrap();
    assert_eq!((count.certificates, count.bindings, count.tokens), (1, 0, 0));
    assert_eq!(
        register.entries().check_grant(&grant("anna", "viewer"), start()),
        Ok(())
    );
}

#[test]
fn a_token_that_failed_to_give_a_certificate_is_still_good() {
    let room = Room::new();
    let register = room.open().unwrap();
    let (id, secret) = token(&register, grant("anna", "operator"));
    let failed = register.alter(|entries| entries.enrol(&id, &secret, start(), |_, _| Err(Refusal::NotOurs.into())));
    assert!(failed.is_err());
    let enrol = |number| {
        register.alter(|entries| entries.enrol(&id, &secret, start(), |_, _| Ok(certificate(number, start() + DAY))))
    };
    enrol(1).unwrap();
    assert!(matches!(
        enrol(2),
        Err(Fault::Refusal(Refusal::Token(TokenRefusal::Used)))
    ));
    assert_eq!(register.entries().certificates.len(), 1);
}

#[test]
fn renewals_leave_two_good_certificates_at_most() {
    let room = Room::new();
    let register = enrolled(&room);
    let good = |register: &Register, now| -> Vec<u8> {
        let entries = register.entries();
        let good = entries
            .certificates
            .iter()
            .filter(|issued| entries.is_good(issued, now));
        good.map(|issued| issued.serial[0]).collect()
    };
    // The answer to the first renewal was lost, and it is asked for again.
    assert_eq!(renew(&register, 1, 2, start() + DAY).as_deref(), Ok("anna"));
    assert_eq!(renew(&register, 1, 3, start() + DAY).as_deref(), Ok("anna"));
    assert_eq!(good(&register, start() + DAY), [1, 3]);
    assert_eq!(renew(&register, 2, 4, start() + DAY), Err(Refusal::Revoked));
    // Whoever renews with the new one has no need of the old one any more.
    assert_eq!(renew(&register, 3, 4, start() + 2 * DAY).as_deref(), Ok("anna"));
    assert_eq!(good(&register, start() + 2 * DAY), [3, 4]);
    assert_eq!(renew(&register, 9, 5, start() + 2 * DAY), Err(Refusal::NotOurs));
    assert_eq!(renew(&register, 4, 5, start() + 40 * DAY), Err(Refusal::Expired));
}

#[test]
fn what_was_issued_in_place_of_a_revoked_certificate_goes_with_it() {
    let room = Room::new();
    let register = enrolled(&room);
    let revoke = |number: u8| {
        let revoked = register.alter(|entries| Ok(entries.revoke_certificate([number; 32], "x", start() + DAY)?));
        revoked.unwrap()
    };
    // A second machine of the same person has a certificate of its own.
    let (id, secret) = token(&register, grant("anna", "operator"));
    register
        .alter(|entries| entries.enrol(&id, &secret, start(), |_, _| Ok(certificate(9, start() + 30 * DAY))))
        .unwrap();
    // Somebody has got hold of the first one and had it renewed, and that again, by which the first is revoked.
    renew(&register, 1, 2, start()).unwrap();
    renew(&register, 2, 3, start()).unwrap();
    assert!(register.entries().is_revoked(&[1; 32]));
    assert_eq!(revoke(1), 2, "2 and 3");
    assert_eq!(renew(&register, 3, 4, start() + DAY), Err(Refusal::Revoked));
    assert!(!register.entries().is_revoked(&[9; 32]));
    assert_eq!(revoke(1), 0, "there is nothing left of it");
    assert_eq!(renew(&register, 9, 10, start()).as_deref(), Ok("anna"));
    assert_eq!(revoke(9), 2);
    assert_eq!(revoke(77), 1, "one of an authority of the organisation");
}

#[test]
fn a_token_that_gives_something_else_by_now_gives_nothing() {
    let room = Room::new();
    let register = enrolled(&room);
    let (id, secret) = token(&register, grant("anna", "operator"));
    let enrol = || {
        let enrolled =
            register.alter(|entries| entries.enrol(&id, &secret, start(), |_, _| Ok(certificate(2, start() + DAY))));
        enrolled.map(drop)
    };
    let bind = |role: &str| {
        register.alter(|entries| {
            let bound = Bound {
                subject: entries.subject("anna"),
                role: role.into(),
                clusters: None,
                granted_by: "x".into(),
                granted: start(),
            };
            Ok(entries.bind(bound)?)
        })
    };
    let unbind = |role: &str| register.alter(|entries| Ok(entries.unbind(&entries.subject("anna"), role, None)));
    // More was given to anna meanwhile, which the token does not say.
    assert!(bind("administrator").unwrap());
    assert!(matches!(enrol(), Err(Fault::Refusal(Refusal::Outgrown { name })) if name == "anna"));
    assert!(unbind("administrator").unwrap());
    // All was taken from her, which the token would give back.
    assert!(unbind("operator").unwrap());
    assert!(matches!(enrol(), Err(Fault::Refusal(Refusal::Outgrown { .. }))));
    // Nothing has used it up.
    assert!(bind("operator").unwrap());
    enrol().unwrap();
}

#[test]
fn renewals_are_bounded_in_time_and_what_is_over_is_forgotten() {
    let room = Room::new();
    let register = enrolled(&room);
    for number in 2..12 {
        renew(&register, number - 1, number, start()).unwrap();
    }
    assert_eq!(
        renew(&register, 11, 12, start() + Duration::from_secs(60)),
        Err(Refusal::RenewedTooOften {
            name: "anna".into(),
            wait: HOUR - Duration::from_secs(60),
        })
    );
    let later = start() + 29 * DAY;
    renew(&register, 11, 12, later).unwrap();
    let far = start() + 58 * DAY;
    renew(&register, 12, 13, far).unwrap();
    assert_eq!(register.entries().certificates.len(), 13);
    assert_eq!(register.entries().revoked.len(), 11);
    // Those of the first day have been over for thirty days.
    renew(&register, 13, 14, far + 5 * DAY).unwrap();
    let entries = register.entries();
    let left: Vec<_> = entries.certificates.iter().map(|issued| issued.serial[0]).collect();
    assert_eq!(left, [12, 13, 14]);
    assert_eq!(entries.revoked.len(), 1);
}

proptest! {
    /// Whatever a crash of the disk leaves of the file, it is the register or an error.
    #[test]
    fn a_part_of_a_register_is_never_taken_for_one(cut in 0.0..1.0_f64, flip in proptest::option::of(0.0..1.0_f64)) {
        let room = Room::new();
        let whole = enrolled(&room).entries();
        let mut bytes = room.text().into_bytes();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short file")]
        let place = |part: f64, of: usize| (part * of as f64) as usize;
        match flip {
            Some(at) => {
                let at = place(at, bytes.len());
                bytes[at] ^= 1;
            }
            None => bytes.truncate(place(cut, bytes.len())),
        }
        std::fs::write(room.access.register(), &bytes).unwrap();
        if let Ok(register) = room.open() {
            prop_assert_eq!(register.entries(), whole);
        }
    }
}
