//! Bearer tokens: any bytes are refused as a token and as an issuer's keys, and never panic the daemon; and what an issuer
//! signs is accepted only for whom and when it says.
#![no_main]

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use wsfcd::access::bearer::Bearer;
use wsfcd::settings::BearerIssuer;

const ISSUER: &str = "https://id.example";
/// 2025-06-15.
const NOW: Duration = Duration::from_secs(1_750_000_000);

static SIGNER: LazyLock<(Ed25519KeyPair, Bearer)> = LazyLock::new(|| {
    let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let bearer = Bearer::with_keys(&issuer(), keys.as_bytes(), SystemTime::UNIX_EPOCH + NOW).unwrap();
    (key, bearer)
});

fn issuer() -> BearerIssuer {
    BearerIssuer::new(ISSUER, "wsfcd")
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    let (key, bearer) = &*SIGNER;
    let now = SystemTime::UNIX_EPOCH + NOW;
    match kind % 3 {
        0 => {
            if let Ok(token) = std::str::from_utf8(bytes) {
                assert!(bearer.verify(token, now).is_err(), "nobody has signed it");
            }
        }
        1 => {
            let _ = Bearer::with_keys(&issuer(), bytes, now);
        }
        _ => {
            // The issuer signs whatever it is given: a header up to the first zero, and claims.
            let parts: Vec<_> = bytes.splitn(2, |byte| *byte == 0).map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            let signed = parts.join(".");
            let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()));
            if let Ok(verified) = bearer.verify(&format!("{signed}.{signature}"), now) {
                assert_eq!(verified.issuer, ISSUER);
                assert!(verified.expires > now && !verified.name.is_empty());
                assert!(verified.subjects().all(|subject| !subject.as_str().contains('\n')));
            }
        }
    }
});
