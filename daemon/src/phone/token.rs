//! Media tokens: the single-use path segment that binds a stream to the call whose signed webhook minted it.
//!
//! A stream's signature has no nonce, so whoever saw it once could connect again; the token is what makes it new.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use frontdesk_core::twilio::sid::CallSid;
use ring::rand::{SecureRandom as _, SystemRandom};

/// How long Twilio has to connect the stream.
pub const LIFETIME: Duration = Duration::from_secs(30);
/// Tokens of one call at a time: beyond that a webhook is not being retried but replayed, and the oldest falls.
const MOST_OF_A_CALL: usize = 8;
/// Tokens at a time; Twilio retries a webhook a few times at most.
const MOST: usize = 10_000;

/// Tokens that have been minted and not used.
#[derive(Default)]
pub struct Tokens {
    minted: HashMap<String, (CallSid, Instant)>,
}

impl Tokens {
    /// A new token for `call`: 128 random bits in hexadecimal. `None` when the system has no randomness, or when far
    /// more tokens are under way than there can be calls.
    pub fn mint(&mut self, now: Instant, call: CallSid) -> Option<String> {
        self.minted.retain(|_, (_, until)| now < *until);
        self.make_room(call);
        if self.minted.len() >= MOST {
            return None;
        }
        let mut bits = [0; 16];
        SystemRandom::new().fill(&mut bits).ok()?;
        let token = format!("{:032x}", u128::from_be_bytes(bits));
        self.minted.insert(token.clone(), (call, now + LIFETIME));
        Some(token)
    }

    fn make_room(&mut self, call: CallSid) {
        let of_call = || self.minted.iter().filter(|(_, (minted_for, _))| *minted_for == call);
        if of_call().count() < MOST_OF_A_CALL {
            return;
        }
        let oldest = of_call().min_by_key(|(_, (_, until))| *until).map(|(token, _)| token.clone());
        if let Some(oldest) = oldest {
            self.minted.remove(&oldest);
        }
    }

    /// Uses `token` up. `None` if it is unknown, used or expired.
    pub fn redeem(&mut self, now: Instant, token: &str) -> Option<CallSid> {
        let (call, until) = self.minted.remove(token)?;
        (now < until).then_some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> CallSid {
        CallSid::parse("CA00000000000000000000000000000001").unwrap()
    }

    #[test]
    fn a_token_opens_one_stream_of_one_call_in_time() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        let token = tokens.mint(now, call()).unwrap();
        assert_eq!(token.len(), 32);
        assert_eq!(tokens.redeem(now, "0".repeat(32).as_str()), None);
        assert_eq!(tokens.redeem(now, &token), Some(call()));
        assert_eq!(tokens.redeem(now, &token), None, "used");
        let late = tokens.mint(now, call()).unwrap();
        assert_eq!(tokens.redeem(now + LIFETIME, &late), None, "expired");
    }

    #[test]
    fn expired_tokens_are_swept_and_a_flood_is_refused() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        for number in 0..MOST {
            assert!(tokens.mint(now, CallSid::parse(&format!("CA{number:032x}")).unwrap()).is_some());
        }
        assert_eq!(tokens.mint(now, call()), None);
        assert!(tokens.mint(now + LIFETIME, call()).is_some());
        assert_eq!(tokens.minted.len(), 1);
    }

    #[test]
    fn a_replayed_webhook_takes_no_tokens_from_other_calls() {
        let (mut tokens, now) = (Tokens::default(), Instant::now());
        let first = tokens.mint(now, call()).unwrap();
        for later in 1..100 {
            assert!(tokens.mint(now + Duration::from_millis(later), call()).is_some());
        }
        assert_eq!(tokens.minted.len(), MOST_OF_A_CALL);
        assert_eq!(tokens.redeem(now, &first), None, "the oldest fell");
    }
}
