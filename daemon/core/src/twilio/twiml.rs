//! TwiML: what a call is told to do next.
//!
//! Every document that puts a call onto a media stream continues with static verbs. Twilio holds them from then on:
//! if the box dies in mid-call the stream ends and the caller is taken to the [`Fallback`] without us. The price is
//! that a conversation that ends well must be ended over REST: closing the stream would run the fallback.
//!
//! URLs are absolute, text is escaped, and a character that XML cannot hold becomes a space.

use std::fmt::Write as _;
use std::time::Duration;

use super::number::PhoneNumber;

/// Twilio refuses a longer document (error 11750).
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// Characters that one `<Say>` may speak.
pub const MAX_SAY_CHARS: usize = 4096;
/// A parameter's name and value together must stay below this.
pub const MAX_PARAMETER_CHARS: usize = 500;
/// How long the fallback number rings: three or four rings. In some flows Twilio adds about 5 s, and after 20 to 30 s a
/// carrier's own voicemail would answer in its place, or its forwarding send the call back to us.
const RING_TIME: Duration = Duration::from_secs(15);
/// Silence that ends a voicemail message.
const VOICEMAIL_SILENCE: Duration = Duration::from_secs(5);

/// Why a document cannot be made; a fault of the configuration, so build one at start to find it early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwimlError {
    /// A stream's address that Twilio cannot use: no WebSocket URL, or one with a query, which it drops.
    #[error("the stream address must be a wss URL without query or fragment")]
    StreamUrl,
    /// A callback's address that is not absolute.
    #[error("{0} must be an absolute http or https URL")]
    CallbackUrl(&'static str),
    /// A parameter that Twilio would refuse.
    #[error("stream parameter {name:?}: name and value have {chars} characters, {MAX_PARAMETER_CHARS} are too many")]
    Parameter {
        /// The parameter's name, its first 40 characters.
        name: String,
        /// Characters found.
        chars: usize,
    },
    /// A sentence that Twilio would refuse.
    #[error("the text to say has {0} characters, at most {MAX_SAY_CHARS} can be spoken")]
    SayTooLong(usize),
    /// The document as a whole is too long.
    #[error("the document has {0} bytes, Twilio takes {MAX_DOCUMENT_BYTES}")]
    TooLong(usize),
}

/// Where a call's audio goes.
#[derive(Debug, Clone, Copy)]
pub struct StreamTarget<'a> {
    /// `wss://` address; a single-use path segment identifies the call, a query would be lost.
    pub url: &'a str,
    /// Names and values that come back in the stream's `start` message. Twilio logs them: tokens, never names.
    pub parameters: &'a [(&'a str, &'a str)],
    /// Is told when the stream starts, stops, or cannot be connected.
    pub status_callback: Option<&'a str>,
}

/// What Twilio does with the caller when the box does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// Connects the caller to a person.
    Dial {
        /// Spoken first.
        say: String,
        /// BCP-47 language of the sentence.
        language: String,
        /// Who is called.
        number: PhoneNumber,
        /// Whom the person called sees: a number of the account.
        caller_id: PhoneNumber,
        /// Asked what to do when the person called has not answered or has hung up. Without it the call ends.
        action_url: Option<String>,
    },
    /// Takes a message.
    Voicemail {
        /// Spoken before the tone.
        say: String,
        /// BCP-47 language of the sentence.
        language: String,
        /// Is told that a message was left, and answers what comes next.
        action_url: String,
        /// Is told when the message can be fetched.
        recording_status_url: String,
        /// Longest message; whole seconds.
        max_length: Duration,
        /// Spoken before the line closes, if nothing was recorded.
        goodbye: String,
    },
}

/// Answers the call, streams its audio to `target`, and continues with `after` when the stream ends.
pub fn answer(target: &StreamTarget<'_>, after: &Fallback) -> Result<String, TwimlError> {
    let mut xml = Document::new();
    connect(&mut xml, target)?;
    fall_back(&mut xml, after)?;
    xml.finish()
}

/// Takes the call to the fallback at once, because the agent cannot be reached.
pub fn fallback_only(fallback: &Fallback) -> Result<String, TwimlError> {
    let mut xml = Document::new();
    fall_back(&mut xml, fallback)?;
    xml.finish()
}

/// Ends the call.
pub fn hang_up() -> String {
    format!("{HEAD}  <Hangup/>\n{TAIL}")
}

/// Turns the call away unanswered, with a busy tone; the only answer that is not billed.
pub fn reject_busy() -> String {
    format!("{HEAD}  <Reject reason=\"busy\"/>\n{TAIL}")
}

