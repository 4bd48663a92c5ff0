//! E-mail addresses and phone numbers as callers say them and models type them.

use crate::twilio::number::PhoneNumber;

/// Longest address (RFC 5321, 4.5.3.1.3, without the angle brackets).
const LONGEST_EMAIL: usize = 254;
/// Words for the symbols of an address, in the languages that callers spell in.
const SPOKEN: [(&str, &[&str]); 5] = [
    ("@", &["at", "ät", "arroba", "arobase", "klammeraffe"]),
    (".", &["dot", "period", "point", "punkt", "punto"]),
    ("-", &["dash", "hyphen", "minus", "bindestrich"]),
    ("_", &["underscore", "unterstrich"]),
    ("+", &["plus"]),
];
/// Domains that many people have, for slips of the ear.
const COMMON_DOMAINS: [&str; 15] = [
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "yahoo.com",
    "icloud.com",
    "aol.com",
    "proton.me",
    "protonmail.com",
    "gmx.de",
    "gmx.net",
    "web.de",
    "t-online.de",
    "freenet.de",
    "mail.com",
];

/// Reads an e-mail address, written (`ana.perez@example.com`) or spoken (`ana dot perez at example dot com`), into its
/// lower-case form. `None` for anything that is not one plain address: quoted local parts, comments, letters outside
/// ASCII and domains without a dot are refused, and with them everything that could reach into a mail's header.
pub fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let address: String = if text.contains(' ') { text.split(' ').map(symbol).collect() } else { text };
    let (local, domain) = address.split_once('@')?;
    let fits = address.len() <= LONGEST_EMAIL && is_local_part(local) && is_domain(domain);
    fits.then_some(address)
}

/// The well-known domain that this one was probably meant to be, when it is one or two letters away from it.
pub fn probably_meant(email: &str) -> Option<&'static str> {
    let (_, domain) = email.split_once('@')?;
    if COMMON_DOMAINS.contains(&domain) {
        return None;
    }
    // Of a short name two letters are too many: a dentist's own `gmd.de` is not meant to be `gmx.de`.
    let near = |known: &&&str| super::near::distance(known, domain) <= if known.len() > 8 { 2 } else { 1 };
    COMMON_DOMAINS.iter().find(near).copied()
}

/// Reads a phone number with its country code: spaces, dots, dashes, slashes and brackets are dropped, `00` stands for
/// `+`. `None` for one without a country code, and for anything else.
pub fn phone(text: &str) -> Option<PhoneNumber> {
    let mut digits = String::with_capacity(text.len());
    for c in text.trim().chars() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() => digits.push(c),
            ' ' | '.' | '-' | '/' | '(' | ')' => {}
            _ => return None,
        }
    }
    if let Some(rest) = digits.strip_prefix("00") {
        digits = format!("+{rest}");
    }
    PhoneNumber::parse(&digits).ok()
}

fn symbol(word: &str) -> &str {
    SPOKEN.iter().find(|(_, words)| words.contains(&word)).map_or(word, |(symbol, _)| symbol)
}

fn is_local_part(local: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&b);
    local.len() <= 64 && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(plain))
}

fn is_domain(domain: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let Some((_, last)) = domain.rsplit_once('.') else { return false };
    domain.split('.').all(label) && last.len() >= 2 && !last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_read_as_it_is_written_and_as_it_is_said() {
        for (said, read) in [
            ("ana.perez@example.com", "ana.perez@example.com"),
            ("Ana.Perez@Example.COM ", "ana.perez@example.com"),
            ("ana dot perez at gmail dot com", "ana.perez@gmail.com"),
            ("a n a at web punkt de", "ana@web.de"),
            ("ana_p minus 7 at t minus online punkt de", "ana_p-7@t-online.de"),
            ("ana plus clinic @ example . com", "ana+clinic@example.com"),
        ] {
            assert_eq!(email(said).as_deref(), Some(read), "{said:?}");
        }
    }

    #[test]
    fn what_is_no_address_or_reaches_into_a_header_is_refused() {
        for wrong in [
            "",
            "ana",
            "ana@",
            "@example.com",
            "ana@example",
            "ana@@example.com",
            "ana@example.com, eve@example.com",
            "ana@example.com\r\nBcc: eve@example.com",
            "ana\0@example.com",
            "ana@exa\u{202E}mple.com",
            "ána@example.com",
            "\"ana b\"@example.com",
            "<ana@example.com>",
            ".ana@example.com",
            "a..b@example.com",
            "ana@-example.com",
            "ana@127.0.0.1",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("ana@{}.com", "a".repeat(64)),
        ] {
            assert_eq!(email(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_domain_one_slip_away_from_a_common_one_is_asked_about() {
        assert_eq!(probably_meant("ana@gmial.com"), Some("gmail.com"));
        assert_eq!(probably_meant("ana@gmx.te"), Some("gmx.de"));
        for fine in ["ana@gmail.com", "ana@riverside-clinic.example", "ana@proton.me", "ana@uni-koeln.de"] {
            assert_eq!(probably_meant(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_number_needs_its_country_code_and_no_particular_form() {
        for said in ["+1 (555) 010-0200", "+15550100200", "001 555 010 0200", "+1.555.010.0200"] {
            assert_eq!(phone(said).unwrap().as_e164(), "+15550100200", "{said:?}");
        }
        for wrong in ["", "0555 010 0200", "+1 555 CALL NOW", "15550100200", "++15550100200", "+1555\n0100200", "+٤٩"]
        {
            assert_eq!(phone(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_is_plain(text in any::<String>()) {
            let _ = phone(&text);
            if let Some(email) = email(&text) {
                prop_assert!(email.bytes().all(|b| b.is_ascii_graphic() && b != b',' && b != b'<' && b != b'"'));
                let _ = probably_meant(&email);
            }
        }
    }
}
