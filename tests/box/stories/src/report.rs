//! What came of the stories: one line each, kept in the runner's share so that it outlives a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

/// The book of results.
pub(crate) struct Report {
    progress: File,
    results: PathBuf,
}

impl Report {
    /// Opens the book that an earlier boot has begun, or a new one.
    pub(crate) fn open(share: &Path) -> anyhow::Result<Self> {
        let progress = OpenOptions::new().create(true).append(true).open(share.join("progress"));
        Ok(Self { progress: progress.context("no progress can be shown")?, results: share.join("results") })
    }

    /// A story is over.
    pub(crate) fn story(&mut self, title: &str, outcome: anyhow::Result<String>, took: Duration) -> anyhow::Result<()> {
        let (word, text) = match outcome {
            Ok(figures) => ("ok  ", figures),
            Err(error) => ("FAIL", format!("{error:#}").replace('\n', "\n            ")),
        };
        let line = format!("{word} {title}: {text} [{:.0} s]\n", took.as_secs_f64());
        self.progress.write_all(line.as_bytes())?;
        let mut results = OpenOptions::new().create(true).append(true).open(&self.results)?;
        writeln!(results, "{}", word.trim_end())?;
        Ok(())
    }

    /// All is told: prints the sum, and says whether all went well.
    pub(crate) fn end(&mut self) -> anyhow::Result<bool> {
        let results = fs::read_to_string(&self.results).unwrap_or_default();
        let failed = results.lines().filter(|word| *word != "ok").count();
        let passed = results.lines().count() - failed;
        writeln!(self.progress, "{passed} passed, {failed} failed")?;
        Ok(failed == 0 && passed > 0)
    }
}
