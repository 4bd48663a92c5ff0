//! Mail addresses that are written to: the plain ones that every server on the way takes.

use std::fmt;

/// Longest address that SMTP carries (RFC 5321, 4.5.3.1.3, brackets apart).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;
const LONGEST_LABEL: usize = 63;

/// A mail address of ASCII letters: `local@domain`, without a name, quotes or comments. Its domain has a dot and is in
/// lower case.
///
/// `Debug` and `Display` show the domain alone; the address itself leaves only through [`as_str`](Self::as_str).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailAddress {
    text: Box<str>,
    /// Where the `@` stands.
    at: usize,
}

/// A text is not a mail address that is written to. It does not repeat the text: that may be somebody's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// None, or more than one.
    #[error("an address has one @")]
    At,
    /// Letters beyond ASCII need SMTPUTF8 at every hop.
    #[error("it has letters that not every mail server takes: write another address, or the domain's xn-- form")]
    NotAscii,
    /// Before the `@`.
    #[error("before the @ stand 1 to 64 letters, digits and signs such as . - _ +, no quotes and no spaces")]
    Local,
    /// After the `@`.
    #[error("after the @ stands a domain such as example.org")]
    Domain,
    /// The whole.
    #[error("it is longer than 254 characters")]
    TooLong,
}

impl MailAddress {
    /// Reads an address; white space around it does not matter.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if !text.is_ascii() {
            return Err(AddressError::NotAscii);
        }
        if text.len() > LONGEST {
            return Err(AddressError::TooLong);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::At)?;
        if domain.contains('@') {
            return Err(AddressError::At);
        }
        if !is_local(local) {
            return Err(AddressError::Local);
        }
        if !is_domain(domain) {
            return Err(AddressError::Domain);
        }
        let at = local.len();
        Ok(Self { text: format!("{local}@{}", domain.to_ascii_lowercase()).into(), at })
    }

    /// The whole address. It must not reach a log.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.domain())
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A dot-atom (RFC 5322, 3.2.3).
fn is_local(local: &str) -> bool {
    let is_atom = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
    local.len() <= LONGEST_LOCAL && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // The last label of a domain has a letter; without one it would be an IP address.
    let last = domain.rsplit_once('.').map(|(_, last)| last).unwrap_or_default();
    domain.split('.').all(is_label) && last.len() > 1 && last.bytes().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_addresses_are_taken_and_their_domain_is_in_lower_case() {
        for (text, read) in [
            ("ana@example.org", "ana@example.org"),
            (" Ana.Perez+clinic@Mail.Example.ORG ", "Ana.Perez+clinic@mail.example.org"),
            ("o'neill@xn--exmple-cua.org", "o'neill@xn--exmple-cua.org"),
        ] {
            assert_eq!(MailAddress::parse(text).unwrap().as_str(), read);
        }
        assert_eq!(MailAddress::parse("ana@example.org").unwrap().to_string(), "…@example.org");
    }

    #[test]
    fn what_a_server_on_the_way_may_refuse_is_refused_here() {
        for (text, error) in [
            ("", AddressError::At),
            ("ana", AddressError::At),
            ("ana@b@example.org", AddressError::At),
            ("ana@localhost", AddressError::Domain),
            ("ana@[192.0.2.1]", AddressError::Domain),
            ("ana@192.0.2.1", AddressError::Domain),
            ("ana@example..org", AddressError::Domain),
            ("ana@-example.org", AddressError::Domain),
            ("ana@example.org.", AddressError::Domain),
            ("ana@example.org\r\nBcc: x@y.z", AddressError::At),
            ("ana@example.org\r\nRCPT TO:<x>", AddressError::Domain),
            ("\"a b\"@example.org", AddressError::Local),
            ("a b@example.org", AddressError::Local),
            ("Ana <ana@example.org>", AddressError::Local),
            (".ana@example.org", AddressError::Local),
            ("@example.org", AddressError::Local),
            ("añá@example.org", AddressError::NotAscii),
            ("ana@exämple.org", AddressError::NotAscii),
            (&format!("{}@example.org", "a".repeat(65)), AddressError::Local),
            (&format!("a@{}example.org", "abc.".repeat(70)), AddressError::TooLong),
        ] {
            assert_eq!(MailAddress::parse(text), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_cannot_leave_its_header(text in "[ -~\r\n\t@.]{0,40}|[a-z.+]{1,9}@[a-zA-Z.-]{1,12}") {
            if let Ok(address) = MailAddress::parse(&text) {
                prop_assert!(address.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"<>()\",;:\\".contains(&b)));
                prop_assert_eq!(MailAddress::parse(address.as_str()), Ok(address));
            }
        }
    }
}
