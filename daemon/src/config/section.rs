//! Taking a section apart: each key is asked for once, with its type, its default and what would do; what nobody
//! asked for is unknown.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::complaint::{Complaints, Place};
use super::file::{Entry, Table, Value};

/// Characters of a value that a complaint repeats.
const SHOWN_CHARS: usize = 60;

/// Lists by key; each list has its place, and so has each of its items.
pub(super) type Lists<K, V> = Vec<(Place, K, Vec<(Place, V)>)>;

/// One section of the configuration while it is being checked.
///
/// Every complaint goes to `out` and the default stands in, so that one run finds everything.
pub(super) struct Section<'a> {
    /// As it is written, brackets included; empty for a whole file, whose keys are sections.
    title: String,
    /// Tells an item of a list from the others: its id, if it has one.
    id: Option<String>,
    table: Table,
    known: Vec<&'static str>,
    /// Those of `known` that are lists of sections.
    lists: Vec<&'static str>,
    /// What is named when a key is missing: the item of a list, or the file.
    here: Place,
    pub(super) out: &'a mut Complaints,
}

impl<'a> Section<'a> {
    /// Takes the section `name` out of `tables`; a section that is not written is empty.
    pub(super) fn open(tables: &mut Table, name: &str, file: &Path, out: &'a mut Complaints) -> Self {
        let title = format!("[{name}]");
        let table = match tables.remove(name) {
            None => Table::new(),
            Some(Entry { value: Value::Table(table), .. }) => table,
            Some(Entry { place, value }) => {
                out.error(Some(place), name, shown(&value), format!("write a section {title} with keys in it"));
                Table::new()
            }
        };
        Self::new(title, table, Place { file: file.into(), line: None }, out)
    }

    /// A file of its own, whose sections are taken with [`nested`](Self::nested) and [`items`](Self::items).
    pub(super) fn file(table: Table, file: &Path, out: &'a mut Complaints) -> Self {
        Self::new(String::new(), table, Place { file: file.into(), line: None }, out)
    }

    fn new(title: String, table: Table, here: Place, out: &'a mut Complaints) -> Self {
        Self { title, id: None, table, known: Vec::new(), lists: Vec::new(), here, out }
    }

    /// Section and key, as complaints name them.
    pub(super) fn name(&self, key: &str) -> String {
        match &self.id {
            _ if self.title.is_empty() => self.part(key),
            Some(id) => format!("{} ({id}) {key}", self.title),
            None => format!("{} {key}", self.title),
        }
    }

    /// The title of a section within this one.
    fn part(&self, key: &str) -> String {
        let outer = self.title.trim_matches(['[', ']']);
        let path = if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") };
        if self.lists.contains(&key) { format!("[[{path}]]") } else { format!("[{path}]") }
    }

