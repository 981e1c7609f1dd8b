//! Join tokens as the daemon keeps them: digests of secrets, and what each is good for. Pure: the time is given.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use wsfc_proto::join_token::{JoinSecret, SECRET_BYTES};

use super::hex;
use crate::listen::places::network;
use crate::platform::Entropy;

/// The longest life of a token. One that is longer on its way is better made when it is needed.
pub const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The shortest life of a token: less is over before it is typed.
pub const SHORTEST_LIFE: Duration = Duration::from_secs(60);
/// How long a token that was used or has expired is still listed.
const REMEMBERED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many tokens are kept at most.
const MOST: usize = 1_000;
/// How many bytes an id has; it is shown as hexadecimal digits.
const ID_BYTES: usize = 6;

/// How often somebody at one address may be wrong within [`TRIES_WITHIN`].
const TRIES: u32 = 5;
/// The time after which all tries are given back.
const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// How many addresses are told apart. Whoever has more shares the tries of one.
const ADDRESSES: usize = 4_096;

/// What a token gives to whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The name of the identity that the certificate is for.
    pub name: String,
    /// The role that the identity is bound to.
    pub role: String,
    /// The clusters that the role is for; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name.
    pub id: String,
    /// The SHA-256 of the secret. The secret itself is kept nowhere: of 128 random bits, this cannot be turned back.
    #[serde(with = "hex")]
    digest: [u8; 32],
    /// What it gives.
    pub grant: Grant,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    #[serde(with = "humantime_serde")]
    pub created: SystemTime,
    /// When it is no longer good.
    #[serde(with = "humantime_serde")]
    pub expires: SystemTime,
    /// When it was used.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub used: Option<SystemTime>,
}

impl Token {
    /// Whether it can still be used.
    pub fn is_alive(&self, now: SystemTime) -> bool {
        self.used.is_none() && now < self.expires
    }
}

/// Why a token gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// There is none with this id and secret, or there is none any more.
    #[error("there is no such token")]
    Unknown,
    /// It has been used.
    #[error("the token has been used; each works once")]
    Used,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// Why no token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenUnfit {
    /// A life that nobody needs.
    #[error(
        "a token lives between {} and {}",
        humantime::format_duration(SHORTEST_LIFE),
        humantime::format_duration(LONGEST_LIFE)
    )]
    Life,
    /// Too many.
    #[error("there are {MOST} tokens already; revoke those that nobody needs")]
    TooMany,
}

