//! Files that are written whole or not at all, and files that are to leave as little behind as can be.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Whoever owns a file, as chmod(1) counts.
const OWNER: u32 = 0o700;

/// A file that is to be.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NewFile {
    /// Where.
    pub(super) path: PathBuf,
    /// What will stand in it.
    pub(super) bytes: Vec<u8>,
    /// Who may read and write it, as chmod(1) counts.
    pub(super) mode: u32,
    /// The same for folders that have to be made for it.
    pub(super) folder_mode: u32,
}

/// Without the content: it may be a secret.
impl std::fmt::Debug for NewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewFile({}, {} bytes, {:o})", self.path.display(), self.bytes.len(), self.mode)
    }
}

/// A file that could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be {verb}", path = .path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// What was to be done with it.
    pub verb: &'static str,
    /// The system's reason.
    #[source]
    pub source: io::Error,
}

impl FileError {
    fn of(path: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), verb, source }
    }
}

/// Writes all of `files`, or none: each lies complete and on the disk beside its place before the first is put there. A power
/// cut in between leaves some new and some old files, each whole.
pub(super) fn commit(files: &[NewFile]) -> Result<(), FileError> {
    let mut ready = Vec::with_capacity(files.len());
    for file in files {
        match lay_beside(file) {
            Ok(beside) => ready.push(beside),
            Err(error) => {
                forget(&ready);
                return Err(FileError { path: file.path.clone(), verb: "written", source: error });
            }
        }
    }
    for (n, (file, beside)) in files.iter().zip(&ready).enumerate() {
        if let Err(error) = fs::rename(beside, &file.path) {
            forget(&ready[n..]);
            return Err(FileError { path: file.path.clone(), verb: "put in its place", source: error });
        }
        sync_folder(&file.path).map_err(FileError::of(&file.path, "kept"))?;
    }
    Ok(())
}

fn lay_beside(file: &NewFile) -> io::Result<PathBuf> {
    let folder = file.path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(file.folder_mode).create(folder)?;
    let name = file.path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
    // One of an earlier try that was cut short.
    remove(&beside)?;
    let written = || {
        let mut out = OpenOptions::new().write(true).create_new(true).mode(file.mode).open(&beside)?;
        // The mode that a umask has narrowed. A card's boot partition knows none, which matters only for what is private.
        let narrowed = out.set_permissions(fs::Permissions::from_mode(file.mode));
        if file.mode & !OWNER == 0 {
            narrowed?;
        }
        out.write_all(&file.bytes)?;
        out.sync_all()
    };
    written().inspect_err(|_| forget(std::slice::from_ref(&beside)))?;
    Ok(beside)
}

fn forget(beside: &[PathBuf]) {
    for path in beside {
        // What led here is the news, and the names say what they are.
        let _ = wipe(path);
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Overwrites a file with zeros and removes it. A flash card may keep the old content all the same. `false` if there is none.
pub(super) fn wipe(path: &Path) -> Result<bool, FileError> {
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        about => about.map_err(FileError::of(path, "looked at"))?,
    };
    if about.is_file() {
        let overwrite = || {
            let mut file = OpenOptions::new().write(true).open(path)?;
            io::copy(&mut io::Read::take(io::repeat(0), about.len()), &mut file)?;
            file.flush()?;
            file.sync_all()
        };
        overwrite().map_err(FileError::of(path, "overwritten"))?;
    }
    fs::remove_file(path).map_err(FileError::of(path, "removed"))?;
    sync_folder(path).map_err(FileError::of(path, "removed"))?;
    Ok(true)
}

/// The text of a file of up to `most` bytes.
pub(super) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, most + 1), &mut text)?;
    if text.len() as u64 > most { Err(ErrorKind::FileTooLarge.into()) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(path: PathBuf, text: &str) -> NewFile {
        NewFile { path, bytes: text.into(), mode: 0o600, folder_mode: 0o700 }
    }

    #[test]
    fn all_are_written_or_none() {
        let home = tempfile::tempdir().unwrap();
        let (one, two) = (home.path().join("a/one"), home.path().join("file/two"));
        fs::write(home.path().join("file"), "in the way").unwrap();
        let files = [new(one.clone(), "1"), new(two, "2")];
        let error = commit(&files).unwrap_err();
        assert!(error.to_string().ends_with("file/two cannot be written"), "{error}");
        assert_eq!(fs::read_dir(home.path().join("a")).unwrap().count(), 0, "nothing, and nothing beside it");

        commit(&files[..1]).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), "1");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&one), mode(one.parent().unwrap())), (0o600, 0o700));
        commit(&[new(one.clone(), "3")]).unwrap();
        assert_eq!(fs::read_to_string(&one).unwrap(), "3");
    }

    #[test]
    fn what_is_wiped_is_overwritten_first() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("secret"), home.path().join("the same file"));
        fs::write(&path, "hush").unwrap();
        fs::hard_link(&path, &other).unwrap();
        assert!(wipe(&path).unwrap());
        assert!(!path.exists());
        assert_eq!(fs::read(other).unwrap(), [0; 4]);
        assert!(!wipe(&path).unwrap(), "there is none");
    }

    #[test]
    fn a_content_is_not_printed() {
        assert_eq!(format!("{:?}", new("/x".into(), "hush")), "NewFile(/x, 4 bytes, 600)");
    }
}
