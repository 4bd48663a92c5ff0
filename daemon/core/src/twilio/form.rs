//! The body of a webhook: an open, bounded list of names and values, in the order in which they came.

use std::borrow::Cow;

use super::number::PhoneNumber;
use super::sid::SidError;
use super::signature::MAX_PARAMS;

/// Bytes that the body of a webhook may have. Twilio's have about two thousand.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// Characters of a value that are kept: by an error, and of a word that is not known.
const SHOWN_CHARS: usize = 40;

/// Why a form post cannot be read. A peer that passes the signature check sends none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The body is longer than [`MAX_BODY_BYTES`].
    #[error("the form has {0} bytes, at most {MAX_BODY_BYTES} are read")]
    TooLong(usize),
    /// The body has more than [`MAX_PARAMS`] parameters.
    #[error("the form has more than {MAX_PARAMS} parameters")]
    TooMany,
    /// A parameter that every such request has is not there.
    #[error("the form has no {0}")]
    Missing(&'static str),
    /// An identifier has another shape or kind.
    #[error("{name} is {source}")]
    Sid {
        /// The parameter.
        name: &'static str,
        /// What it should have been.
        #[source]
        source: SidError,
    },
    /// A value that is none of those that are known.
    #[error("{name} is {found:?}, expected {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// Its value, shortened. Never a phone number or speech.
        found: String,
        /// What would do.
        expected: &'static str,
    },
}

impl WebhookError {
    /// The parameter that is missing or wrong, for a log that must not repeat values.
    pub fn field(&self) -> &'static str {
        match self {
            Self::TooLong(_) | Self::TooMany => "the form as a whole",
            Self::Missing(name) | Self::Sid { name, .. } | Self::Value { name, .. } => name,
        }
    }

    pub(super) fn value(name: &'static str, found: &str, expected: &'static str) -> Self {
        Self::Value { name, found: shortened(found), expected }
    }
}

/// As much of a foreign text as is worth keeping.
pub(super) fn shortened<S: FromIterator<char>>(text: &str) -> S {
    text.chars().take(SHOWN_CHARS).collect()
}

/// The decoded parameters of one form post, in the order in which they came.
///
/// `Debug` shows names only: values hold phone numbers and what callers said.
#[derive(Clone, PartialEq, Eq)]
pub struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Reads an `application/x-www-form-urlencoded` body. Bytes that are no UTF-8 become replacement characters,
    /// with which no signature matches.
    pub fn parse(body: &'a [u8]) -> Result<Self, WebhookError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(WebhookError::TooLong(body.len()));
        }
        let pairs: Vec<_> = form_urlencoded::parse(body).take(MAX_PARAMS + 1).collect();
        if pairs.len() > MAX_PARAMS { Err(WebhookError::TooMany) } else { Ok(Self { pairs }) }
    }

    /// Every name and value, for the signature check.
    pub fn pairs(&self) -> &[(Cow<'a, str>, Cow<'a, str>)] {
        &self.pairs
    }

    /// The first value of `name`, which is case-sensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(super) fn required(&self, name: &'static str) -> Result<&str, WebhookError> {
        self.get(name).ok_or(WebhookError::Missing(name))
    }

    pub(super) fn sid<S: std::str::FromStr<Err = SidError>>(&self, name: &'static str) -> Result<S, WebhookError> {
        self.required(name)?.parse().map_err(|source| WebhookError::Sid { name, source })
    }

    /// A number that may be absent or empty, but not garbled.
    pub(super) fn count<N: std::str::FromStr>(&self, name: &'static str) -> Result<Option<N>, WebhookError> {
        self.get(name)
            .filter(|text| !text.is_empty())
            .map(|text| text.parse().map_err(|_| WebhookError::value(name, text, "a whole number")))
            .transpose()
    }

    /// A phone number, if the parameter holds one.
    pub(super) fn number(&self, name: &str) -> Option<PhoneNumber> {
        PhoneNumber::parse(self.get(name)?).ok()
    }
}

impl std::fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_and_order_are_kept_for_the_signature() {
        let form = Form::parse(b"Tag=b&Alpha=1&Tag=a&Empty=&Plus=a+%2B+b&Name=Zo%C3%AB").unwrap();
        let pairs: Vec<_> = form.pairs().iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [("Tag", "b"), ("Alpha", "1"), ("Tag", "a"), ("Empty", ""), ("Plus", "a + b"), ("Name", "Zoë")];
        assert_eq!(pairs, expected);
        assert_eq!(form.get("Tag"), Some("b"));
        assert_eq!(form.get("tag"), None);
    }

    #[test]
    fn oversized_forms_are_refused() {
        let long = vec![b'a'; MAX_BODY_BYTES + 1];
        assert_eq!(Form::parse(&long), Err(WebhookError::TooLong(MAX_BODY_BYTES + 1)));
        let many = "a=1&".repeat(MAX_PARAMS + 1);
        assert_eq!(Form::parse(many.as_bytes()), Err(WebhookError::TooMany));
        assert!(Form::parse("a=1&".repeat(MAX_PARAMS).as_bytes()).is_ok());
    }
}
