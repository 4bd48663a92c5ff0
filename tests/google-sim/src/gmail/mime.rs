//! Reads a letter (RFC 5322, MIME) far enough to judge, to search and to show it. Total: any bytes are some letter.

use base64::{
    Engine as _, alphabet, engine::GeneralPurpose, engine::general_purpose::NO_PAD, engine::general_purpose::STANDARD,
};

/// Parts inside parts, at most; deeper ones are read as text.
const DEEPEST: usize = 8;

/// One header field, unfolded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: String,
}

/// A letter, or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) headers: Vec<Header>,
    /// Still encoded, as it stands.
    body: Vec<u8>,
    pub(super) parts: Vec<Part>,
}

impl Part {
    pub(super) fn read(raw: &[u8]) -> Self {
        Self::read_at(raw, 0)
    }

    fn read_at(raw: &[u8], depth: usize) -> Self {
        let (head, body) = split(raw);
        let mut part = Self { headers: headers(&head), body: body.to_vec(), parts: Vec::new() };
        if depth < DEEPEST
            && part.kind().starts_with("multipart/")
            && let Some(boundary) = part.parameter("content-type", "boundary")
        {
            part.parts = pieces(body, &boundary).into_iter().map(|piece| Self::read_at(piece, depth + 1)).collect();
        }
        part
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(&found.value)
    }

    /// The media type in lower case.
    pub(super) fn kind(&self) -> String {
        let whole = self.header("content-type").unwrap_or("text/plain");
        whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    pub(super) fn parameter(&self, header: &str, name: &str) -> Option<String> {
        let mut parameters = self.header(header)?.split(';').skip(1);
        let found = parameters.find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        });
        found.filter(|value| !value.is_empty())
    }

    /// The body as it stands.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body with its transfer encoding undone.
    pub(super) fn content(&self) -> Vec<u8> {
        match self.header("content-transfer-encoding").map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            Some("base64") => {
                let packed: Vec<u8> = self.body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
                STANDARD.decode(packed).unwrap_or_else(|_| self.body.clone())
            }
            Some("quoted-printable") => quoted_printable(&self.body, false),
            _ => self.body.clone(),
        }
    }

    /// All text that a person would read in it.
    pub(super) fn text(&self) -> String {
        if self.parts.is_empty() {
            let is_text = self.kind().starts_with("text/");
            return if is_text { String::from_utf8_lossy(&self.content()).into_owned() } else { String::new() };
        }
        self.parts.iter().map(Self::text).collect::<Vec<_>>().join("\n")
    }
}

/// Head and body, whatever ends the lines.
fn split(raw: &[u8]) -> (String, &[u8]) {
    let find =
        |needle: &[u8]| raw.windows(needle.len()).position(|window| window == needle).map(|at| (at, needle.len()));
    let end = [find(b"\r\n\r\n"), find(b"\n\n")].into_iter().flatten().min();
    let (head, body) = match end {
        Some((at, length)) => (&raw[..at], &raw[at + length..]),
        None => (raw, &raw[raw.len()..]),
    };
    (String::from_utf8_lossy(head).into_owned(), body)
}

fn headers(head: &str) -> Vec<Header> {
    let mut found: Vec<Header> = Vec::new();
    for line in head.lines() {
        let folded = line.starts_with([' ', '\t']);
        if let Some(last) = found.last_mut().filter(|_| folded) {
            last.value.push(' ');
            last.value.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            found.push(Header { name: name.trim().to_owned(), value: value.trim().to_owned() });
        }
    }
    found
}

/// What lies between the boundary's lines.
fn pieces<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let mark = format!("--{boundary}");
    let mut borders = Vec::new();
    let mut at = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text == mark || text.strip_suffix("--") == Some(&mark) {
            borders.push((at, at + line.len()));
        }
        at += line.len();
    }
    borders.windows(2).map(|pair| trim_line_end(&body[pair[0].1..pair[1].0])).collect()
}

/// The line's end before a boundary belongs to the boundary.
fn trim_line_end(piece: &[u8]) -> &[u8] {
    let piece = piece.strip_suffix(b"\n").unwrap_or(piece);
    piece.strip_suffix(b"\r").unwrap_or(piece)
}

fn quoted_printable(text: &[u8], word: bool) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'_' if word => plain.push(b' '),
            b'=' if rest.starts_with(b"\r\n") => rest = &rest[2..],
            b'=' if rest.starts_with(b"\n") => rest = &rest[1..],
            b'=' => match rest.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()) {
                Some(value) => {
                    plain.push(value);
                    rest = &rest[2..];
                }
                None => plain.push(b'='),
            },
            other => plain.push(*other),
        }
    }
    plain
}

