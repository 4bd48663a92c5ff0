//! What a conversation is called in records, logs and requests, wherever it takes place.

use crate::twilio::sid::{CallSid, SidError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A conversation's name: Twilio's `CA…` for a call, ours `DK…` for one at the desk; 32 hexadecimal digits follow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConversationId {
    /// A phone call.
    Call(CallSid),
    /// A conversation at the desk.
    Desk(DeskId),
}

/// The name of a conversation at the desk: random, of no meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeskId([u8; 34]);

impl DeskId {
    const PREFIX: &str = "DK";

    /// The name made of these random bits.
    pub fn of(bits: u128) -> Self {
        let mut name = [0; 34];
        let text = format!("{}{bits:032x}", Self::PREFIX);
        name.copy_from_slice(text.as_bytes());
        Self(name)
    }

    fn parse(text: &str) -> Option<Self> {
        let name: [u8; 34] = text.as_bytes().try_into().ok()?;
        let digits = name.strip_prefix(Self::PREFIX.as_bytes())?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(name))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a name is checked to be ASCII when it is made")
    }
}

impl ConversationId {
    /// Reads a name; anything but the exact shape of one is refused.
    pub fn parse(text: &str) -> Result<Self, SidError> {
        if let Some(desk) = DeskId::parse(text) {
            return Ok(Self::Desk(desk));
        }
        CallSid::parse(text).map(Self::Call).map_err(|_| SidError { kind: "conversation", prefix: "CA or DK" })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Call(call) => call.as_str(),
            Self::Desk(desk) => desk.as_str(),
        }
    }

    /// The call, if it is one.
    pub fn call(&self) -> Option<CallSid> {
        match self {
            Self::Call(call) => Some(*call),
            Self::Desk(_) => None,
        }
    }
}

impl From<CallSid> for ConversationId {
    fn from(call: CallSid) -> Self {
        Self::Call(call)
    }
}

impl From<DeskId> for ConversationId {
    fn from(desk: DeskId) -> Self {
        Self::Desk(desk)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for DeskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ConversationId {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        Self::parse(text)
    }
}

impl Serialize for ConversationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ConversationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_kinds_read_and_print_alike() {
        let call = "CA0123456789abcdefABCDEF0123456789";
        assert_eq!(ConversationId::parse(call).unwrap().to_string(), call);
        assert!(ConversationId::parse(call).unwrap().call().is_some());
        let desk = ConversationId::from(DeskId::of(0xfeed));
        assert_eq!(desk.as_str(), "DK0000000000000000000000000000feed");
        assert_eq!(ConversationId::parse(desk.as_str()), Ok(desk));
        assert_eq!(desk.call(), None);
        let json = serde_json::to_string(&desk).unwrap();
        assert_eq!(serde_json::from_str::<ConversationId>(&json).unwrap(), desk);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "DK", "AC0123456789abcdefABCDEF0123456789", "DK0123456789abcdefABCDEF012345678g"] {
            let said = ConversationId::parse(text).unwrap_err().to_string();
            assert_eq!(said, "no conversation: expected CA or DK and 32 hexadecimal digits", "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_desk_name_is_read_back(bits in any::<u128>()) {
            let id = ConversationId::from(DeskId::of(bits));
            prop_assert_eq!(ConversationId::parse(id.as_str()), Ok(id));
        }
    }
}