    /// Where `key` is written, if it is and was not taken yet.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.table.get(key).map(|entry| entry.place.clone())
    }

    /// Where the section is written: an item's own line, else its file.
    pub(super) fn here(&self) -> Place {
        self.here.clone()
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
        let result = understood(&value, read);
        result.map_err(|remedy| self.out.error(Some(place), self.name(key), found(&value), remedy)).ok()
    }

    /// Like [`optional`](Self::optional) for dates, which may stand without quotes.
    pub(super) fn date<T, E: Display>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Entry { place, value } = self.take(key)?;
        let value = if let Value::Moment(text) = value { Value::Text(text) } else { value };
        let result = understood(&value, read);
        result.map_err(|remedy| self.out.error(Some(place), self.name(key), shown(&value), remedy)).ok()
    }

    /// A list of texts, each with its place; empty when it is not written. What `read` does not understand is left out.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<(Place, T)> {
        let Some(entry) = self.take(key) else { return Vec::new() };
        self.texts(key, entry, &mut read)
    }

    /// What stands at `key`, as a list of texts.
    fn texts<T, E: Display>(
        &mut self,
        key: &str,
        Entry { place, value }: Entry,
        read: &mut impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<(Place, T)> {
        let Value::List(items) = value else {
            let remedy = "expected a list of texts in square brackets: [\"…\", \"…\"]";
            self.out.error(Some(place), self.name(key), shown(&value), remedy);
            return Vec::new();
        };
        let mut understood_items = Vec::new();
        for Entry { place, value } in items {
            match understood(&value, &mut *read) {
                Ok(item) => understood_items.push((place, item)),
                Err(remedy) => self.out.error(Some(place), self.name(key), shown(&value), remedy),
            }
        }
        understood_items
    }

    /// `true` or `false`; `default` when it is not written.
    pub(super) fn truth(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Entry { value: Value::Truth(truth), .. }) => truth,
            Some(Entry { place, value }) => {
                self.out.error(Some(place), self.name(key), shown(&value), "choose true or false, without quotes");
                default
            }
        }
    }

    /// Complains when `key` is not written. Ask before the key is taken.
    pub(super) fn require(&mut self, key: &'static str, remedy: &str) {
        if !self.table.contains_key(key) {
            let name = self.name(key);
            self.out.error(Some(self.here.clone()), name, "is missing", remedy);
        }
    }

    /// A whole number within `range`; `default` when it is not written.
    pub(super) fn integer(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        self.whole_number(key, range).unwrap_or(default)
    }

    /// A whole number within `range`, if it is written.
    pub(super) fn whole_number(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let Entry { place, value } = self.take(key)?;
        let (least, most) = (range.start(), range.end());
        if let Value::Integer(number) = value
            && let Ok(number) = u32::try_from(number)
            && range.contains(&number)
        {
            return Some(number);
        }
        let quoted = if matches!(value, Value::Text(_)) { ", without quotes" } else { "" };
        let remedy = format!("choose a whole number from {least} to {most}{quoted}");
        self.out.error(Some(place), self.name(key), shown(&value), remedy);
        None
    }

    /// A file that must be there and readable; a relative path starts beside the configuration file.
    pub(super) fn readable_file(&mut self, key: &'static str) -> Option<PathBuf> {
        let base = self.here.file.parent().unwrap_or(Path::new("")).to_owned();
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
        let title = self.part(key);
        let Entry { place, value } = self.take(key)?;
        if let Value::Table(table) = value {
            let id = self.id.clone();
            return Some(Section { id, ..Section::new(title, table, self.here.clone(), self.out) });
        }
        let remedy = if self.title.is_empty() {
            format!("write a section {title} with keys in it, once")
        } else {
            "expected { … } with keys in it".to_owned()
        };
        self.out.error(Some(place), self.name(key), shown(&value), remedy);
        None
    }

    /// The sections of a list, `[[practitioners]]`, to be opened with [`item`](Self::item); none when it is not written.
    pub(super) fn items(&mut self, key: &'static str) -> Vec<Entry> {
        self.lists.push(key);
        let title = self.part(key);
        match self.take(key) {
            None => Vec::new(),
            Some(Entry { value: Value::List(items), .. }) => items,
            Some(Entry { place, value }) => {
                let remedy = format!("write {title} in double brackets, once for each");
                self.out.error(Some(place), title, shown(&value), remedy);
                Vec::new()
            }
        }
    }

    /// One of [`items`](Self::items) of that key. Complaints name it by its `id`, if it has one.
    pub(super) fn item(&mut self, key: &'static str, Entry { place, value }: Entry) -> Option<Section<'_>> {
        let title = self.part(key);
        let Value::Table(table) = value else {
            self.out.error(Some(place), title.clone(), shown(&value), format!("write {title} with keys below it"));
            return None;
        };
        let id = match table.get("id") {
            Some(Entry { value: Value::Text(id), .. }) => {
                Some(id.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect())
            }
            _ => self.id.clone(),
        };
        Some(Section { id, ..Section::new(title, table, place, self.out) })
    }

    /// Every key that nobody has asked for, with its text: for a table whose keys the user chooses.
    pub(super) fn pairs<K, V, E: Display, F: Display>(
        &mut self,
        key: impl Fn(&str) -> Result<K, E>,
        text: impl Fn(&str) -> Result<V, F>,
    ) -> Vec<(K, V)> {
        let mut pairs = Vec::new();
        for (name, Entry { place, value }) in std::mem::take(&mut self.table) {
            let read = match &value {
                Value::Text(written) => text(written).map_err(|error| error.to_string()),
                _ => Err("expected a text in quotes".to_owned()),
            };
            match (key(&name), read) {
                (Ok(key), Ok(text)) => pairs.push((key, text)),
                (Err(error), _) => {
                    self.out.error(Some(place), self.name(&name), "will not do as a key", error.to_string());
                }
                (_, Err(remedy)) => self.out.error(Some(place), self.name(&name), shown(&value), remedy),
            }
        }
        pairs
    }

    /// Every key that nobody has asked for, with its place and its list of texts, each with its own place: like
    /// [`pairs`](Self::pairs).
    pub(super) fn lists<K, V, E: Display, F: Display>(
        &mut self,
        key: impl Fn(&str) -> Result<K, E>,
        mut text: impl FnMut(&str) -> Result<V, F>,
    ) -> Lists<K, V> {
        let mut lists = Vec::new();
        for (name, Entry { place, value }) in std::mem::take(&mut self.table) {
            let read = key(&name).map_err(|error| error.to_string());
            match read {
                Ok(key) => {
                    let items = self.texts(&name, Entry { place: place.clone(), value }, &mut text);
                    lists.push((place, key, items));
                }
                Err(remedy) => self.out.error(Some(place), self.name(&name), "will not do as a key", remedy),
            }
        }
        lists
    }

    /// Complains of every key that nobody asked for.
    pub(super) fn finish(self) {
        let whole = self.title.is_empty();
        for (key, entry) in &self.table {
            let near = nearest(key, &self.known);
            let (found, remedy) = if whole {
                let all = self.known.iter().map(|key| self.part(key)).collect::<Vec<_>>().join(", ");
                let near = near.map_or_else(String::new, |near| format!("did you mean {}? ", self.part(near)));
                ("is not a known section", format!("{near}sections are {all}"))
            } else {
                let remedy = match near {
                    Some(near) => format!("did you mean {near}?"),
                    None if looks_secret(key) => "secrets are not kept in this file: pass a systemd credential or an \
                                                  environment variable"
                        .to_owned(),
                    None => format!("its keys are {}", self.known.join(", ")),
                };
                ("is not a known key", remedy)
            };
            self.out.error(Some(entry.place.clone()), self.name(key), found, remedy);
        }
        self.out.known.extend(self.known.into_iter().map(|key| (self.title.clone(), key)));
    }
}

/// Reads a value that must be a text.
fn understood<T, E: Display>(value: &Value, read: impl FnOnce(&str) -> Result<T, E>) -> Result<T, String> {
    match value {
        Value::Text(text) => read(text).map_err(|error| error.to_string()),
        _ => Err("expected a text in quotes".to_owned()),
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
        Value::Truth(truth) => format!("= {truth}"),
        Value::Moment(_) => "is a date or time".to_owned(),
        Value::List(_) => "is a list".to_owned(),
        Value::Table(_) => "is a section".to_owned(),
        Value::Other(kind) => format!("is {kind}"),
    }
}
