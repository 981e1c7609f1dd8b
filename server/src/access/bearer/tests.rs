//! Tokens of all kinds against keys of all kinds.

mod signer;

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use self::signer::{Signer, base64url};
use super::*;
use crate::access::bearer::keys::KeySet;

const ISSUER: &str = "https://id.example/realm";
/// When the tests are, in seconds since 1970.
const NOW: u64 = 1_750_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Verifies tokens of [`ISSUER`], which has these keys.
fn bearer_of(keys: &Value) -> Bearer {
    bearer_for(&BearerIssuer::new(ISSUER, "wsfcd"), keys)
}

fn bearer_for(settings: &BearerIssuer, keys: &Value) -> Bearer {
    let set = json!({ "keys": keys }).to_string();
    Bearer::with_keys(settings, set.as_bytes(), at(NOW)).unwrap()
}

fn with(mut jwk: Value, members: Value) -> Value {
    let (Some(jwk_members), Value::Object(members)) = (jwk.as_object_mut(), members) else {
        panic!("not objects");
    };
    jwk_members.extend(members);
    jwk
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "wsfcd", "sub": "ada", "groups": ["ops", "dev"], "exp": NOW + 300})
}

/// What comes of claims that the issuer has signed.
fn verify_claims(claims: &str) -> Result<Arc<Verified>, BearerRefusal> {
    static SIGNER: LazyLock<(Signer, Bearer)> = LazyLock::new(|| {
        let signer = Signer::ed25519();
        let bearer = bearer_of(&json!([signer.jwk()]));
        (signer, bearer)
    });
    let (signer, bearer) = &*SIGNER;
    bearer.verify(&signer.token_of(r#"{"alg":"EdDSA"}"#, claims), at(NOW))
}

fn verify_with(change: Value) -> Result<Arc<Verified>, BearerRefusal> {
    verify_claims(&with(claims(), change).to_string())
}

/// What comes of a header that the issuer has signed; it has one key, `k1`.
fn verify_header(header: &str) -> Result<(), BearerRefusal> {
    let signer = Signer::p256();
    let bearer = bearer_of(&json!([with(signer.jwk(), json!({"kid": "k1"}))]));
    let token = signer.token_of(header, &claims().to_string());
    bearer.verify(&token, at(NOW)).map(drop)
}

#[test]
fn each_algorithm_verifies_with_the_key_of_its_kind_alone() {
    let signers = [Signer::rsa(), Signer::p256(), Signer::p384(), Signer::ed25519()];
    let kinds: [&[&str]; 4] = [
        &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        &["ES256"],
        &["ES384"],
        &["EdDSA", "Ed25519"],
    ];
    for (signer, own) in signers.iter().zip(kinds) {
        let bearer = bearer_of(&json!([with(signer.jwk(), json!({"kid": "k1", "use": "sig"}))]));
        for algorithm in kinds.concat() {
            for kid in ["", r#","kid":"k1""#] {
                let header = format!(r#"{{"alg":"{algorithm}"{kid}}}"#);
                let verified = bearer.verify(&signer.token_of(&header, &claims().to_string()), at(NOW));
                if own.contains(&algorithm) {
                    assert_eq!(verified.unwrap().name, "ada", "{header}");
                } else {
                    verified.unwrap_err();
                }
            }
        }
    }
}

#[test]
fn a_token_says_who_calls_and_until_when() {
    let verified = verify_claims(&claims().to_string()).unwrap();
    let subjects: Vec<_> = verified.subjects().map(|subject| subject.to_string()).collect();
    assert_eq!(
        subjects,
        [
            "user:https://id.example/realm#ada",
            "group:https://id.example/realm#ops",
            "group:https://id.example/realm#dev"
        ]
    );
    assert_eq!(verified.expires, at(NOW + 330));
}

#[test]
fn claims_of_other_names_are_taken_when_they_are_set() {
    let signer = Signer::ed25519();
    let mut settings = BearerIssuer::new(ISSUER, "wsfcd");
    settings.name_claim = "email".into();
    settings.groups_claim = "https://id.example/roles".into();
    let bearer = bearer_for(&settings, &json!([signer.jwk()]));
    let claims = with(
        claims(),
        json!({"email": "ada@id.example", "https://id.example/roles": "admins"}),
    );
    let verified = bearer.verify(&signer.token_of(r#"{"alg":"EdDSA"}"#, &claims.to_string()), at(NOW));
    let verified = verified.unwrap();
    assert_eq!(
        (verified.name.as_str(), verified.groups.as_slice()),
        ("ada@id.example", &["admins".to_owned()][..])
    );
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let signer = Signer::rsa();
    let bearer = bearer_of(&json!([signer.jwk()]));
    for algorithm in ["none", "None", "NONE", "", "rs256", "RS256 "] {
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        let signed = format!("{}.{}", base64url(header), base64url(claims().to_string()));
        for signature in ["", "AA"] {
            let refused = bearer.verify(&format!("{signed}.{signature}"), at(NOW));
            assert_eq!(refused.unwrap_err(), BearerRefusal::Algorithm, "{algorithm}");
        }
    }
    // Emptied, with an algorithm that is accepted.
    let signed = format!(
        "{}.{}",
        base64url(r#"{"alg":"RS256"}"#),
        base64url(claims().to_string())
    );
    assert_eq!(
        bearer.verify(&format!("{signed}."), at(NOW)).unwrap_err(),
        BearerRefusal::Signature
    );
}

#[test]
fn a_public_key_is_no_secret() {
    let signer = Signer::rsa();
    let jwk = signer.jwk();
    let bearer = bearer_of(&json!([with(jwk.clone(), json!({"kid": "k1"}))]));
    // Whatever form of the public key somebody may take for the secret.
    let n = jwk["n"].as_str().unwrap();
    for secret in [n.as_bytes().to_vec(), jwk.to_string().into_bytes(), vec![]] {
        for (name, algorithm) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
        ] {
            let header = format!(r#"{{"alg":"{name}","kid":"k1"}}"#);
            let signed = format!("{}.{}", base64url(header), base64url(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), signed.as_bytes());
            let token = format!("{signed}.{}", base64url(tag));
            assert_eq!(bearer.verify(&token, at(NOW)).unwrap_err(), BearerRefusal::Algorithm);
        }
    }
    // A secret among the keys is none that is used.
    let refused = KeySet::parse(
        json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]})
            .to_string()
            .as_bytes(),
    );
    assert!(matches!(refused, Err(KeySetError::NoneUsable { .. })));
}

#[test]
fn a_key_in_the_token_is_of_no_consequence() {
    let (signer, stranger) = (Signer::p256(), Signer::p256());
    let bearer = bearer_of(&json!([signer.jwk()]));
    let header = json!({"alg": "ES256", "jwk": stranger.jwk(), "jku": "https://stranger.example", "x5c": ["AA"]});
    let token = |by: &Signer| by.token_of(&header.to_string(), &claims().to_string());
    assert_eq!(
        bearer.verify(&token(&stranger), at(NOW)).unwrap_err(),
        BearerRefusal::Signature
    );
    assert!(bearer.verify(&token(&signer), at(NOW)).is_ok());
}

#[test]
fn the_token_is_for_this_daemon() {
    for meant in [json!("wsfcd"), json!(["other", "wsfcd"])] {
        assert!(verify_with(json!({ "aud": meant })).is_ok(), "{meant}");
    }
    for other in [
        json!("wsfcd2"),
        json!("WSFCD"),
        json!(["other"]),
        json!([]),
        json!(["wsfcd", 1]),
        json!({"wsfcd": "wsfcd"}),
        json!(null),
        json!("other wsfcd"),
    ] {
        let refused = verify_with(json!({ "aud": other })).unwrap_err();
        assert_eq!(refused, BearerRefusal::Audience, "{other}");
    }
    let without = r#"{"iss":"https://id.example/realm","sub":"ada","exp":1750000300}"#;
    assert_eq!(verify_claims(without).unwrap_err(), BearerRefusal::Audience);
}

#[test]
fn the_token_is_of_the_issuer_as_it_is_set() {
    for other in [
        "https://id.example/realm/",
        "https://ID.example/realm",
        "https://id.example",
        "",
    ] {
        assert_eq!(
            verify_with(json!({ "iss": other })).unwrap_err(),
            BearerRefusal::UnknownIssuer
        );
    }
    assert_eq!(
        verify_with(json!({"iss": [ISSUER]})).unwrap_err(),
        BearerRefusal::Claim { name: "iss" }
    );
}

#[test]
fn times_are_regarded_with_leeway() {
    for (times, is_valid) in [
        (json!({"exp": NOW + 1}), true),
        (json!({"exp": NOW - 29}), true),
        (json!({"exp": NOW - 30}), false),
        (json!({"exp": NOW as f64 + 0.5}), true),
        (json!({"nbf": NOW - 10}), true),
        (json!({"nbf": NOW + 30}), true),
    ] {
        assert_eq!(verify_with(times.clone()).is_ok(), is_valid, "{times}");
    }
    assert_eq!(verify_with(json!({"exp": 0})).unwrap_err(), BearerRefusal::Expired);
    assert_eq!(
        verify_with(json!({"nbf": NOW + 31})).unwrap_err(),
        BearerRefusal::NotYetValid
    );
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(true)),
        ("nbf", json!("0")),
        ("nbf", json!(null)),
        ("nbf", json!([])),
    ] {
        let refused = verify_with(json!({ name: value })).unwrap_err();
        assert_eq!(refused, BearerRefusal::Claim { name }, "{value}");
    }
    let without = r#"{"iss":"https://id.example/realm","aud":"wsfcd","sub":"ada"}"#;
    assert_eq!(
        verify_claims(without).unwrap_err(),
        BearerRefusal::Claim { name: "exp" }
    );
}

#[test]
fn callers_and_groups_have_names() {
    for name in [
        json!(""),
        json!(1),
        json!(null),
        json!("a\nb"),
        json!("x".repeat(257)),
        json!(["ada"]),
    ] {
        let refused = verify_with(json!({ "sub": name })).unwrap_err();
        assert_eq!(refused, BearerRefusal::Claim { name: "name_claim" }, "{name}");
    }
    for (groups, read) in [
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!("ops"), vec!["ops"]),
        (json!(["a", "b c"]), vec!["a", "b c"]),
    ] {
        assert_eq!(verify_with(json!({ "groups": groups })).unwrap().groups, read);
    }
    for groups in [json!([1]), json!([""]), json!(["a\u{0}"]), json!({"a": 1}), json!(true)] {
        let refused = verify_with(json!({ "groups": groups })).unwrap_err();
        assert_eq!(refused, BearerRefusal::Claim { name: "groups_claim" }, "{groups}");
    }
}