fn connect(xml: &mut Document, target: &StreamTarget<'_>) -> Result<(), TwimlError> {
    if !is_url(target.url, &["wss://", "ws://"]) || target.url.contains(['?', '#']) {
        return Err(TwimlError::StreamUrl);
    }
    let mut attributes = vec![("url", target.url)];
    if let Some(url) = target.status_callback {
        attributes.push(("statusCallback", callback("the stream's status callback", url)?));
    }
    xml.open("Connect", &[]);
    xml.open("Stream", &attributes);
    for &(name, value) in target.parameters {
        let chars = name.chars().count() + value.chars().count();
        if chars >= MAX_PARAMETER_CHARS {
            return Err(TwimlError::Parameter { name: name.chars().take(40).collect(), chars });
        }
        xml.empty("Parameter", &[("name", name), ("value", value)]);
    }
    xml.close("Stream");
    xml.close("Connect");
    Ok(())
}

fn fall_back(xml: &mut Document, fallback: &Fallback) -> Result<(), TwimlError> {
    match fallback {
        Fallback::Dial { say, language, number, caller_id, action_url } => {
            speak(xml, say, language)?;
            let ring = RING_TIME.as_secs().to_string();
            let mut attributes = vec![("timeout", &*ring), ("callerId", caller_id.as_e164())];
            if let Some(url) = action_url {
                attributes.push(("action", callback("the dial's action", url)?));
            }
            xml.open("Dial", &attributes);
            xml.text("Number", &[], number.as_e164());
            xml.close("Dial");
        }
        Fallback::Voicemail { say, language, action_url, recording_status_url, max_length, goodbye } => {
            speak(xml, say, language)?;
            xml.empty(
                "Record",
                &[
                    ("action", callback("the voicemail's action", action_url)?),
                    ("maxLength", &max_length.as_secs().max(1).to_string()),
                    ("timeout", &VOICEMAIL_SILENCE.as_secs().to_string()),
                    ("finishOnKey", "#"),
                    ("playBeep", "true"),
                    ("trim", "trim-silence"),
                    ("recordingStatusCallback", callback("the recording's status callback", recording_status_url)?),
                ],
            );
            // An empty recording makes no request: the document goes on here.
            speak(xml, goodbye, language)?;
        }
    }
    Ok(())
}

fn speak(xml: &mut Document, text: &str, language: &str) -> Result<(), TwimlError> {
    let chars = text.chars().count();
    if chars > MAX_SAY_CHARS {
        return Err(TwimlError::SayTooLong(chars));
    }
    xml.text("Say", &[("language", language)], text);
    Ok(())
}

fn callback<'a>(what: &'static str, url: &'a str) -> Result<&'a str, TwimlError> {
    if is_url(url, &["https://", "http://"]) { Ok(url) } else { Err(TwimlError::CallbackUrl(what)) }
}

fn is_url(url: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && url.bytes().all(|b| b.is_ascii_graphic())
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>\n";
const TAIL: &str = "</Response>\n";

/// One document in the making, indented for whoever reads it in Twilio's debugger.
struct Document {
    xml: String,
    depth: usize,
}

impl Document {
    fn new() -> Self {
        Self { xml: HEAD.to_owned(), depth: 1 }
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.xml.push_str(">\n");
        self.depth += 1;
    }

    fn close(&mut self, name: &str) {
        self.depth -= 1;
        self.indent();
        let _ = writeln!(self.xml, "</{name}>");
    }

    fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.xml.push_str("/>\n");
    }

    fn text(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.start(name, attributes);
        self.xml.push('>');
        escape(&mut self.xml, text);
        let _ = writeln!(self.xml, "</{name}>");
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.indent();
        let _ = write!(self.xml, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.xml, " {key}=\"");
            escape(&mut self.xml, value);
            self.xml.push('"');
        }
    }

    fn indent(&mut self) {
        self.xml.extend(std::iter::repeat_n("  ", self.depth));
    }

    fn finish(mut self) -> Result<String, TwimlError> {
        self.xml.push_str(TAIL);
        if self.xml.len() > MAX_DOCUMENT_BYTES { Err(TwimlError::TooLong(self.xml.len())) } else { Ok(self.xml) }
    }
}

fn escape(xml: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            // XML 1.0, section 2.2: these cannot be written, not even as a reference. Line ends and tabs can, but
            // would be folded in an attribute; to a speaker they are a space.
            '\0'..='\u{1f}' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => xml.push(' '),
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
#[path = "twiml_tests.rs"]
mod tests;
