//! What must not leave the box is taken out of every text that does.
//!
//! Keys, phone numbers and mail addresses are known by their form. Names, addresses and whatever else the clinic has written
//! about itself are known from its own files: every text there that is not expressly harmless is taken out wherever it appears.

use std::collections::BTreeSet;

/// Stands for what was taken out.
const NUMBER: &str = "(number)";
const ADDRESS: &str = "(address)";
const KEY: &str = "(key)";
const TEXT: &str = "(left out)";
/// A shorter word is too common to say anything.
const SHORTEST: usize = 4;
/// A phone number has that many digits at least.
const FEWEST_DIGITS: usize = 7;
/// A key is a word of at least that many letters and digits.
const SHORTEST_KEY: usize = 24;
/// What names one thing at Twilio, and nobody: calls, streams, recordings, messages, conversations.
const HARMLESS_SIDS: [&str; 6] = ["CA", "MZ", "RE", "SM", "PN", "DK"];

/// Takes out what is private.
#[derive(Default)]
pub(super) struct Redactor {
    /// The longest first: a name may hold another.
    known: Vec<String>,
    /// How often something was taken out.
    pub(super) taken: usize,
}

impl Redactor {
    /// One that knows these texts to be private.
    pub(super) fn knowing(private: impl IntoIterator<Item = String>) -> Self {
        let is_telling =
            |text: &String| text.chars().count() >= SHORTEST && !text.bytes().all(|b| b.is_ascii_digit() || b == b':');
        let mut known = BTreeSet::new();
        for text in private {
            let text = text.trim().to_owned();
            // A number is also written without its plus.
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            if text.starts_with('+') && digits.len() >= FEWEST_DIGITS {
                known.insert(digits);
            }
            // Whoever quotes a name may quote a part of it.
            known.extend(text.split_whitespace().filter(|word| is_name(word)).map(str::to_owned));
            if is_telling(&text) {
                known.insert(text);
            }
        }
        let mut known: Vec<String> = known.into_iter().collect();
        known.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self { known, taken: 0 }
    }

    /// The text without what is private.
    pub(super) fn redact(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for known in &self.known {
            self.taken += blot_out(&mut text, known);
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let at = rest.find(|c: char| !is_of_word(c)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(at);
            if word.starts_with('+') || word.contains('+') {
                let (number, length) = number(rest);
                if let Some(begin) = number {
                    out.push_str(&rest[..begin]);
                    out.push_str(NUMBER);
                    self.taken += 1;
                    rest = &rest[length..];
                    continue;
                }
            }
            match stands_for(word) {
                Some(stand_in) => {
                    out.push_str(stand_in);
                    self.taken += 1;
                }
                None => out.push_str(word),
            }
            let next = behind.chars().next().map_or(0, char::len_utf8);
            out.push_str(&behind[..next]);
            rest = &behind[next..];
        }
        out
    }
}

/// Takes `known` out where it stands alone, and not as a part of another word. How often it did.
fn blot_out(text: &mut String, known: &str) -> usize {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let is_alone =
        |at: usize| !joins(text[..at].chars().next_back()) && !joins(text[at + known.len()..].chars().next());
    let places: Vec<usize> = text.match_indices(known).map(|(at, _)| at).filter(|at| is_alone(*at)).collect();
    for at in places.iter().rev() {
        text.replace_range(*at..at + known.len(), TEXT);
    }
    places.len()
}

/// A word of a name: it begins with a capital. Articles and short words are no names.
fn is_name(word: &str) -> bool {
    word.chars().count() > SHORTEST && word.chars().next().is_some_and(char::is_uppercase)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "@._-+%".contains(c)
}

/// Where a number begins in the word that `text` begins with, and where it ends.
fn number(text: &str) -> (Option<usize>, usize) {
    let Some(begin) = text.find('+') else { return (None, 0) };
    let (mut digits, mut end) = (0, begin + 1);
    for (at, c) in text[begin + 1..].char_indices() {
        match c {
            '0'..='9' | '•' => {
                digits += 1;
                end = begin + 1 + at + c.len_utf8();
            }
            ' ' | '-' | '(' | ')' | '/' | '.' => {}
            _ => break,
        }
    }
    ((digits >= FEWEST_DIGITS).then_some(begin), end)
}

fn stands_for(word: &str) -> Option<&'static str> {
    let word = word.trim_matches(['.', '-', '%']);
    if let Some((name, domain)) = word.split_once('@') {
        let is_unit = [".service", ".target", ".socket", ".timer"].iter().any(|kind| domain.ends_with(kind));
        return (!name.is_empty() && domain.contains('.') && !is_unit).then_some(ADDRESS);
    }
    let letters = word.bytes().filter(u8::is_ascii_alphanumeric).count();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_sid = HARMLESS_SIDS.iter().any(|kind| {
        word.strip_prefix(kind).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    let looks_random = letters >= SHORTEST_KEY
        && digits >= 3
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    (!is_sid && looks_random && letters != digits).then_some(KEY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_private_is_taken_out_wherever_it_is() {
        let private =
            ["Dr. Anna Lindqvist", "Riverside Clinic", "+49 30 1234567", "12:30", "de", "desk"].map(str::to_owned);
        let mut redactor = Redactor::knowing(private);
        for (text, expected) in [
            ("Riverside Clinic calls Dr. Anna Lindqvist", "(left out) calls (left out)"),
            ("Lindqvist is away", "(left out) is away"),
            ("to 49301234567 and +1 555-010-0100, at 12:30", "to (left out) and (number), at 12:30"),
            ("from <ben.meyer@example.com>: hello", "from <(address)>: hello"),
            ("modprobe@snd.service failed", "modprobe@snd.service failed"),
            ("key AIzaSyA-0123456789_0123456789abcd, token 0123456789abcdef0123456789abcdef", "key (key), token (key)"),
            ("CALL_SID=CA0123456789abcdef0123456789abcdef", "CALL_SID=CA0123456789abcdef0123456789abcdef"),
            ("\"__REALTIME_TIMESTAMP\":\"1795788000000000\"", "\"__REALTIME_TIMESTAMP\":\"1795788000000000\""),
            ("2 + 2, +1555•••0200", "2 + 2, (number)"),
            ("a desk is no frontdesk and no desk_test", "a (left out) is no frontdesk and no desk_test"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
        assert!(redactor.taken >= 10, "{}", redactor.taken);
    }
}
