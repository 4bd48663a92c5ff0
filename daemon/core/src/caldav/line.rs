//! Content lines and components of iCalendar (RFC 5545, 3.1 and 3.4).

use super::ReadError;

/// Components that are nested deeper are no calendar's: an alarm within an event within a calendar is three.
const DEEPEST: usize = 8;

/// `DTSTART;TZID=Europe/London:20261201T140000`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In capitals.
    pub name: String,
    /// Names in capitals, values without their quotes.
    params: Vec<(String, String)>,
    /// As it is written: escapes are still in it.
    pub value: String,
}

impl Line {
    /// Reads one line, unfolded.
    fn read(text: &str) -> Result<Self, ReadError> {
        let bad = ReadError::Calendar("a line has no name and value");
        let named = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let end = text.find(|c| !named(c)).ok_or_else(|| bad.clone())?;
        if end == 0 {
            return Err(bad);
        }
        let (name, mut rest) = text.split_at(end);
        let mut params = Vec::new();
        while let Some(after) = rest.strip_prefix(';') {
            let (key, after) = after.split_once('=').ok_or_else(|| bad.clone())?;
            let end = end_of_parameter(after).ok_or_else(|| bad.clone())?;
            params.push((key.to_ascii_uppercase(), after[..end].replace('"', "")));
            rest = &after[end..];
        }
        let value = rest.strip_prefix(':').ok_or(bad)?;
        Ok(Self { name: name.to_ascii_uppercase(), params, value: value.to_owned() })
    }

    /// A parameter's value, if it is written.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Where a parameter's value ends: at a colon or semicolon that is not within quotes.
fn end_of_parameter(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (!quoted && (c == ':' || c == ';')).then_some(at)
    })
}

/// What stands between a `BEGIN` and its `END`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Component {
    /// In capitals: `VEVENT`.
    pub name: String,
    /// Its own lines.
    pub lines: Vec<Line>,
    /// The components in it.
    pub parts: Vec<Component>,
}

impl Component {
    /// Reads one whole component: nothing before its `BEGIN`, nothing after its `END`.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let mut open: Vec<Self> = Vec::new();
        let mut whole = None;
        for line in unfold(text) {
            let line = Line::read(&line)?;
            if whole.is_some() {
                return Err(ReadError::Calendar("something stands behind its end"));
            }
            let value = line.value.trim().to_ascii_uppercase();
            match line.name.as_str() {
                "BEGIN" if open.len() == DEEPEST => return Err(ReadError::Calendar("it is nested too deeply")),
                "BEGIN" => open.push(Self { name: value, ..Self::default() }),
                "END" => {
                    let done = open.pop().filter(|done| done.name == value);
                    let done = done.ok_or(ReadError::Calendar("an END stands where none belongs"))?;
                    match open.last_mut() {
                        Some(parent) => parent.parts.push(done),
                        None => whole = Some(done),
                    }
                }
                _ => {
                    let within = open.last_mut().ok_or(ReadError::Calendar("it does not begin with BEGIN"))?;
                    within.lines.push(line);
                }
            }
        }
        whole.ok_or(ReadError::Calendar("it ends too early"))
    }

    /// The first line of that name.
    pub fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// All lines of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.name == name)
    }
}

/// The content lines: a physical line that begins with a space or a tab goes on with the one before it. Lines may end in
/// CRLF, as they should, or in LF; empty ones are passed over.
fn unfold(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for physical in text.trim_start_matches('\u{feff}').split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        match (physical.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(line)) => line.push_str(rest),
            _ if physical.trim().is_empty() => {}
            _ => lines.push(physical.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folded_lines_and_quoted_parameters_are_read() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nATTENDEE;CN=\"Osei; Amara: Dr\";ROLE=CHAIR:mailto:os\r\n ei@exam\r\n\tple.\
                    org\r\nsummary:a\r\n  b\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let calendar = Component::read(text).unwrap();
        let event = &calendar.parts[0];
        let attendee = event.line("ATTENDEE").unwrap();
        assert_eq!(attendee.param("CN"), Some("Osei; Amara: Dr"));
        assert_eq!(attendee.param("ROLE"), Some("CHAIR"));
        assert_eq!(attendee.value, "mailto:osei@example.org");
        assert_eq!(event.line("SUMMARY").unwrap().value, "a b", "names in any case, one space is the fold's");
        assert_eq!(Component::read(&text.replace('\r', "")).unwrap(), calendar, "LF alone will do");
    }

    #[test]
    fn half_a_calendar_is_an_error() {
        let whole = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nEND:VEVENT\r\nEND:VCALENDAR";
        assert!(Component::read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(Component::read(&whole[..end]).is_err(), "{:?}", &whole[..end]);
        }
        for wrong in ["", "UID:1", "END:VEVENT", "BEGIN:A\nEND:B", "BEGIN:A\nno colon\nEND:A", "BEGIN:A\nEND:A\nX:1"] {
            assert!(Component::read(wrong).is_err(), "{wrong:?}");
        }
        assert!(Component::read(&"BEGIN:A\n".repeat(9)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s)(BEGIN:|END:|[A-Z]{1,3}|[;:=\"\r\n \t]|.){0,60}") {
            let _ = Component::read(&text);
        }
    }
}
