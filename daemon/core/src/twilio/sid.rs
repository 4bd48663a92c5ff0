//! Twilio's resource identifiers: two letters that name the kind, then 32 hexadecimal digits.
//!
//! Each kind has its own type, so a recording can never be looked up as a call. They are small and `Copy`:
//! a call's identity travels through queues and log lines without touching the heap.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Characters in every SID.
const LENGTH: usize = 34;

/// A text is not the identifier that was expected in its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {kind}: expected {prefix} and 32 hexadecimal digits")]
pub struct SidError {
    /// What was expected, for example `call SID`.
    pub kind: &'static str,
    /// The two letters that such an identifier begins with.
    pub prefix: &'static str,
}

/// Checks `text` against `^prefix[0-9a-fA-F]{32}$`.
fn parse(text: &str, prefix: &str) -> Option<[u8; LENGTH]> {
    let sid: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
    let digits = sid.strip_prefix(prefix.as_bytes())?;
    digits.iter().all(u8::is_ascii_hexdigit).then_some(sid)
}

macro_rules! sid {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; LENGTH]);

        impl $name {
            /// Reads the identifier; anything but its exact shape is refused.
            pub fn parse(text: &str) -> Result<Self, SidError> {
                parse(text, $prefix).map(Self).ok_or(SidError { kind: $kind, prefix: $prefix })
            }

            /// The identifier as Twilio writes it.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).expect("a SID is checked to be ASCII when it is made")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = SidError;

            fn from_str(text: &str) -> Result<Self, SidError> {
                Self::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

sid!(
    /// The Twilio account that a request belongs to.
    AccountSid, "account SID", "AC"
);
sid!(
    /// One leg of a call.
    CallSid, "call SID", "CA"
);
sid!(
    /// One media stream of a call; a call that is put back to us gets a new one.
    StreamSid, "stream SID", "MZ"
);
sid!(
    /// One recording, for us a voicemail message.
    RecordingSid, "recording SID", "RE"
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALL: &str = "CA0123456789abcdefABCDEF0123456789";

    #[test]
    fn a_call_sid_reads_and_prints_as_twilio_writes_it() {
        let sid = CallSid::parse(CALL).unwrap();
        assert_eq!(sid.to_string(), CALL);
        assert_eq!(serde_json::to_string(&sid).unwrap(), format!("\"{CALL}\""));
        assert_eq!(serde_json::from_str::<CallSid>(&format!("\"{CALL}\"")).unwrap(), sid);
    }

    #[test]
    fn another_kind_length_or_alphabet_is_refused() {
        for text in [
            "",
            "CA",
            "AC0123456789abcdefABCDEF0123456789",
            "CA0123456789abcdefABCDEF012345678",
            "CA0123456789abcdefABCDEF01234567890",
            "CA0123456789abcdefABCDEF012345678g",
            "ca0123456789abcdefABCDEF0123456789",
            "CA0123456789abcdefABCDEF0123456789\n",
            "CA0123456789abcdefABCDEF01234567é",
        ] {
            assert!(CallSid::parse(text).is_err(), "{text:?}");
        }
        let said = CallSid::parse("x").unwrap_err().to_string();
        assert_eq!(said, "no call SID: expected CA and 32 hexadecimal digits");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            if let Ok(sid) = StreamSid::parse(&text) {
                prop_assert_eq!(sid.as_str(), text);
            }
        }
    }
}