/// All tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Makes a token, and gives its id and its secret, which is kept nowhere.
    ///
    /// # Errors
    ///
    /// See [`TokenUnfit`].
    pub fn create(
        &mut self,
        grant: Grant,
        created_by: &str,
        life: Duration,
        now: SystemTime,
        entropy: &dyn Entropy,
    ) -> Result<(Token, JoinSecret), TokenUnfit> {
        if !(SHORTEST_LIFE..=LONGEST_LIFE).contains(&life) {
            return Err(TokenUnfit::Life);
        }
        self.forget(now);
        if self.0.len() >= MOST {
            return Err(TokenUnfit::TooMany);
        }
        let mut secret = [0; SECRET_BYTES];
        entropy.fill(&mut secret);
        let secret = JoinSecret::new(secret);
        let token = Token {
            id: self.free_id(entropy),
            digest: digest(&secret),
            grant,
            created_by: created_by.to_owned(),
            created: whole_seconds(now),
            expires: whole_seconds(now) + life,
            used: None,
        };
        self.0.push(token.clone());
        Ok((token, secret))
    }

    fn free_id(&self, entropy: &dyn Entropy) -> String {
        loop {
            let mut bytes = [0; ID_BYTES];
            entropy.fill(&mut bytes);
            let id = hex::text(&bytes);
            if self.0.iter().all(|token| token.id != id) {
                return id;
            }
        }
    }

    /// What a token is good for now. Whether it was used or has expired is told only to somebody who knows its secret.
    ///
    /// # Errors
    ///
    /// See [`TokenRefusal`].
    pub fn check(&self, id: &str, secret: &JoinSecret, now: SystemTime) -> Result<&Grant, TokenRefusal> {
        let token = self.0.iter().find(|token| token.id == id);
        let token = token.ok_or(TokenRefusal::Unknown)?;
        if !bool::from(token.digest.ct_eq(&digest(secret))) {
            Err(TokenRefusal::Unknown)
        } else if token.used.is_some() {
            Err(TokenRefusal::Used)
        } else if !token.is_alive(now) {
            Err(TokenRefusal::Expired)
        } else {
            Ok(&token.grant)
        }
    }

    /// Uses a token up, and gives what it is good for.
    ///
    /// # Errors
    ///
    /// As of [`check`](Self::check); nothing has changed then.
    pub fn redeem(&mut self, id: &str, secret: &JoinSecret, now: SystemTime) -> Result<Grant, TokenRefusal> {
        let grant = self.check(id, secret, now)?.clone();
        let used = self.0.iter_mut().filter(|token| token.id == id);
        used.for_each(|token| token.used = Some(whole_seconds(now)));
        Ok(grant)
    }

    /// Takes a token away; says whether there was one.
    pub fn revoke(&mut self, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|token| token.id != id);
        self.0.len() < before
    }

    /// Takes away every token for an identity that was not used, and says how many could still be. Those that have expired go,
    /// too: a clock that is set back would make them good again.
    pub fn revoke_of(&mut self, name: &str, now: SystemTime) -> usize {
        let of_name = |token: &Token| token.grant.name == name && token.used.is_none();
        let alive = self
            .0
            .iter()
            .filter(|token| of_name(token) && token.is_alive(now))
            .count();
        self.0.retain(|token| !of_name(token));
        alive
    }

    /// When the last of those that can be used can be used no more.
    pub fn last_end(&self, now: SystemTime) -> Option<SystemTime> {
        let alive = self.0.iter().filter(|token| token.is_alive(now));
        alive.map(|token| token.expires).max()
    }

    /// Forgets tokens that have been of no use for long.
    pub fn forget(&mut self, now: SystemTime) {
        self.0
            .retain(|token| token.used.unwrap_or(token.expires) + REMEMBERED > now);
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }
}

fn digest(secret: &JoinSecret) -> [u8; 32] {
    Sha256::digest(secret.expose()).into()
}

/// Times are kept and shown in whole seconds.
pub fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Counts wrong tokens by address, so that nobody can guess: five in a minute, then none until some time has gone by.
///
/// It is bounded: addresses of one IPv6 network count as one, and those that there is no room for share their tries.
#[derive(Debug, Default)]
pub struct Tries {
    by_address: HashMap<Option<IpAddr>, Spent>,
    others: Spent,
}

/// Wrong tries, and when they were counted first.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    since: Option<SystemTime>,
    count: u32,
}

impl Spent {
    fn is_over(self, now: SystemTime) -> bool {
        // A clock that was set back must not lock anybody out for longer.
        self.since
            .is_none_or(|since| now < since || since + TRIES_WITHIN <= now)
    }
}

