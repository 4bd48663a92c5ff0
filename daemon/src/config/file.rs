//! What may be written: one TOML file and its drop-ins, laid over one another key by key, every key with its place.
//!
//! Whether a key is known and its value fit is decided in [`check`](super::check).

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::{Complaints, Place};

/// A configuration that is larger is a mistake: some other file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The keys of a section, or the sections of a file.
pub(super) type Table = BTreeMap<String, Entry>;

/// A value and where its key is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Truth(bool),
    /// A date or time, as TOML writes it without quotes.
    Moment(String),
    /// Its place is where the item is written.
    List(Vec<Entry>),
    Table(Table),
    /// A type that no key of ours has.
    Other(&'static str),
}

/// Reads `path` and then its drop-ins (`config.d/*.toml` beside `config.toml`) in the order of their names; the
/// later file wins, key by key. What cannot be read is complained about and left out. Also tells which files were
/// read.
pub(super) fn read(path: &Path, out: &mut Complaints) -> (Table, Vec<PathBuf>) {
    let mut merged = Table::new();
    let mut files = vec![path.to_owned()];
    files.extend(drop_ins(&path.with_extension("d"), out));
    for file in &files {
        if let Some(text) = read_text(file, out) {
            lay_over(&mut merged, parse(file, &text, out));
        }
    }
    (merged, files)
}

/// Reads one file without drop-ins; `None` when it cannot be read or is not TOML, which is complained about.
pub(super) fn read_alone(path: &Path, out: &mut Complaints) -> Option<Table> {
    let text = read_text(path, out)?;
    let before = out.errors.len();
    let table = parse(path, &text, out);
    (out.errors.len() == before).then_some(table)
}

fn drop_ins(directory: &Path, out: &mut Complaints) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory).and_then(|entries| {
        let mut files = Vec::new();
        for entry in entries {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "toml") {
                files.push(file);
            }
        }
        files.sort();
        Ok(files)
    });
    match listed {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            unreadable(directory, &error, out);
            Vec::new()
        }
    }
}

/// The text of a file of up to 1 MiB; `None` when there is none, which is complained about.
pub(super) fn read_text(file: &Path, out: &mut Complaints) -> Option<String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        unreadable(file, &error, out);
        return None;
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        out.error(Some(whole(file)), "", "has more than 1 MiB", "name a configuration file");
        return None;
    }
    String::from_utf8(bytes)
        .map_err(|error| {
            let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
            let place = Place { file: file.into(), line: Some(line) };
            out.error(Some(place), "", "is not UTF-8", "save the file as UTF-8");
        })
        .ok()
}

fn unreadable(path: &Path, error: &std::io::Error, out: &mut Complaints) {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "create it, or name another with --config",
        ErrorKind::PermissionDenied => "let the user that the daemon runs as read it",
        _ => "mend the file or its file system",
    };
    out.error(Some(whole(path)), "", format!("cannot be read ({error})"), remedy);
}

fn whole(file: &Path) -> Place {
    Place { file: file.into(), line: None }
}

fn line_of(text: &[u8], offset: usize) -> usize {
    1 + text.iter().take(offset).filter(|&&byte| byte == b'\n').count()
}

/// Where each line ends.
fn line_ends(text: &str) -> Vec<usize> {
    text.match_indices('\n').map(|(at, _)| at).collect()
}

/// Reads one file's text, complaining of every syntax error in it.
pub(super) fn parse(file: &Path, text: &str, out: &mut Complaints) -> Table {
    let (document, errors) = DeTable::parse_recoverable(text);
    let source = Source { file: file.into(), line_ends: line_ends(text) };
    for error in &errors {
        let place = error.span().map_or_else(|| whole(file), |span| source.place(span.start));
        out.error(Some(place), "", "is not TOML here", error.message());
    }
    // What a broken line was meant to say is guesswork: no second complaint should rest on it.
    if errors.is_empty() { source.table(document.get_ref()) } else { Table::new() }
}

struct Source {
    file: Arc<Path>,
    line_ends: Vec<usize>,
}

impl Source {
    fn table(&self, table: &DeTable<'_>) -> Table {
        table
            .iter()
            .map(|(key, value)| {
                (key.get_ref().to_string(), Entry { place: self.place(key.span().start), value: self.value(value) })
            })
            .collect()
    }

    fn place(&self, offset: usize) -> Place {
        let line = 1 + self.line_ends.partition_point(|&end| end < offset);
        Place { file: self.file.clone(), line: Some(line) }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other("a number beyond 64 bits"),
            },
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Boolean(truth) => Value::Truth(*truth),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| Entry { place: self.place(item.span().start), value: self.value(item) })
                    .collect(),
            ),
        }
    }
}

fn lay_over(base: &mut Table, over: Table) {
    for (key, entry) in over {
        match (base.get_mut(&key), entry.value) {
            (Some(Entry { value: Value::Table(below), .. }), Value::Table(above)) => lay_over(below, above),
            (_, value) => {
                base.insert(key, Entry { place: entry.place, value });
            }
        }
    }
}