/// A header's text with its encoded words (RFC 2047) undone; other charsets than UTF-8 and ASCII stay as they are.
pub(super) fn decoded(value: &str) -> String {
    let mut plain = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(at) = rest.find("=?") {
        let Some((word, end)) = encoded_word(&rest[at..]) else {
            plain.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            after_word = false;
            continue;
        };
        // Space between two words belongs to neither.
        if !(after_word && rest[..at].trim().is_empty()) {
            plain.push_str(&rest[..at]);
        }
        plain.push_str(&word);
        rest = &rest[at + end..];
        after_word = true;
    }
    plain + rest
}

/// The word at the beginning of `text`, and its length there.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let mut fields = text.strip_prefix("=?")?.splitn(3, '?');
    let (charset, encoding, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let (word, _) = rest.split_once("?=")?;
    if !["utf-8", "us-ascii"].contains(&charset.to_ascii_lowercase().as_str()) || word.contains(' ') {
        return None;
    }
    let bytes = match encoding {
        "B" | "b" => STANDARD.decode(word).ok()?,
        "Q" | "q" => quoted_printable(word.as_bytes(), true),
        _ => return None,
    };
    let length = 2 + charset.len() + 1 + encoding.len() + 1 + word.len() + 2;
    Some((String::from_utf8_lossy(&bytes).into_owned(), length))
}

/// The addresses of a header of recipients; none: it is not a list of addresses.
pub(super) fn addresses(value: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for mailbox in mailboxes(value) {
        let mailbox = mailbox.trim();
        if mailbox.is_empty() {
            continue;
        }
        let address = match mailbox.rsplit_once('<') {
            Some((_, rest)) => rest.strip_suffix('>')?,
            None => mailbox,
        };
        let (local, domain) = address.split_once('@')?;
        let odd = |c: char| c.is_whitespace() || c.is_control() || "<>@,;:\\\"".contains(c);
        if local.is_empty() || domain.is_empty() || local.contains(odd) || domain.contains(odd) {
            return None;
        }
        found.push(address.to_owned());
    }
    Some(found)
}

/// Splits at commas outside of quotes.
fn mailboxes(value: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in value.chars() {
        if c == ',' && !quoted {
            found.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        if let Some(last) = found.last_mut() {
            last.push(c);
        }
    }
    found
}

/// base64url as Google takes it: with padding or without, and the plain alphabet too.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim_end_matches('=');
    let plain = bare.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD).decode(plain).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LETTER: &str = "From: \"Clinic, High Street\" <a@clinic.example>\r\nTo: Ana <ana@patient.example>,\r\n \
        bo@patient.example\r\nSubject: =?utf-8?B?QXBwb2ludG1lbnQ=?= =?UTF-8?Q?_K7Q=2D4MR?= now\r\n\
        Content-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe\r\n--b1\r\nContent-Type: application/ics; \
        name=\"a.ics\"\r\nContent-Transfer-Encoding: base64\r\n\r\nQkVH\r\nSU4=\r\n--b1--\r\n";

    #[test]
    fn a_letter_comes_apart() {
        let letter = Part::read(LETTER.as_bytes());
        assert_eq!(decoded(letter.header("subject").unwrap()), "Appointment K7Q-4MR now");
        assert_eq!(addresses(letter.header("To").unwrap()).unwrap(), ["ana@patient.example", "bo@patient.example"]);
        assert_eq!(addresses(letter.header("From").unwrap()).unwrap(), ["a@clinic.example"]);
        assert_eq!(letter.parts.len(), 2);
        assert_eq!(letter.text().trim(), "Grüße");
        assert_eq!(letter.parts[1].content(), b"BEGIN");
        assert_eq!(letter.parts[1].parameter("content-type", "name").unwrap(), "a.ics");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["ana", "ana@", "@b", "a b@c.d", "Ana <ana@x.y", "a@b@c"] {
            assert_eq!(addresses(bad), None, "{bad}");
        }
        assert_eq!(addresses(""), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Part::read(&bytes).text();
            let mut whole = b"Content-Type: multipart/x; boundary=b\n\n--b\n".to_vec();
            whole.append(&mut bytes);
            let _ = Part::read(&whole).text();
        }

        #[test]
        fn no_header_makes_the_reader_panic(text in "(=\\?utf-8\\?[BQ]\\?)?.{0,60}(\\?=)?.{0,10}") {
            let _ = decoded(&text);
            let _ = addresses(&text);
            let _ = base64url(&text);
        }
    }
}
