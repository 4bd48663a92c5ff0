//! From XML to verbs, with Twilio's complaints.

use roxmltree::Node;

use super::{Dial, Document, Gather, Method, Parameter, Record, StreamNoun, TwimlError, Verb};

/// A document larger than this is refused with 11750.
pub const MAX_DOCUMENT: usize = 64 * 1024;

/// Reads one document. Errors stop the call's document; [`Document::warnings`] do not.
pub fn parse(text: &str) -> Result<Document, TwimlError> {
    if text.len() > MAX_DOCUMENT {
        return Err(error(11_750, format!("{} bytes", text.len())));
    }
    let xml = roxmltree::Document::parse(text).map_err(|e| error(12_100, format!("not XML: {e}")))?;
    let root = xml.root_element();
    if root.tag_name().name() != "Response" {
        return Err(error(12_102, format!("the root is <{}>", root.tag_name().name())));
    }
    let mut reader = Reader { warnings: Vec::new() };
    reader.attributes(root, &[]);
    let verbs = reader.verbs(root)?;
    if verbs.iter().skip(1).any(|verb| matches!(verb, Verb::Reject { .. })) {
        reader.warn("<Reject> is not the first verb");
    }
    Ok(Document { verbs, warnings: reader.warnings })
}

fn error(code: u32, text: impl Into<String>) -> TwimlError {
    TwimlError { code, text: text.into() }
}

struct Reader {
    warnings: Vec<TwimlError>,
}

