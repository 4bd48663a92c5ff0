//! TOML that knows where each key is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{Complaint, Place};

/// A table of a file. Every key has to be taken, or it is complained of.
pub(super) struct Table {
    file: PathBuf,
    /// For example `ipv4`; empty for the file itself.
    section: String,
    entries: BTreeMap<String, (usize, Value)>,
    known: Vec<&'static str>,
}

/// What a key may have.
pub(super) enum Value {
    Text(String),
    Truth(bool),
    Texts(Vec<String>),
    Table(Table),
    Other(&'static str),
}

impl Table {
    /// Reads the text of `file`; complains of every syntax error.
    pub(super) fn parse(file: &Path, text: &str, out: &mut Vec<Complaint>) -> Self {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let line = error.span().map(|span| line_of(text, span.start));
            out.push(complaint(file, line, "", "is not TOML here".to_owned(), error.message()));
        }
        // What a broken line was meant to say is guesswork.
        let table = DeTable::new();
        Self::of(file, text, "", if errors.is_empty() { document.get_ref() } else { &table })
    }

    fn of(file: &Path, text: &str, section: &str, table: &DeTable<'_>) -> Self {
        let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let inner =
                if section.is_empty() { key.get_ref().to_string() } else { format!("{section}.{}", key.get_ref()) };
            let value = match value.get_ref() {
                DeValue::String(text) => Value::Text(text.to_string()),
                DeValue::Boolean(truth) => Value::Truth(*truth),
                DeValue::Table(table) => Value::Table(Self::of(file, text, &inner, table)),
                DeValue::Array(items) => texts(items.iter().map(Spanned::get_ref)),
                DeValue::Integer(_) | DeValue::Float(_) => Value::Other("a number"),
                DeValue::Datetime(_) => Value::Other("a date"),
            };
            (key.get_ref().to_string(), (line_of(text, key.span().start), value))
        };
        let entries = table.iter().map(entry).collect();
        Self { file: file.to_owned(), section: section.to_owned(), entries, known: Vec::new() }
    }

    /// Complains of `key`.
    pub(super) fn complain(&self, line: Option<usize>, key: &str, found: &str, remedy: &str) -> Complaint {
        let key = match self.section.as_str() {
            "" => key.to_owned(),
            section => format!("[{section}] {key}"),
        };
        complaint(&self.file, line, &key, found.to_owned(), remedy)
    }

    /// The keys that are left, with their lines and texts: for a table whose keys are names. Others are complained of.
    pub(super) fn into_texts(self, out: &mut Vec<Complaint>) -> Vec<(String, usize, String)> {
        let Self { file, section, entries, .. } = self;
        let shell = Self { file, section, entries: BTreeMap::new(), known: Vec::new() };
        let mut texts = Vec::new();
        for (key, (line, value)) in entries {
            match value {
                Value::Text(text) => texts.push((key, line, text)),
                other => out.push(shell.complain(Some(line), &key, other.name(), "write it in quotes")),
            }
        }
        texts
    }

    /// Takes a key.
    pub(super) fn take(&mut self, key: &'static str) -> Option<(usize, Value)> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// Takes a text and reads it.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
        out: &mut Vec<Complaint>,
    ) -> Option<T> {
        let (line, value) = self.take(key)?;
        match value {
            Value::Text(text) => match read(&text) {
                Ok(value) => return Some(value),
                // It may be a pass phrase: it is not repeated.
                Err(remedy) => out.push(self.complain(Some(line), key, "will not do", remedy)),
            },
            other => out.push(self.complain(Some(line), key, other.name(), "write it in quotes")),
        }
        None
    }

    /// Takes a truth, `false` without it.
    pub(super) fn truth(&mut self, key: &'static str, out: &mut Vec<Complaint>) -> bool {
        match self.take(key) {
            None => false,
            Some((_, Value::Truth(truth))) => truth,
            Some((line, other)) => {
                out.push(self.complain(Some(line), key, other.name(), "write true or false"));
                false
            }
        }
    }

    /// Takes a list of texts, each of which is read; empty without it.
    pub(super) fn texts<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, &'static str>,
        out: &mut Vec<Complaint>,
    ) -> Vec<T> {
        let Some((line, value)) = self.take(key) else { return Vec::new() };
        let Value::Texts(texts) = value else {
            out.push(self.complain(Some(line), key, value.name(), "write a list: [\"…\", \"…\"]"));
            return Vec::new();
        };
        let mut values = Vec::new();
        for text in &texts {
            match read(text) {
                Ok(value) => values.push(value),
                Err(remedy) => out.push(self.complain(Some(line), key, "holds something that will not do", remedy)),
            }
        }
        values
    }

    /// Takes a table.
    pub(super) fn table(&mut self, key: &'static str, out: &mut Vec<Complaint>) -> Option<Self> {
        match self.take(key)? {
            (_, Value::Table(table)) => Some(table),
            (line, other) => {
                out.push(self.complain(Some(line), key, other.name(), "write it as a table, under [its name]"));
                None
            }
        }
    }

    /// Complains of every key that nobody has taken.
    pub(super) fn finish(self, out: &mut Vec<Complaint>) {
        for (key, (line, _)) in &self.entries {
            let likeness = |known: &&&str| (strsim::jaro_winkler(key, known) * 1_000.0) as u32;
            let nearest = self.known.iter().max_by_key(likeness).copied().unwrap_or_default();
            out.push(self.complain(Some(*line), key, "is unknown", &format!("the nearest known key is {nearest}")));
        }
    }
}

impl Value {
    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "is a text",
            Self::Truth(_) => "is true or false",
            Self::Texts(_) => "is a list",
            Self::Table(_) => "is a table",
            Self::Other("a number") => "is a number",
            Self::Other("a date") => "is a date",
            Self::Other(_) => "is a list of other things than texts",
        }
    }
}

fn texts<'a>(items: impl Iterator<Item = &'a DeValue<'a>>) -> Value {
    let text = |item: &DeValue<'_>| if let DeValue::String(text) = item { Some(text.to_string()) } else { None };
    items.map(text).collect::<Option<_>>().map_or(Value::Other("a list"), Value::Texts)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

pub(super) fn complaint(file: &Path, line: Option<usize>, key: &str, found: String, remedy: &str) -> Complaint {
    let place = Place { file: file.into(), line };
    Complaint { place: Some(place), key: key.to_owned(), found, remedy: remedy.to_owned() }
}
