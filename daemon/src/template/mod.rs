//! What letters look like: templates that a clinic may replace one by one, in any language.
//!
//! ```text
//! built in (en, de) ─┐
//!                    ├─ by name: de/confirmation.txt ─► Facts ─► subject, text, page
//! the clinic's folder ┘
//! ```
//!
//! A letter is a pair of files: `NAME.txt`, whose first line is `Subject: …`, and `NAME.html`. Placeholders are the fields
//! of [`Facts`] and [`MessageFacts`]. Every template is tried out when it is loaded, so that a wrong one is found
//! before a patient waits for it.

mod files;

use std::fmt;
use std::path::{Path, PathBuf};

use frontdesk_core::letter::facts::{Facts, MessageFacts};
use frontdesk_core::letter::{Notice, clean};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

/// Longest subject, in characters.
const LONGEST_SUBJECT: usize = 200;
/// Steps that one template may take: a loop without an end is a mistake.
const FUEL: u64 = 100_000;
/// The staff's letter.
const MESSAGE: &str = "message";
const SUBJECT: &str = "Subject:";

/// A letter that is ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Its lines end with CRLF.
    pub text: String,
    /// The same as a page; staff get none.
    pub html: Option<String>,
}

/// A template will not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The file, or the name of a built-in template.
    pub file: PathBuf,
    /// Its line, counted from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl TemplateError {
    /// File and line, as compilers write them: `de/reminder.txt:3`.
    pub fn place(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        format!("{}{line}", self.file.display())
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place(), self.found, self.remedy)
    }
}

/// The templates of all languages.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// In lower case: `de`, `pt-br`.
    languages: Vec<String>,
    folder: Option<PathBuf>,
}

impl Templates {
    /// The built-in templates, and those of `folder` in their place and beside them. Blocks on the file system; the error
    /// holds everything that is wrong.
    pub fn load(folder: Option<&Path>) -> Result<Self, Vec<TemplateError>> {
        let mut templates = Self {
            environment: environment(),
            languages: files::LANGUAGES.map(str::to_owned).to_vec(),
            folder: folder.map(Path::to_owned),
        };
        let mut errors = Vec::new();
        for (name, text) in files::BUILT_IN {
            templates.add(name, (*text).to_owned(), &mut errors);
        }
        if let Some(folder) = folder {
            for (name, text) in files::read(folder, &mut errors) {
                let language = name.split('/').next().filter(|language| language.len() < name.len());
                if let Some(language) = language.filter(|found| !templates.languages.iter().any(|known| known == found))
                {
                    templates.languages.push(language.to_owned());
                }
                templates.add(&name, text, &mut errors);
            }
        }
        if errors.is_empty() {
            templates.try_out(&mut errors);
        }
        if errors.is_empty() { Ok(templates) } else { Err(errors) }
    }

    fn add(&mut self, name: &str, text: String, errors: &mut Vec<TemplateError>) {
        if let Err(error) = self.environment.add_template_owned(name.to_owned(), text) {
            errors.push(self.explained(name, &error));
        }
    }

    /// Renders everything with made-up facts: all of them, and as few as there may be.
    fn try_out(&self, errors: &mut Vec<TemplateError>) {
        for language in &self.languages {
            for facts in [samples::full(), samples::bare()] {
                errors.extend(Notice::ALL.iter().filter_map(|notice| self.notice(*notice, language, &facts).err()));
            }
            for facts in [samples::message(), samples::bare_message()] {
                errors.extend(self.message(language, &facts).err());
            }
        }
        errors.dedup();
    }

    /// The language in which somebody is written to who reads `wanted`, a BCP-47 tag: the nearest that there are templates
    /// for, else the clinic's, else English.
    pub fn language(&self, wanted: &str, clinic: &str) -> &str {
        let nearest = |tag: &str| {
            let tag = tag.to_ascii_lowercase();
            let mut shorter = tag.as_str();
            loop {
                if let Some(found) = self.languages.iter().find(|known| *known == shorter) {
                    return Some(found.as_str());
                }
                shorter = shorter.rsplit_once('-')?.0;
            }
        };
        nearest(wanted).or_else(|| nearest(clinic)).unwrap_or("en")
    }

    /// A letter to a patient. `language` is one that [`language`](Self::language) has found.
    pub fn notice(&self, notice: Notice, language: &str, facts: &Facts) -> Result<Letter, TemplateError> {
        let name = format!("{language}/{}", notice.name());
        let mut letter = self.text(&name, language, facts)?;
        letter.html = Some(self.render(&format!("{name}.html"), language, facts)?);
        Ok(letter)
    }

