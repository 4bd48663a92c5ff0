//! Prompts: files with places to be filled in, which are checked when the file is read.

use std::path::Path;

use frontdesk_core::clinic::template::{Blank, Fact, Template, TemplateError};

use super::complaint::{Complaints, Place};
use super::section::{Section, suggestion};

/// What the model must be told to book anything.
const NEEDED: [(&str, Blank); 5] = [
    ("days", Blank::Fact(Fact::Days)),
    ("practitioners", Blank::Fact(Fact::Practitioners)),
    ("services", Blank::Fact(Fact::Services)),
    ("booking", Blank::Booking),
    ("emergency", Blank::Emergency),
];

/// The prompt in the file that `key` names, if it names one; a complaint for everything that is wrong with it.
pub(super) fn file(section: &mut Section<'_>, key: &'static str) -> Option<Template<Blank>> {
    let (place, name) = (section.place(key), section.name(key));
    let path = section.readable_file(key)?;
    let (found, remedy) = match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return parse(&path, text.trim_end(), section.out),
        Ok(_) => ("names an empty file".to_owned(), "write the system instruction into it"),
        Err(error) => (format!("cannot be used ({error})"), "name a text file in UTF-8"),
    };
    section.out.error(place, name, found, remedy);
    None
}

fn parse(path: &Path, text: &str, out: &mut Complaints) -> Option<Template<Blank>> {
    let known = Blank::named();
    let complain = |errors: Vec<TemplateError>| {
        for error in errors {
            let place = Place { file: path.into(), line: Some(error.line) };
            let (found, remedy) = said(&error, &known);
            out.error(Some(place), "", found, remedy);
        }
    };
    Template::parse(text, &known).map_err(complain).ok()
}

/// A text of one line with places, for [`Section::optional`].
pub(super) fn sentence<P: Copy + PartialEq>(text: &str, known: &[(&str, P)]) -> Result<Template<P>, String> {
    Template::parse(text, known).map_err(|errors| {
        let said = errors.iter().map(|error| said(error, known)).map(|(found, remedy)| format!("{found}: {remedy}"));
        said.collect::<Vec<_>>().join("; ")
    })
}

fn said<P>(error: &TemplateError, known: &[(&str, P)]) -> (String, String) {
    let Some(unknown) = &error.unknown else {
        return ("has a { that nothing closes".to_owned(), "close it, or write {{ for the brace itself".to_owned());
    };
    let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
    let all: Vec<_> = names.iter().map(|name| format!("{{{name}}}")).collect();
    let shown: String = unknown.chars().take(40).collect();
    (
        format!("{{{shown}}} is no placeholder"),
        format!("{}placeholders are {}", suggestion(unknown, &names), all.join(", ")),
    )
}

/// Points out what a prompt of the clinic's own leaves out, and what booking needs.
pub(super) fn advise(prompt: &Template<Blank>, place: Option<Place>, key: &str, out: &mut Complaints) {
    let missing: Vec<_> =
        NEEDED.iter().filter(|(_, blank)| !prompt.has(*blank)).map(|(name, _)| format!("{{{name}}}")).collect();
    if !missing.is_empty() {
        let remedy = "put them into the prompt: without them the agent cannot book rightly";
        out.advise(place, key, format!("does not use {}", missing.join(", ")), remedy);
    }
}