impl Tries {
    /// Whether somebody at an address may try now.
    ///
    /// # Errors
    ///
    /// How long they have to wait.
    pub fn check(&self, address: Option<IpAddr>, now: SystemTime) -> Result<(), Duration> {
        let spent = match self.by_address.get(&address.map(network)) {
            Some(spent) => *spent,
            None if self.by_address.len() < ADDRESSES => return Ok(()),
            None => self.others,
        };
        match spent.since {
            Some(since) if spent.count >= TRIES && !spent.is_over(now) => {
                Err((since + TRIES_WITHIN).duration_since(now).unwrap_or_default())
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong try.
    pub fn count(&mut self, address: Option<IpAddr>, now: SystemTime) {
        let key = address.map(network);
        if self.by_address.len() >= ADDRESSES && !self.by_address.contains_key(&key) {
            self.by_address.retain(|_key, spent| !spent.is_over(now));
        }
        let has_room = self.by_address.len() < ADDRESSES || self.by_address.contains_key(&key);
        let spent = if has_room {
            self.by_address.entry(key).or_default()
        } else {
            &mut self.others
        };
        if spent.is_over(now) {
            *spent = Spent {
                since: Some(now),
                count: 0,
            };
        }
        spent.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::platform::SeededEntropy;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn grant(name: &str) -> Grant {
        Grant {
            name: name.into(),
            role: "operator".into(),
            clusters: Some(vec!["CL1".into()]),
        }
    }

    fn one() -> (Tokens, Token, JoinSecret) {
        let mut tokens = Tokens::default();
        let (token, secret) = tokens
            .create(grant("anna"), "local:root", HOUR, start(), &SeededEntropy::new(1))
            .unwrap();
        (tokens, token, secret)
    }

    #[test]
    fn a_token_works_once_and_in_its_time() {
        let (mut tokens, token, secret) = one();
        assert_eq!(tokens.last_end(start()), Some(start() + HOUR));
        let wrong = JoinSecret::new([0; SECRET_BYTES]);
        assert_eq!(tokens.redeem(&token.id, &wrong, start()), Err(TokenRefusal::Unknown));
        assert_eq!(
            tokens.redeem("000000000000", &secret, start()),
            Err(TokenRefusal::Unknown)
        );
        let just_before = start() + HOUR - Duration::from_secs(1);
        assert_eq!(
            tokens.clone().redeem(&token.id, &secret, start() + HOUR),
            Err(TokenRefusal::Expired)
        );
        assert_eq!(tokens.redeem(&token.id, &secret, just_before), Ok(grant("anna")));
        assert_eq!(tokens.redeem(&token.id, &secret, just_before), Err(TokenRefusal::Used));
        // To somebody who does not know the secret it is none at all, used or not.
        assert_eq!(
            tokens.redeem(&token.id, &wrong, just_before),
            Err(TokenRefusal::Unknown)
        );
        assert_eq!(tokens.last_end(just_before), None);
    }

    #[test]
    fn what_is_revoked_is_gone() {
        let (mut tokens, token, secret) = one();
        assert!(tokens.revoke(&token.id));
        assert!(!tokens.revoke(&token.id));
        assert_eq!(tokens.redeem(&token.id, &secret, start()), Err(TokenRefusal::Unknown));
        let (mut tokens, ..) = one();
        assert_eq!(
            (tokens.revoke_of("bert", start()), tokens.revoke_of("anna", start())),
            (0, 1)
        );
        // One that has expired does not come back with a clock that is set back.
        let (mut tokens, token, secret) = one();
        assert_eq!(tokens.revoke_of("anna", start() + 2 * HOUR), 0);
        assert_eq!(tokens.redeem(&token.id, &secret, start()), Err(TokenRefusal::Unknown));
    }

    #[test]
    fn the_secret_is_in_nothing_that_is_kept() {
        let (tokens, _, secret) = one();
        let kept = serde_json::to_string(&tokens).unwrap();
        assert!(!kept.contains(&hex::text(secret.expose())), "{kept}");
        assert_eq!(serde_json::from_str::<Tokens>(&kept).unwrap(), tokens);
    }

    #[test]
    fn lives_are_bounded_and_tokens_are_not_heaped_up() {
        let (mut tokens, ..) = one();
        let entropy = SeededEntropy::new(2);
        for life in [Duration::ZERO, SHORTEST_LIFE / 2, LONGEST_LIFE * 2] {
            let made = tokens.create(grant("bert"), "x", life, start(), &entropy);
            assert_eq!(made.map(|_| ()), Err(TokenUnfit::Life));
        }
        for _ in 1..MOST {
            tokens.create(grant("bert"), "x", HOUR, start(), &entropy).unwrap();
        }
        let made = tokens.create(grant("bert"), "x", HOUR, start(), &entropy);
        assert_eq!(made.map(|_| ()), Err(TokenUnfit::TooMany));
        // Old ones make room.
        let later = start() + HOUR + REMEMBERED;
        tokens.create(grant("bert"), "x", HOUR, later, &entropy).unwrap();
        assert_eq!(tokens.iter().count(), 1);
    }

    #[test]
    fn five_wrong_tries_a_minute_and_no_more() {
        let mut tries = Tries::default();
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        for second in 0..5 {
            let now = start() + Duration::from_secs(second);
            assert_eq!(tries.check(address, now), Ok(()));
            tries.count(address, now);
        }
        let now = start() + Duration::from_secs(20);
        assert_eq!(tries.check(address, now), Err(Duration::from_secs(40)));
        // It is the same host over IPv6, and others are not held up.
        let mapped = Some("::ffff:10.0.0.1".parse().unwrap());
        assert!(tries.check(mapped, now).is_err());
        assert_eq!(tries.check(Some(IpAddr::from([10, 0, 0, 2])), now), Ok(()));
        assert_eq!(tries.check(None, now), Ok(()));
        assert_eq!(tries.check(address, start() + TRIES_WITHIN), Ok(()));
        // A clock that was set back does not lock anybody out.
        assert_eq!(tries.check(address, start() - HOUR), Ok(()));
    }

    #[test]
    fn a_network_of_addresses_is_one_and_many_share() {
        let mut tries = Tries::default();
        let six = |host: u16| Some(IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, host)));
        for host in 0..5 {
            tries.count(six(host), start());
        }
        assert!(tries.check(six(99), start()).is_err());
        for index in 0..20_000_u32 {
            tries.count(Some(IpAddr::from((0x0a00_0000 + index).to_be_bytes())), start());
        }
        assert!(tries.by_address.len() <= ADDRESSES);
        assert!(tries.check(Some(IpAddr::from([192, 0, 2, 1])), start()).is_err());
        // After a minute there is room again.
        let later = start() + TRIES_WITHIN;
        assert_eq!(tries.check(Some(IpAddr::from([192, 0, 2, 1])), later), Ok(()));
        tries.count(Some(IpAddr::from([192, 0, 2, 1])), later);
        assert_eq!(tries.by_address.len(), 1);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Use { token: usize, right: bool },
        Revoke { token: usize },
        Wait { seconds: u64 },
        Reload,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..3_usize, proptest::bool::weighted(0.8)).prop_map(|(token, right)| Step::Use { token, right }),
            1 => (0..3_usize).prop_map(|token| Step::Revoke { token }),
            2 => (0..1_500_u64).prop_map(|seconds| Step::Wait { seconds }),
            1 => Just(Step::Reload),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// However uses, wrong uses, revocations, restarts and time follow one another, a token works at most once, never
        /// after its time, and never after it was taken away.
        #[test]
        fn at_most_one_use_wins(steps in steps()) {
            let entropy = SeededEntropy::new(7);
            let mut tokens = Tokens::default();
            let made: Vec<_> = (0..3)
                .map(|index| tokens.create(grant(&format!("n{index}")), "x", HOUR, start(), &entropy).unwrap())
                .collect();
            let mut now = start();
            let mut over = [false; 3];
            for step in steps {
                match step {
                    Step::Use { token, right } => {
                        let (kept, secret) = &made[token];
                        let secret = if right { secret.clone() } else { JoinSecret::new([9; SECRET_BYTES]) };
                        let expected = right && !over[token] && now < start() + HOUR;
                        let won = tokens.redeem(&kept.id, &secret, now).is_ok();
                        prop_assert_eq!(won, expected);
                        over[token] |= won;
                    }
                    Step::Revoke { token } => {
                        tokens.revoke(&made[token].0.id);
                        over[token] = true;
                    }
                    Step::Wait { seconds } => now += Duration::from_secs(seconds),
                    Step::Reload => {
                        let kept = serde_json::to_string(&tokens).unwrap();
                        tokens = serde_json::from_str(&kept).unwrap();
                    }
                }
            }
        }
    }
}