    /// A letter to the clinic's staff about a message that was left for them.
    pub fn message(&self, language: &str, facts: &MessageFacts) -> Result<Letter, TemplateError> {
        self.text(&format!("{language}/{MESSAGE}"), language, facts)
    }

    fn text(&self, name: &str, language: &str, facts: &impl Serialize) -> Result<Letter, TemplateError> {
        let name = format!("{name}.txt");
        let rendered = self.render(&name, language, facts)?;
        let (first, text) = rendered.split_once('\n').unwrap_or((&rendered, ""));
        let subject = first.strip_prefix(SUBJECT).map(|subject| clean::line(subject, LONGEST_SUBJECT));
        let wrong = |found: &str, remedy: &str| TemplateError {
            file: self.place(&name),
            line: Some(1),
            found: found.to_owned(),
            remedy: remedy.to_owned(),
        };
        let Some(subject) = subject.filter(|subject| !subject.is_empty()) else {
            return Err(wrong("has no subject", "begin the file with a line \"Subject: …\""));
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("has a subject and nothing else", "write the letter below it"));
        }
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\r\n") + "\r\n";
        Ok(Letter { subject, text, html: None })
    }

    fn render(&self, name: &str, language: &str, facts: &impl Serialize) -> Result<String, TemplateError> {
        let facts = context! { language, ..Value::from(Serde(facts)) };
        let rendered = self.environment.get_template(name).and_then(|template| template.render(facts));
        rendered.map_err(|error| self.explained(name, &error))
    }

    fn explained(&self, name: &str, error: &minijinja::Error) -> TemplateError {
        use minijinja::ErrorKind::{OutOfFuel, TemplateNotFound, UndefinedError};
        let place = error.name().unwrap_or(name);
        let (found, remedy) = match error.kind() {
            TemplateNotFound => ("is missing", format!("write it, beside the other letters: {}", files::names())),
            UndefinedError => {
                ("uses a placeholder that there is not", format!("placeholders are {}", placeholders(name)))
            }
            OutOfFuel => ("does not end", "leave the loop out".to_owned()),
            _ => ("is no template here", "see the built-in ones for how they are written".to_owned()),
        };
        let detail = error.detail().map_or_else(String::new, |detail| format!(" ({detail})"));
        TemplateError { file: self.place(place), line: error.line(), found: format!("{found}{detail}"), remedy }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.folder.as_deref().unwrap_or(Path::new("")).join(name)
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    // A line that holds only {% … %} leaves no line behind.
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("no delimiter is changed"));
    environment
}

/// The placeholders of a template.
fn placeholders(name: &str) -> String {
    let facts = if name.ends_with(&format!("/{MESSAGE}.txt")) {
        serde_json::to_value(samples::message())
    } else {
        serde_json::to_value(samples::full())
    };
    let facts = facts.expect("facts are texts, numbers and truth values");
    facts.as_object().map(|facts| facts.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default()
}

/// What templates are tried out with.
mod samples {
    use super::{Facts, MessageFacts};

    pub(super) fn full() -> Facts {
        let text = |text: &str| text.to_owned();
        Facts {
            clinic: text("Riverside Clinic"),
            name: text("Luis Pérez"),
            patient: text("Ana Pérez"),
            for_other: true,
            reference: text("K7Q-4MR"),
            when: text("Tuesday, December 1, 2026, 2:00 PM"),
            when_short: text("Tue, Dec 1, 2:00 PM"),
            date: text("2026-12-01"),
            time: text("14:00"),
            zone: text("Europe/Berlin"),
            practitioner: text("Dr. Amara Osei"),
            location: text("Main house"),
            address: text("Uferstraße 12, 10115 Berlin"),
            preparation: text("Please bring your insurance card."),
        }
    }

    pub(super) fn bare() -> Facts {
        let empty = String::new;
        Facts {
            for_other: false,
            practitioner: empty(),
            location: empty(),
            address: empty(),
            preparation: empty(),
            ..full()
        }
    }

    pub(super) fn message() -> MessageFacts {
        MessageFacts {
            clinic: "Riverside Clinic".to_owned(),
            number: 12,
            name: "Ana Pérez".to_owned(),
            phone: "+15550100200".to_owned(),
            topic: "prescription".to_owned(),
            text: "Please call me back.".to_owned(),
            today: true,
        }
    }

    pub(super) fn bare_message() -> MessageFacts {
        MessageFacts { phone: String::new(), today: false, ..message() }
    }
}

#[cfg(test)]
mod tests;