impl Reader {
    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(error(12_200, text));
    }

    fn attributes(&mut self, node: Node<'_, '_>, known: &[&str]) {
        for attribute in node.attributes() {
            if !known.contains(&attribute.name()) {
                let element = node.tag_name().name();
                self.warn(format!("<{element}> has no attribute {:?}", attribute.name()));
            }
        }
    }

    fn verbs(&mut self, parent: Node<'_, '_>) -> Result<Vec<Verb>, TwimlError> {
        let mut verbs = Vec::new();
        for node in parent.children() {
            if node.is_text() && node.text().is_some_and(|text| !text.trim().is_empty()) {
                self.warn("text between the verbs");
            }
            if node.is_element() {
                verbs.extend(self.verb(node)?);
            }
        }
        Ok(verbs)
    }

    fn verb(&mut self, node: Node<'_, '_>) -> Result<Option<Verb>, TwimlError> {
        let name = node.tag_name().name();
        Ok(Some(match name {
            "Say" => self.say(node)?,
            "Play" => self.play(node),
            "Pause" => {
                self.attributes(node, &["length"]);
                Verb::Pause(number(node, "length", 1.0))
            }
            "Gather" => self.gather(node)?,
            "Record" => self.record(node),
            "Dial" => self.dial(node)?,
            "Redirect" => {
                self.attributes(node, &["method"]);
                Verb::Redirect { url: text_of(node), method: method(node, "method") }
            }
            "Reject" => {
                self.attributes(node, &["reason"]);
                Verb::Reject { busy: node.attribute("reason") == Some("busy") }
            }
            "Hangup" => {
                self.attributes(node, &[]);
                Verb::Hangup
            }
            "Connect" => self.connect(node)?,
            "Start" | "Stop" | "Enqueue" | "Leave" => Verb::Skipped(name.to_owned()),
            _ => {
                self.warn(format!("there is no verb <{name}>"));
                return Ok(None);
            }
        }))
    }

    fn say(&mut self, node: Node<'_, '_>) -> Result<Verb, TwimlError> {
        self.attributes(node, &["voice", "language", "loop"]);
        let text = text_of(node);
        if text.is_empty() || text.chars().count() > 4_096 {
            return Err(error(13_520, format!("<Say> of {} characters", text.chars().count())));
        }
        Ok(Verb::Say { text, times: number(node, "loop", 1.0) as u32 })
    }

    fn play(&mut self, node: Node<'_, '_>) -> Verb {
        self.attributes(node, &["loop", "digits"]);
        Verb::Play { url: text_of(node), digits: owned(node, "digits") }
    }

    fn gather(&mut self, node: Node<'_, '_>) -> Result<Verb, TwimlError> {
        self.attributes(
            node,
            &[
                "input",
                "action",
                "method",
                "timeout",
                "numDigits",
                "finishOnKey",
                "actionOnEmptyResult",
                "speechTimeout",
                "language",
                "hints",
                "bargeIn",
            ],
        );
        Ok(Verb::Gather(Gather {
            action: owned(node, "action"),
            method: method(node, "method"),
            timeout: number(node, "timeout", 5.0),
            num_digits: node.attribute("numDigits").and_then(|n| n.parse().ok()),
            finish_on_key: node.attribute("finishOnKey").unwrap_or("#").to_owned(),
            action_on_empty: node.attribute("actionOnEmptyResult") == Some("true"),
            prompts: self.verbs(node)?,
        }))
    }

    fn record(&mut self, node: Node<'_, '_>) -> Verb {
        self.attributes(
            node,
            &[
                "action",
                "method",
                "timeout",
                "finishOnKey",
                "maxLength",
                "playBeep",
                "trim",
                "transcribe",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
                "recordingStatusCallbackEvent",
            ],
        );
        Verb::Record(Record {
            action: owned(node, "action"),
            method: method(node, "method"),
            max_length: number(node, "maxLength", 3_600.0),
            status_callback: owned(node, "recordingStatusCallback"),
        })
    }

    fn dial(&mut self, node: Node<'_, '_>) -> Result<Verb, TwimlError> {
        self.attributes(
            node,
            &[
                "action",
                "method",
                "timeout",
                "timeLimit",
                "callerId",
                "answerOnBridge",
                "hangupOnStar",
                "record",
                "ringTone",
                "sequential",
                "callReason",
                "recordingStatusCallback",
                "recordingStatusCallbackMethod",
                "recordingStatusCallbackEvent",
                "trim",
            ],
        );
        let mut targets: Vec<String> = Vec::new();
        for child in node.children() {
            match child.tag_name().name() {
                "" => targets.extend(child.text().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty())),
                "Number" | "Sip" | "Client" | "Conference" | "Queue" | "Application" => {
                    targets.push(text_of(child));
                }
                other => self.warn(format!("<Dial> has no noun <{other}>")),
            }
        }
        for target in &targets {
            let digits = target.strip_prefix('+').unwrap_or_default();
            let is_number = target.bytes().all(|b| b == b'+' || b.is_ascii_digit());
            if is_number && !(7..=15).contains(&digits.len()) {
                return Err(error(13_223, format!("{target:?} is not an E.164 number")));
            }
        }
        Ok(Verb::Dial(Dial {
            targets,
            action: owned(node, "action"),
            method: method(node, "method"),
            timeout: number(node, "timeout", 30.0) as u64,
            caller_id: owned(node, "callerId"),
        }))
    }

    fn connect(&mut self, node: Node<'_, '_>) -> Result<Verb, TwimlError> {
        self.attributes(node, &["action", "method"]);
        let mut nouns = node.children().filter(Node::is_element);
        let (Some(noun), None) = (nouns.next(), nouns.next()) else {
            return Err(error(12_200, "<Connect> needs exactly one noun"));
        };
        if noun.tag_name().name() != "Stream" {
            let found = noun.tag_name().name();
            return Err(error(12_200, format!("<Connect><{found}> is not simulated")));
        }
        Ok(Verb::Connect { action: owned(node, "action"), method: method(node, "method"), stream: self.stream(noun)? })
    }

    fn stream(&mut self, node: Node<'_, '_>) -> Result<StreamNoun, TwimlError> {
        self.attributes(node, &["url", "name", "track", "statusCallback", "statusCallbackMethod"]);
        if !matches!(node.attribute("track"), None | Some("inbound_track")) {
            return Err(error(31_941, "only inbound_track inside <Connect>"));
        }
        let given = node.attribute("url").unwrap_or_default();
        let Some(rest) = given.strip_prefix("wss://") else {
            let code = if given.contains("://") { 31_922 } else { 31_923 };
            return Err(error(code, format!("stream url {given:?}: wss://… wanted")));
        };
        if rest.is_empty() || rest.starts_with('/') {
            return Err(error(31_923, format!("stream url {given:?} has no host")));
        }
        let url = given.split(['?', '#']).next().unwrap_or(given).to_owned();
        if url != given {
            self.warnings.push(error(31_920, "the query string of a stream url is cut off"));
        }
        let parameters = self.parameters(node)?;
        Ok(StreamNoun {
            url,
            name: owned(node, "name"),
            status_callback: owned(node, "statusCallback"),
            status_callback_method: method(node, "statusCallbackMethod"),
            parameters,
        })
    }

    fn parameters(&mut self, node: Node<'_, '_>) -> Result<Vec<Parameter>, TwimlError> {
        let mut parameters = Vec::new();
        for child in node.children().filter(Node::is_element) {
            if child.tag_name().name() != "Parameter" {
                self.warn(format!("<Stream> has no <{}>", child.tag_name().name()));
                continue;
            }
            self.attributes(child, &["name", "value"]);
            let name = child.attribute("name").unwrap_or_default().to_owned();
            let value = child.attribute("value").unwrap_or_default().to_owned();
            if name.chars().count() + value.chars().count() >= 500 {
                return Err(error(12_200, format!("parameter {name:?} has 500 characters or more")));
            }
            parameters.push(Parameter { name, value });
        }
        Ok(parameters)
    }
}