#[test]
fn headers_are_read_strictly() {
    for header in [
        r#"{"alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#,
        r#"{"typ":"application/at+jwt","alg":"ES256","x5t":"AA"}"#,
    ] {
        assert_eq!(verify_header(header), Ok(()), "{header}");
    }
    for (header, refusal) in [
        (r#"{"alg":"ES256","alg":"ES256"}"#, BearerRefusal::Malformed),
        (r#"{"alg":"none","alg":"ES256"}"#, BearerRefusal::Malformed),
        (r#"{"alg":"ES256","kid":1}"#, BearerRefusal::Malformed),
        (r#"["ES256"]"#, BearerRefusal::Malformed),
        (
            r#"{"alg":"ES256","crit":["b64"],"b64":false}"#,
            BearerRefusal::Extension,
        ),
        (r#"{"alg":"ES256","crit":[]}"#, BearerRefusal::Extension),
        (r#"{"alg":["ES256"]}"#, BearerRefusal::Algorithm),
        (r#"{"kid":"k1"}"#, BearerRefusal::Algorithm),
        (r#"{"alg":"ES512","kid":"k1"}"#, BearerRefusal::Algorithm),
        (r#"{"alg":"ES384","kid":"k1"}"#, BearerRefusal::Algorithm),
        (r#"{"alg":"ES256","typ":"logout+jwt"}"#, BearerRefusal::Type),
        (r#"{"alg":"ES256","typ":7}"#, BearerRefusal::Type),
        (r#"{"alg":"ES256","kid":"K1"}"#, BearerRefusal::UnknownKey),
        (r#"{"alg":"ES256","kid":""}"#, BearerRefusal::UnknownKey),
        (r#"{"alg":"ES384"}"#, BearerRefusal::UnknownKey),
    ] {
        assert_eq!(verify_header(header), Err(refusal), "{header}");
    }
}

#[test]
fn claims_that_stand_twice_are_refused() {
    let twice = r#"{"iss":"https://id.example/realm","aud":"wsfcd","sub":"ada","sub":"root","exp":1750000300}"#;
    assert_eq!(verify_claims(twice).unwrap_err(), BearerRefusal::Malformed);
}

#[test]
fn garbage_and_what_is_too_long_are_refused_at_once() {
    let bearer = bearer_of(&json!([Signer::ed25519().jwk()]));
    for (token, refusal) in [
        (String::new(), BearerRefusal::Malformed),
        ("..".into(), BearerRefusal::Malformed),
        ("a.b.c".into(), BearerRefusal::Malformed),
        ("....".into(), BearerRefusal::Malformed),
        ("\u{0}\u{fffd}".into(), BearerRefusal::Malformed),
        ("x".repeat(LONGEST), BearerRefusal::Malformed),
        ("x".repeat(LONGEST + 1), BearerRefusal::TooLong),
        ("x".repeat(1 << 20), BearerRefusal::TooLong),
    ] {
        assert_eq!(bearer.verify(&token, at(NOW)).unwrap_err(), refusal, "{token:.8}");
    }
}

#[test]
fn one_of_several_keys_is_named() {
    let (one, two, stranger) = (Signer::rsa(), Signer::other_rsa(), Signer::ed25519());
    let keys = json!([
        with(one.jwk(), json!({"kid": "one", "alg": "RS256"})),
        with(two.jwk(), json!({"kid": "two"})),
        with(stranger.jwk(), json!({"kid": "three", "use": "enc"})),
    ]);
    let bearer = bearer_of(&keys);
    let verify = |signer: &Signer, header: &str| {
        let token = signer.token_of(header, &claims().to_string());
        bearer.verify(&token, at(NOW)).map(drop)
    };
    assert_eq!(verify(&one, r#"{"alg":"RS256","kid":"one"}"#), Ok(()));
    assert_eq!(verify(&two, r#"{"alg":"RS256","kid":"two"}"#), Ok(()));
    assert_eq!(verify(&two, r#"{"alg":"PS512","kid":"two"}"#), Ok(()));
    // The only one for it.
    assert_eq!(verify(&two, r#"{"alg":"PS512"}"#), Ok(()));
    for (signer, header, refusal) in [
        (&one, r#"{"alg":"RS256","kid":"two"}"#, BearerRefusal::Signature),
        (&one, r#"{"alg":"PS256","kid":"one"}"#, BearerRefusal::Algorithm),
        (&one, r#"{"alg":"RS256"}"#, BearerRefusal::UnknownKey),
        (&stranger, r#"{"alg":"EdDSA","kid":"three"}"#, BearerRefusal::UnknownKey),
    ] {
        assert_eq!(verify(signer, header), Err(refusal), "{header}");
    }
}

#[test]
fn keys_that_are_not_safe_are_not_used() {
    let rsa = Signer::rsa().jwk();
    let p256 = Signer::p256().jwk();
    let short = base64url([vec![0xc1; 127], vec![1]].concat());
    let nearly = base64url([vec![0x7f], vec![0xff; 255]].concat());
    let huge = base64url(vec![0xff; 1025]);
    for (jwk, problem) in [
        (with(rsa.clone(), json!({"n": short})), "2048"),
        (with(rsa.clone(), json!({"n": nearly})), "2048"),
        (with(rsa.clone(), json!({"n": huge})), "2048"),
        (with(rsa.clone(), json!({"n": ""})), "2048"),
        (with(rsa.clone(), json!({"e": "AQ"})), "exponent"),
        (with(rsa.clone(), json!({"e": "AQAA"})), "exponent"),
        (with(rsa.clone(), json!({"e": base64url([0xff; 9])})), "exponent"),
        (with(rsa.clone(), json!({"e": "AQAB=="})), "base64url"),
        (with(rsa.clone(), json!({"d": "AQAB"})), "secret"),
        (with(rsa.clone(), json!({"use": "enc"})), "signatures"),
        (with(rsa.clone(), json!({"use": null})), "signatures"),
        (with(rsa.clone(), json!({"key_ops": ["sign"]})), "verifying"),
        (with(rsa.clone(), json!({"alg": "RSA-OAEP"})), "another algorithm"),
        (with(rsa.clone(), json!({"alg": "ES256"})), "cannot be used with"),
        (with(rsa, json!({"kid": 1})), "`kid`"),
        (with(p256.clone(), json!({"crv": "P-521"})), "not accepted"),
        (with(p256.clone(), json!({"crv": "P-384"})), "length"),
        (with(p256, json!({"x": "AA"})), "length"),
        (json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}), "length"),
        (
            json!({"kty": "OKP", "crv": "X25519", "x": base64url([1; 32])}),
            "not accepted",
        ),
        (json!(7), "no object"),
    ] {
        let set = json!({ "keys": [jwk] }).to_string();
        match KeySet::parse(set.as_bytes()).unwrap_err() {
            KeySetError::NoneUsable { problems } => assert!(problems[0].contains(problem), "{jwk}: {problems:?}"),
            other => panic!("{jwk}: {other}"),
        }
    }
    // A point that is not on the curve is found out when it is used.
    let nowhere = json!({"kty": "EC", "crv": "P-256", "x": base64url([1; 32]), "y": base64url([1; 32])});
    let token = Signer::p256().token_of(r#"{"alg":"ES256"}"#, &claims().to_string());
    let refused = bearer_of(&json!([nowhere])).verify(&token, at(NOW));
    assert_eq!(refused.unwrap_err(), BearerRefusal::Signature);
}

#[test]
fn sets_of_keys_are_bounded_and_strict() {
    let key = Signer::ed25519().jwk();
    let many = json!({ "keys": vec![key.clone(); 65] }).to_string();
    assert!(matches!(
        KeySet::parse(many.as_bytes()),
        Err(KeySetError::TooMany { count: 65 })
    ));
    let most = json!({ "keys": vec![key; 64] }).to_string();
    assert!(KeySet::parse(most.as_bytes()).is_ok());
    assert!(matches!(KeySet::parse(b"{}"), Err(KeySetError::NoKeys)));
    assert!(matches!(
        KeySet::parse(br#"{"keys":[],"keys":[]}"#),
        Err(KeySetError::Json(_))
    ));
    assert!(matches!(
        KeySet::parse(br#"{"keys":[]}"#),
        Err(KeySetError::NoneUsable { .. })
    ));
    // Zeros that do not belong in front of a number.
    let signer = Signer::rsa();
    let n = signer.jwk()["n"].as_str().unwrap().to_owned();
    let padded = format!("AAAA{n}");
    let token = signer.token_of(r#"{"alg":"RS256"}"#, &claims().to_string());
    let bearer = bearer_of(&json!([with(signer.jwk(), json!({ "n": padded }))]));
    assert!(bearer.verify(&token, at(NOW)).is_ok());
}

#[test]
fn a_token_of_another_issuer_is_verified_with_that_issuers_keys() {
    let (one, two) = (Signer::p256(), Signer::p256());
    let issuer = |name: &str, signer: &Signer| {
        let issuer = Issuer::with_source(&BearerIssuer::new(name, "wsfcd"), Box::new(Nowhere));
        let set = json!({ "keys": [with(signer.jwk(), json!({"kid": "same"}))] }).to_string();
        issuer.take(set.as_bytes(), at(NOW)).unwrap();
        issuer
    };
    let bearer = Bearer::of_issuers(vec![issuer(ISSUER, &one), issuer("https://two.example", &two)]);
    let verify = |signer: &Signer, issuer: &str| {
        let claims = with(claims(), json!({ "iss": issuer })).to_string();
        let token = signer.token_of(r#"{"alg":"ES256","kid":"same"}"#, &claims);
        bearer.verify(&token, at(NOW)).map(|verified| verified.issuer.clone())
    };
    assert_eq!(verify(&one, ISSUER).unwrap(), ISSUER);
    assert_eq!(verify(&two, "https://two.example").unwrap(), "https://two.example");
    assert_eq!(verify(&two, ISSUER), Err(BearerRefusal::Signature));
    assert_eq!(verify(&one, "https://two.example"), Err(BearerRefusal::Signature));
}

#[test]
fn a_known_token_is_refused_when_its_time_or_its_key_is_over() {
    let (old, new) = (Signer::ed25519(), Signer::ed25519());
    let issuer = Issuer::with_source(&BearerIssuer::new(ISSUER, "wsfcd"), Box::new(Nowhere));
    let set = |signer: &Signer| json!({ "keys": [signer.jwk()] }).to_string().into_bytes();
    issuer.take(&set(&old), at(NOW)).unwrap();
    let bearer = Bearer::of_issuers(vec![issuer]);
    let issuer = &bearer.0.issuers[0];
    let lasting = with(claims(), json!({"nbf": NOW, "exp": NOW + 1_000_000})).to_string();
    let token = old.token_of(r#"{"alg":"EdDSA"}"#, &lasting);
    let verify = |time: u64| bearer.verify(&token, at(time)).map(drop);
    assert_eq!(verify(NOW), Ok(()));
    assert_eq!(verify(NOW), Ok(()));
    // The clock was set back.
    assert_eq!(verify(NOW - 31), Err(BearerRefusal::NotYetValid));
    // The issuer has not been heard of for a day, and then it is.
    assert_eq!(verify(NOW + 86_400), Ok(()));
    assert_eq!(verify(NOW + 86_401), Err(BearerRefusal::KeysUnavailable));
    issuer.take(&set(&old), at(NOW + 86_401)).unwrap();
    assert_eq!(verify(NOW + 86_401), Ok(()));
    issuer.take(&set(&new), at(NOW + 86_402)).unwrap();
    assert_eq!(verify(NOW + 86_402), Err(BearerRefusal::Signature));
    issuer.take(&set(&old), at(NOW + 1_000_000)).unwrap();
    assert_eq!(verify(NOW + 1_000_029), Ok(()));
    assert_eq!(verify(NOW + 1_000_030), Err(BearerRefusal::Expired));
}

#[test]
fn a_token_counts_where_nobody_else_can_read_it() {
    let signer = Signer::ed25519();
    let bearer = bearer_of(&json!([signer.jwk()]));
    let token = signer.token_of(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    let call = |bearer: Option<&Bearer>, medium, values: &[&str]| {
        let headers = values.iter().map(|value| (AUTHORIZATION, value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        Bearer::of_call(bearer, medium, &headers, at(NOW)).map(|verified| verified.is_some())
    };
    let good = format!("Bearer {token}");
    assert_eq!(call(Some(&bearer), Medium::Tls, &[]), Ok(false));
    assert_eq!(call(Some(&bearer), Medium::Tls, &[&good]), Ok(true));
    assert_eq!(
        call(Some(&bearer), Medium::Local, &[&format!("bearer {token}")]),
        Ok(true)
    );
    assert_eq!(
        call(Some(&bearer), Medium::Plain, &[&good]),
        Err(BearerRefusal::Exposed)
    );
    assert_eq!(call(None, Medium::Tls, &[&good]), Err(BearerRefusal::NotTaken));
    for others in [&["Basic YTpi"][..], &["Bearer"], &[&token], &[&good, &good], &[""]] {
        let refused = call(Some(&bearer), Medium::Tls, others);
        assert_eq!(refused, Err(BearerRefusal::NotBearer), "{others:?}");
    }
    assert_eq!(
        call(Some(&bearer), Medium::Tls, &[&format!("Bearer  {token}")]),
        Err(BearerRefusal::Malformed)
    );
}

#[test]
fn nothing_of_a_token_is_in_what_is_said_of_it() {
    let bearer = bearer_of(&json!([Signer::ed25519().jwk()]));
    let token = Signer::ed25519().token_of(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    let refusal = bearer.verify(&token, at(NOW)).unwrap_err();
    for text in [refusal.to_string(), format!("{refusal:?}"), format!("{bearer:?}")] {
        assert!(!text.contains("ada") && !text.contains("eyJ"), "{text}");
    }
}

/// A token that verifies, of each kind of key, and who verifies it.
static VALID: LazyLock<Vec<(String, Bearer)>> = LazyLock::new(|| {
    let of = |signer: Signer, algorithm: &str| {
        let bearer = bearer_of(&json!([with(signer.jwk(), json!({"kid": "k1"}))]));
        let header = format!(r#"{{"alg":"{algorithm}","kid":"k1","typ":"JWT"}}"#);
        (signer.token_of(&header, &claims().to_string()), bearer)
    };
    vec![
        of(Signer::rsa(), "RS256"),
        of(Signer::rsa(), "PS256"),
        of(Signer::p256(), "ES256"),
        of(Signer::p384(), "ES384"),
        of(Signer::ed25519(), "EdDSA"),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_token_that_was_changed_is_refused(
        kind in 0..5_usize,
        place in any::<prop::sample::Index>(),
        length in 0..4_usize,
        put in "[A-Za-z0-9_.=+/ -]{0,4}",
    ) {
        let (token, bearer) = &VALID[kind];
        prop_assert!(bearer.verify(token, at(NOW)).is_ok());
        let from = place.index(token.len() + 1);
        let to = (from + length).min(token.len());
        let changed = format!("{}{put}{}", &token[..from], &token[to..]);
        prop_assume!(changed != *token);
        prop_assert!(bearer.verify(&changed, at(NOW)).is_err(), "{changed}");
    }

    #[test]
    fn no_bytes_bring_the_reader_down(token in "\\PC{0,200}", set in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(VALID[0].1.verify(&token, at(NOW)).is_err());
        prop_assert!(KeySet::parse(&set).is_err());
    }
}
