//! Phone numbers that cannot slip into a log, and what stands in for one when the caller withholds it.

use std::fmt;

/// Digits that stay readable at the end of a masked number.
const SHOWN_AT_END: usize = 4;
/// Digits that stay readable at its beginning, if enough remain hidden between the two.
const SHOWN_AT_START: usize = 4;
/// Digits that a masked number hides at least.
const HIDDEN_AT_LEAST: usize = 3;

/// The words that Twilio sends in place of a withheld number: `ANONYMOUS`, `RESTRICTED`, `BLOCKED`, `UNKNOWN` and
/// `UNAVAILABLE`, typed on a keypad. They look like numbers and must never be dialled.
const KEYPAD_WORDS: [&str; 5] = ["266696687", "7378742833", "2562533", "8656696", "86282452253"];

/// A phone number in E.164 form: `+`, then 7 to 15 digits that do not begin with 0.
///
/// `Debug` and `Display` show a masked form that is fit for a log (`+1555•••0200`); the number itself leaves only
/// through [`as_e164`](Self::as_e164).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneNumber(Box<str>);

/// A text is not a phone number that can be dialled. It does not repeat the text: that may be somebody's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It does not begin with `+`.
    #[error("not an E.164 number: it must begin with + and the country code")]
    NoPlus,
    /// It has a character that is no digit, be it a space or a dash.
    #[error("not an E.164 number: after + only digits, without spaces, dashes or brackets")]
    NotDigits,
    /// No country code begins with 0.
    #[error("not an E.164 number: no country code begins with 0")]
    LeadingZero,
    /// It is too short or too long.
    #[error("not an E.164 number: it has {0} digits, 7 to 15 are possible")]
    Length(usize),
}

impl PhoneNumber {
    /// Reads a number in E.164 form. Nothing is repaired: a number that was typed with spaces is refused, so that
    /// what is stored is what is dialled.
    pub fn parse(text: &str) -> Result<Self, NumberError> {
        let digits = text.strip_prefix('+').ok_or(NumberError::NoPlus)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NumberError::NotDigits);
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(NumberError::Length(digits.len()));
        }
        if digits.starts_with('0') {
            return Err(NumberError::LeadingZero);
        }
        Ok(Self(text.into()))
    }

    /// The full number, for dialling and for the call record. It must not reach a log.
    pub fn as_e164(&self) -> &str {
        &self.0
    }

    fn digits(&self) -> &str {
        &self.0[1..]
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let before_end = digits.len() - SHOWN_AT_END;
        let start = SHOWN_AT_START.min(before_end - HIDDEN_AT_LEAST);
        write!(f, "+{}", &digits[..start])?;
        for _ in start..before_end {
            f.write_str("•")?;
        }
        f.write_str(&digits[before_end..])
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for PhoneNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        Self::parse(text)
    }
}

/// Who calls, as far as the network tells. It is a hint and no proof: caller IDs are easily forged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// A number that can be called back.
    Number(PhoneNumber),
    /// No number: withheld, unknown, or a caller that has none (SIP, browser). Never dial it, never text it.
    Withheld,
}

impl CallerId {
    /// Reads Twilio's `From`. It cannot fail: whatever is not a number that could be called back is [`Withheld`].
    ///
    /// [`Withheld`]: Self::Withheld
    pub fn parse(text: &str) -> Self {
        match PhoneNumber::parse(text) {
            Ok(number) if !KEYPAD_WORDS.contains(&number.digits()) => Self::Number(number),
            _ => Self::Withheld,
        }
    }

    /// The number, if there is one.
    pub fn number(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Number(number) => Some(number),
            Self::Withheld => None,
        }
    }
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => fmt::Display::fmt(number, f),
            Self::Withheld => f.write_str("withheld"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_prints_masked_and_is_whole_only_when_asked() {
        let number = PhoneNumber::parse("+15550100200").unwrap();
        assert_eq!(number.to_string(), "+1555•••0200");
        assert_eq!(format!("{number:?}"), "+1555•••0200");
        assert_eq!(number.as_e164(), "+15550100200");
        assert_eq!(format!("{:?}", CallerId::Number(number)), "Number(+1555•••0200)");
    }

    #[test]
    fn short_and_long_numbers_keep_three_digits_hidden() {
        assert_eq!(PhoneNumber::parse("+1234567").unwrap().to_string(), "+•••4567");
        assert_eq!(PhoneNumber::parse("+12345678").unwrap().to_string(), "+1•••5678");
        assert_eq!(PhoneNumber::parse("+123456789012345").unwrap().to_string(), "+1234•••••••2345");
    }

    #[test]
    fn what_is_not_e164_is_refused_with_its_reason() {
        for (text, error) in [
            ("", NumberError::NoPlus),
            ("15550100200", NumberError::NoPlus),
            ("+1 555 010 0200", NumberError::NotDigits),
            ("+1٢555010020", NumberError::NotDigits),
            ("+123456", NumberError::Length(6)),
            ("+1234567890123456", NumberError::Length(16)),
            ("+", NumberError::Length(0)),
            ("+01234567", NumberError::LeadingZero),
        ] {
            assert_eq!(PhoneNumber::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn withheld_callers_are_recognised_in_every_spelling() {
        for text in [
            "+266696687",
            "+7378742833",
            "+2562533",
            "+8656696",
            "+86282452253",
            "anonymous",
            "Restricted",
            "unavailable",
            "client:kiosk",
            "sip:+15550100200@example.com",
            "sim:DE00000000000000000000000000000001",
            "+12",
            "",
        ] {
            assert_eq!(CallerId::parse(text), CallerId::Withheld, "{text:?}");
        }
        assert_eq!(CallerId::parse("+15550100200").number().map(PhoneNumber::as_e164), Some("+15550100200"));
    }

    proptest! {
        #[test]
        fn three_digits_are_hidden_in_every_number(text in "\\+[1-9][0-9]{6,14}") {
            let number = PhoneNumber::parse(&text).unwrap();
            prop_assert!(number.to_string().matches('•').count() >= 3);
            prop_assert_eq!(number.to_string().chars().count(), text.len());
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            let _ = CallerId::parse(&text).to_string();
        }
    }
}