fn owned(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(str::to_owned)
}

fn number(node: Node<'_, '_>, name: &str, default: f64) -> f64 {
    let value = node.attribute(name).and_then(|n| n.parse().ok());
    value.filter(|n: &f64| *n >= 0.0).unwrap_or(default)
}

fn method(node: Node<'_, '_>, name: &str) -> Method {
    match node.attribute(name) {
        Some("GET") => Method::Get,
        _ => Method::Post,
    }
}

fn text_of(node: Node<'_, '_>) -> String {
    let text: String = node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Connect>
    <Stream url="wss://desk.example.com/twilio/media/6f1c" statusCallback="https://desk.example.com/s">
      <Parameter name="token" value="6f1c"/>
    </Stream>
  </Connect>
  <Say>One moment, I am connecting you &amp; yours.</Say>
  <Dial timeout="15" callerId="+15550100100"><Number>+15550100900</Number></Dial>
</Response>"#;

    #[test]
    fn the_usual_document_is_understood_without_a_warning() {
        let document = parse(USUAL).unwrap();
        assert!(document.warnings.is_empty(), "{:?}", document.warnings);
        let Verb::Connect { stream, action: None, .. } = &document.verbs[0] else {
            panic!("{:?}", document.verbs[0]);
        };
        assert_eq!(stream.parameters[0].value, "6f1c");
        assert_eq!(document.verbs[1].to_string(), r#"Say "One moment, I am connecting you & yours.""#);
        let Verb::Dial(dial) = &document.verbs[2] else { panic!() };
        assert_eq!((dial.targets[0].as_str(), dial.timeout), ("+15550100900", 15));
    }

    fn code(text: &str) -> u32 {
        parse(text).expect_err(text).code
    }

    fn in_connect(stream: &str) -> String {
        format!("<Response><Connect>{stream}</Connect></Response>")
    }

    #[test]
    fn what_twilio_refuses_is_refused_with_its_code() {
        assert_eq!(code("<html>"), 12_100);
        assert_eq!(code("<Response><Say>a & b</Say></Response>"), 12_100);
        assert_eq!(code("<html></html>"), 12_102);
        assert_eq!(code(&format!("<Response>{}</Response>", " ".repeat(MAX_DOCUMENT))), 11_750);
        assert_eq!(code(&in_connect(r#"<Stream url="ws://desk.example.com/"/>"#)), 31_922);
        assert_eq!(code(&in_connect(r#"<Stream url="/media"/>"#)), 31_923);
        assert_eq!(code(&in_connect(r#"<Stream url="wss://a/" track="both_tracks"/>"#)), 31_941);
        assert_eq!(code(&in_connect("")), 12_200);
        assert_eq!(code("<Response><Dial>030123456</Dial></Response>"), 13_223);
    }

    #[test]
    fn what_twilio_skips_is_skipped_with_a_warning() {
        let document = parse(r#"<Response><say>x</say><Pause length="2" foo="1"/></Response>"#).unwrap();
        assert_eq!(document.verbs, [Verb::Pause(2.0)]);
        assert_eq!(document.warnings.len(), 2);
        let cut = parse(&in_connect(r#"<Stream url="wss://a/m?token=1"/>"#)).unwrap();
        assert_eq!(cut.warnings[0].code, 31_920);
        let Verb::Connect { stream, .. } = &cut.verbs[0] else { panic!() };
        assert_eq!(stream.url, "wss://a/m");
    }

    #[test]
    fn gather_keeps_its_prompts() {
        let document =
            parse(r#"<Response><Gather numDigits="1" action="/d"><Say>Press one.</Say></Gather></Response>"#).unwrap();
        let Verb::Gather(gather) = &document.verbs[0] else { panic!() };
        assert_eq!((gather.num_digits, gather.prompts.len()), (Some(1), 1));
    }
}
