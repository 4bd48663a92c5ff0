//! Where templates come from.

use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::{MESSAGE, Notice, TemplateError};

/// A template is a page; whatever is larger is something else.
const MAX_BYTES: u64 = 256 * 1024;

/// The languages that are built in.
pub(super) const LANGUAGES: [&str; 2] = ["en", "de"];

/// What is built in, by its name.
pub(super) const BUILT_IN: &[(&str, &str)] = &[
    ("letter.html", include_str!("../../../images/mail/letter.html")),
    ("en/confirmation.txt", include_str!("../../../images/mail/en/confirmation.txt")),
    ("en/confirmation.html", include_str!("../../../images/mail/en/confirmation.html")),
    ("en/rescheduled.txt", include_str!("../../../images/mail/en/rescheduled.txt")),
    ("en/rescheduled.html", include_str!("../../../images/mail/en/rescheduled.html")),
    ("en/cancellation.txt", include_str!("../../../images/mail/en/cancellation.txt")),
    ("en/cancellation.html", include_str!("../../../images/mail/en/cancellation.html")),
    ("en/reminder.txt", include_str!("../../../images/mail/en/reminder.txt")),
    ("en/reminder.html", include_str!("../../../images/mail/en/reminder.html")),
    ("en/facts.txt", include_str!("../../../images/mail/en/facts.txt")),
    ("en/facts.html", include_str!("../../../images/mail/en/facts.html")),
    ("en/message.txt", include_str!("../../../images/mail/en/message.txt")),
    ("de/confirmation.txt", include_str!("../../../images/mail/de/confirmation.txt")),
    ("de/confirmation.html", include_str!("../../../images/mail/de/confirmation.html")),
    ("de/rescheduled.txt", include_str!("../../../images/mail/de/rescheduled.txt")),
    ("de/rescheduled.html", include_str!("../../../images/mail/de/rescheduled.html")),
    ("de/cancellation.txt", include_str!("../../../images/mail/de/cancellation.txt")),
    ("de/cancellation.html", include_str!("../../../images/mail/de/cancellation.html")),
    ("de/reminder.txt", include_str!("../../../images/mail/de/reminder.txt")),
    ("de/reminder.html", include_str!("../../../images/mail/de/reminder.html")),
    ("de/facts.txt", include_str!("../../../images/mail/de/facts.txt")),
    ("de/facts.html", include_str!("../../../images/mail/de/facts.html")),
    ("de/message.txt", include_str!("../../../images/mail/de/message.txt")),
];

/// The files that a language has.
pub(super) fn names() -> String {
    let letters = Notice::ALL.map(|notice| format!("{0}.txt, {0}.html", notice.name()));
    format!("{}, {MESSAGE}.txt", letters.join(", "))
}

/// The templates below `folder`: `NAME.txt` and `NAME.html` in it, and in the folders of its languages. The names are as
/// templates call them, the languages in lower case. What cannot be read is complained about and left out.
pub(super) fn read(folder: &Path, errors: &mut Vec<TemplateError>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, path) in listed(folder, errors) {
        if !path.is_dir() {
            found.extend(template(&path, errors).map(|text| (name, text)));
            continue;
        }
        if !is_language(&name) {
            errors.push(wrong(&path, "is not named after a language", "name the folder en, de or pt-br"));
            continue;
        }
        let language = name.to_ascii_lowercase();
        for (name, path) in listed(&path, errors) {
            found.extend(template(&path, errors).map(|text| (format!("{language}/{name}"), text)));
        }
    }
    found
}

fn listed(folder: &Path, errors: &mut Vec<TemplateError>) -> Vec<(String, std::path::PathBuf)> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match entries {
        Ok(mut entries) => {
            entries.sort_by_key(std::fs::DirEntry::file_name);
            let named = |entry: &std::fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
            // Editors and version control leave things behind that begin with a dot.
            entries.iter().filter_map(named).filter(|(name, _)| !name.starts_with('.')).collect()
        }
        Err(error) => {
            errors.push(wrong(folder, &format!("cannot be read ({error})"), "name a folder of templates"));
            Vec::new()
        }
    }
}

/// The text of a file that is a template by its name; others, a README say, are not looked at.
fn template(path: &Path, errors: &mut Vec<TemplateError>) -> Option<String> {
    if !path.extension().is_some_and(|extension| extension == "txt" || extension == "html") {
        return None;
    }
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
    let (found, remedy) = match read {
        Ok(length) if length as u64 > MAX_BYTES => ("has more than 256 KiB".to_owned(), "write a shorter one"),
        Ok(_) => return Some(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n")),
        Err(error) if error.kind() == ErrorKind::InvalidData => ("is not UTF-8".to_owned(), "save the file as UTF-8"),
        Err(error) => (format!("cannot be read ({error})"), "let the user that the daemon runs as read it"),
    };
    errors.push(wrong(path, &found, remedy));
    None
}

fn is_language(name: &str) -> bool {
    let mut parts = name.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn wrong(path: &Path, found: &str, remedy: &str) -> TemplateError {
    TemplateError { file: path.to_owned(), line: None, found: found.to_owned(), remedy: remedy.to_owned() }
}
