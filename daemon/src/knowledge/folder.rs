//! Reading the folder: which texts there are, what is in them, and why some of it cannot be used.
//!
//! One text that cannot be used keeps no other from being told, and the daemon from nothing.

use std::fmt;
use std::fs::{self, DirEntry, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use frontdesk_core::knowledge::{Passage, passages};
use frontdesk_core::tools::text::line;

/// Bytes of a text, and of all of them: what is larger was written by a program, and nobody would say it.
const LONGEST_TEXT: u64 = 1024 * 1024;
const LONGEST_ALL: u64 = 4 * LONGEST_TEXT;
/// Texts in a folder.
const MOST_TEXTS: usize = 1_000;
/// Folders within folders.
const DEEPEST: usize = 4;

/// What a folder has to tell.
#[derive(Debug, Default)]
pub struct Read {
    /// Of all texts, in the order of their names.
    pub passages: Vec<Passage>,
    /// The texts that they are from.
    pub files: Vec<PathBuf>,
    /// The others.
    pub left_out: Vec<LeftOut>,
}

/// A text that is not told to anybody.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub found: String,
    /// What would do.
    pub remedy: &'static str,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.path.display(), self.found, self.remedy)
    }
}

/// How a folder looks from outside. It differs whenever any text was written, replaced, renamed, added or removed: also when a
/// program has put its time back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen(Vec<(PathBuf, Option<Looks>)>);

/// Size, identity, and when it was changed by what the system says, which nobody can put back.
#[derive(Debug, PartialEq, Eq)]
struct Looks {
    size: u64,
    file: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Looks at a folder without reading it. The error is that of the folder itself.
pub(super) fn look(folder: &Path) -> io::Result<Seen> {
    let looks = |about: Metadata| Looks {
        size: about.len(),
        file: (about.dev(), about.ino()),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    };
    let texts = texts_in(folder)?.into_iter();
    Ok(Seen(texts.map(|path| (path.clone(), fs::metadata(path).ok().map(looks))).collect()))
}

/// Reads the texts of a folder: files that end in `.md` or `.markdown`, and those in the folders within it, four deep; not what
/// begins with a dot. Blocks on the disk. The error is that of the folder itself.
pub fn read(folder: &Path) -> io::Result<Read> {
    let mut result = Read::default();
    let mut left = LONGEST_ALL;
    let texts = texts_in(folder)?;
    for (at, path) in texts.into_iter().enumerate() {
        let text = if at < MOST_TEXTS { read_text(&path, left) } else { Err(too_many()) };
        let told = text.and_then(|text| {
            left -= text.len() as u64;
            let name = line(&path.strip_prefix(folder).unwrap_or(&path).to_string_lossy());
            let passages = passages(&name, &text);
            if passages.is_empty() { Err(nothing_to_tell()) } else { Ok(passages) }
        });
        match told {
            Ok(passages) => {
                result.passages.extend(passages);
                result.files.push(path);
            }
            Err((found, remedy)) => result.left_out.push(LeftOut { path, found, remedy }),
        }
    }
    Ok(result)
}

/// What was found, and what would do.
type Fault = (String, &'static str);

fn too_many() -> Fault {
    (format!("is one of more than {MOST_TEXTS} texts"), "make one text of several")
}

fn nothing_to_tell() -> Fault {
    ("has nothing that could be told".to_owned(), "write sentences under its headings, or remove it")
}

fn read_text(path: &Path, left: u64) -> Result<String, Fault> {
    let unreadable = |error: io::Error| {
        (format!("cannot be read ({error})"), "let the user that the daemon runs as read it, or remove it")
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(LONGEST_TEXT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let long = bytes.len() as u64;
    if long > LONGEST_TEXT {
        return Err(("has more than 1 MiB".to_owned(), "make several texts of it, or remove it"));
    }
    if long > left {
        return Err(("makes more than 4 MiB of all texts together".to_owned(), "remove what no caller asks about"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + good.filter(|&&byte| byte == b'\n').count();
        (format!("is not UTF-8 in line {line}"), "save the file as UTF-8")
    })
}

/// The texts of a folder and of those within it, in the order of their names. What cannot be listed deeper down has none.
fn texts_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut texts = Vec::new();
    let mut open: Vec<(PathBuf, usize)> = Vec::new();
    sort(fs::read_dir(folder)?, 0, &mut texts, &mut open);
    while let Some((folder, depth)) = open.pop() {
        if let Ok(entries) = fs::read_dir(folder) {
            sort(entries, depth, &mut texts, &mut open);
        }
    }
    texts.sort();
    Ok(texts)
}

fn sort(
    entries: impl Iterator<Item = io::Result<DirEntry>>,
    depth: usize,
    texts: &mut Vec<PathBuf>,
    open: &mut Vec<(PathBuf, usize)>,
) {
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // A link to a folder is not followed: it may lead back to where we are.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if depth < DEEPEST {
                open.push((path, depth + 1));
            }
        } else if is_markdown(&path) && !fs::metadata(&path).is_ok_and(|about| !about.is_file()) {
            texts.push(path);
        }
    }
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md") || ending.eq_ignore_ascii_case("markdown"))
}
