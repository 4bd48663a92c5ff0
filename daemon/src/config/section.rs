//! Taking a section apart: each key is asked for once, with its type, its default and what would do; what nobody
//! asked for is unknown.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::complaint::{Complaints, Place};
use super::file::{Entry, Table, Value};

/// Characters of a value that a complaint repeats.
const SHOWN_CHARS: usize = 60;

/// One section of the configuration while it is being checked.
///
/// Every complaint goes to `out` and the default stands in, so that one run finds everything.
pub(super) struct Section<'a> {
    /// As it is written, brackets included.
    title: String,
    table: Table,
    known: Vec<&'static str>,
    /// The file that is named when a key is missing.
    file: &'a Path,
    pub(super) out: &'a mut Complaints,
}

impl<'a> Section<'a> {
    /// Takes the section `name` out of `tables`; a section that is not written is empty.
    pub(super) fn open(tables: &mut Table, name: &str, file: &'a Path, out: &'a mut Complaints) -> Self {
        let title = format!("[{name}]");
        let table = match tables.remove(name) {
            None => Table::new(),
            Some(Entry { value: Value::Table(table), .. }) => table,
            Some(Entry { place, value }) => {
                out.error(Some(place), name, shown(&value), format!("write a section {title} with keys in it"));
                Table::new()
            }
        };
        Self { title, table, known: Vec::new(), file, out }
    }

    /// Section and key, as complaints name them.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{} {key}", self.title)
    }

    /// Where `key` is written, if it is and was not taken yet.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.place.clone())
    }

    fn take(&mut self, key: &'static str) -> Option<Entry> {
        self.known.push(key);
        self.table.remove(key)
    }

    /// A text that `read` understands; `default` when it is not written.
    pub(super) fn text<T, E: Display>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// A text that has no default and may be left out.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, read, shown)
    }

    /// Like [`optional`](Self::optional) for what a complaint must not repeat.
    pub(super) fn private<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, read, |_| "has a value that will not do".to_owned())
    }

    fn read<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
        found: impl FnOnce(&Value) -> String,
    ) -> Option<T> {
        let Entry { place, value } = self.take(key)?;
        let result = match &value {
            Value::Text(text) => read(text).map_err(|error| error.to_string()),
            _ => Err("expected a text in quotes".to_owned()),
        };
        result.map_err(|remedy| self.out.error(Some(place), self.name(key), found(&value), remedy)).ok()
    }

    /// Complains when `key` is not written. Ask before the key is taken.
    pub(super) fn require(&mut self, key: &'static str, remedy: &str) {
        if !self.table.contains_key(key) {
            let place = Place { file: self.file.into(), line: None };
            self.out.error(Some(place), self.name(key), "is missing", remedy);
        }
    }

    /// A whole number within `range`; `default` when it is not written.
    pub(super) fn integer(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(Entry { place, value }) = self.take(key) else { return default };
        let (least, most) = (range.start(), range.end());
        if let Value::Integer(number) = value
            && let Ok(number) = u32::try_from(number)
            && range.contains(&number)
        {
            return number;
        }
        let remedy = format!("choose a whole number from {least} to {most}");
        self.out.error(Some(place), self.name(key), shown(&value), remedy);
        default
    }

    /// A file that must be there and readable; a relative path starts beside the configuration file.
    pub(super) fn readable_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let base = self.file.parent().unwrap_or(Path::new("")).to_owned();
        self.optional(key, |text| {
            let path = base.join(text);
            match std::fs::File::open(&path).and_then(|file| file.metadata()) {
                Ok(about) if about.is_file() => Ok(path),
                Ok(_) => Err(format!("{} is not a file", path.display())),
                Err(error) => Err(format!("{} cannot be read ({error})", path.display())),
            }
        })
    }

    /// A section within this one, if it is written: `vertex = { … }` or `[gemini.vertex]`.
    pub(super) fn nested(&mut self, key: &'static str) -> Option<Section<'_>> {
        let title = format!("{}.{key}]", self.title.trim_end_matches(']'));
        let Entry { place, value } = self.take(key)?;
        if let Value::Table(table) = value {
            return Some(Section { title, table, known: Vec::new(), file: self.file, out: self.out });
        }
        self.out.error(Some(place), self.name(key), shown(&value), "expected { … } with keys in it");
        None
    }

    /// Complains of every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, entry) in &self.table {
            let remedy = match nearest(key, &self.known) {
                Some(near) => format!("did you mean {near}?"),
                None if looks_secret(key) => {
                    "secrets are not kept in this file: pass a systemd credential or an environment variable".to_owned()
                }
                None => format!("its keys are {}", self.known.join(", ")),
            };
            self.out.error(Some(entry.place.clone()), format!("{} {key}", self.title), "is not a known key", remedy);
        }
        self.out.known.extend(self.known.into_iter().map(|key| (self.title.clone(), key)));
    }
}

/// Complains of sections that are not known to this version, and of keys before the first section.
pub(super) fn reject_unknown_sections(tables: &Table, known: &[&'static str], out: &mut Complaints) {
    let all = known.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(", ");
    for (name, entry) in tables {
        let place = Some(entry.place.clone());
        if !matches!(entry.value, Value::Table(_)) {
            out.error(place, name, "stands outside a section", format!("move it into one of {all}"));
            continue;
        }
        let near = nearest(name, known).map_or_else(String::new, |near| format!("did you mean [{near}]? "));
        out.error(place, format!("[{name}]"), "is not known to this version", format!("{near}sections are {all}"));
    }
}

/// The known word that a misspelt one was probably meant to be.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A word that is mostly wrong is another word.
    let tolerated = (word.chars().count() / 3).clamp(1, 3);
    known
        .iter()
        .map(|&candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= tolerated)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// The nearest of `known`, for values that are names.
pub(super) fn suggestion(word: &str, known: &[&str]) -> String {
    let word = word.to_lowercase();
    let lower: Vec<String> = known.iter().map(|name| name.to_lowercase()).collect();
    let candidates: Vec<&str> = lower.iter().map(String::as_str).collect();
    nearest(&word, &candidates)
        .and_then(|near| known.iter().find(|name| name.eq_ignore_ascii_case(near)))
        .map_or_else(String::new, |name| format!("did you mean {name}? "))
}

fn looks_secret(key: &str) -> bool {
    ["token", "key", "secret", "password", "sid", "credential"].iter().any(|word| key.to_lowercase().contains(word))
}

/// A value as a complaint repeats it.
fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => {
            let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
            if shown.len() < text.len() {
                shown.push('…');
            }
            format!("= {shown:?}")
        }
        Value::Integer(number) => format!("= {number}"),
        Value::Table(_) => "is a section".to_owned(),
        Value::Other(kind) => format!("is {kind}"),
    }
}
