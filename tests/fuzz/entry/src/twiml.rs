//! TwiML that we write, read back by an XML parser.

use crate::is_short;
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_core::twilio::number::PhoneNumber;
use frontdesk_core::twilio::twiml::{Fallback, MAX_DOCUMENT_BYTES, StreamTarget, answer, fallback_only};
use roxmltree::{Document, Node};
use std::time::Duration;

/// What a document is made of; texts are anybody's.
#[derive(Debug, Arbitrary)]
struct Words<'a> {
    voicemail: bool,
    number: u64,
    seconds: u32,
    status: bool,
    path: &'a str,
    name: &'a str,
    value: &'a str,
    language: &'a str,
    say: &'a str,
    goodbye: &'a str,
}

/// A document from arbitrary texts is XML, and says what it was told to say.
pub fn twiml(data: &[u8]) {
    let Ok(words) = Words::arbitrary_take_rest(Unstructured::new(data)) else { return };
    let fallback = words.fallback();
    match fallback_only(&fallback) {
        Ok(document) => words.check_fallback(&parse(&document).root_element()),
        Err(error) => is_short(&error),
    }
    let (url, callback) =
        (format!("wss://desk.example.com/{}", words.path), format!("https://desk.example.com/{}", words.path));
    let target = StreamTarget {
        url: &url,
        parameters: &[(words.name, words.value), ("token", "6f1c0a52e9d04b7f")],
        status_callback: words.status.then_some(&callback),
    };
    match answer(&target, &fallback) {
        Ok(document) => {
            let document = parse(&document);
            let stream = find(&document.root_element(), "Stream");
            assert_eq!(stream.attribute("url"), Some(&*url));
            assert_eq!(stream.attribute("statusCallback"), words.status.then_some(&*callback));
            let parameter = find(&stream, "Parameter");
            assert_eq!(parameter.attribute("name"), Some(&*written(words.name)));
            assert_eq!(parameter.attribute("value"), Some(&*written(words.value)));
            words.check_fallback(&document.root_element());
        }
        Err(error) => is_short(&error),
    }
}

impl Words<'_> {
    fn fallback(&self) -> Fallback {
        let (say, language) = (self.say.to_owned(), self.language.to_owned());
        if self.voicemail {
            return Fallback::Voicemail {
                say,
                language,
                action_url: "https://desk.example.com/twilio/voicemail?a=1&b=<2>".to_owned(),
                recording_status_url: "https://desk.example.com/twilio/voicemail".to_owned(),
                max_length: Duration::from_secs(self.seconds.into()),
                goodbye: self.goodbye.to_owned(),
            };
        }
        Fallback::Dial {
            say,
            language,
            number: PhoneNumber::parse(&format!("+1{:09}", self.number % 1_000_000_000)).expect("ten digits"),
            caller_id: PhoneNumber::parse("+15550100100").expect("eleven digits"),
            action_url: self.status.then(|| "https://desk.example.com/twilio/after".to_owned()),
        }
    }

    fn check_fallback(&self, response: &Node<'_, '_>) {
        let say = find(response, "Say");
        assert_eq!(say.text().unwrap_or_default(), written(self.say));
        assert_eq!(say.attribute("language"), Some(&*written(self.language)));
        if self.voicemail {
            let record = find(response, "Record");
            assert_eq!(record.attribute("action"), Some("https://desk.example.com/twilio/voicemail?a=1&b=<2>"));
            assert!(record.attribute("maxLength").is_some_and(|length| length.parse::<u64>().is_ok_and(|n| n > 0)));
        } else {
            let number = find(&find(response, "Dial"), "Number");
            assert_eq!(number.text().map(str::len), Some(11));
        }
    }
}

fn parse(document: &str) -> Document<'_> {
    assert!(document.len() <= MAX_DOCUMENT_BYTES);
    Document::parse(document).unwrap_or_else(|error| panic!("not XML ({error}): {document}"))
}

fn find<'a, 'i>(under: &Node<'a, 'i>, name: &str) -> Node<'a, 'i> {
    under.descendants().find(|node| node.has_tag_name(name)).unwrap_or_else(|| panic!("no <{name}>"))
}

/// What of a text can be written in XML 1.0 (section 2.2); the rest is a space.
fn written(text: &str) -> String {
    let unwritable = |c: char| c < ' ' || matches!(c, '\u{7f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if unwritable(c) { ' ' } else { c }).collect()
}
