//! Ids of what a clinic has: chosen by the clinic, used by the model, the database and the files.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest id, in bytes.
const LONGEST: usize = 40;

/// A text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 40 lower-case letters, digits, - and _, and begins with a letter")]
pub struct IdError;

fn check(text: &str) -> Result<Arc<str>, IdError> {
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    let starts = text.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if starts && text.len() <= LONGEST && text.bytes().all(good) { Ok(text.into()) } else { Err(IdError) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Clones share the text: thousands are made for one caller's question.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an id: 1 to 40 lower-case letters, digits, `-` and `_`, a letter first.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text).map(Self)
            }

            /// As it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().into()
            }
        }
    };
}

id!(
    /// Names somebody who sees patients.
    PractitionerId
);
id!(
    /// Names something that can be booked.
    TypeId
);
id!(
    /// Names a place where patients are seen.
    LocationId
);
id!(
    /// Names a manner of speaking.
    PersonaId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        assert_eq!(TypeId::parse("check-up_2").unwrap().as_str(), "check-up_2");
        for wrong in ["", "2nd", "Osei", "a b", "dr.osei", "é", &"a".repeat(41)] {
            assert_eq!(TypeId::parse(wrong), Err(IdError), "{wrong:?}");
        }
    }
}
